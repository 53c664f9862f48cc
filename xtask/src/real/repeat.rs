//! The same inputs give the same digest: elsewhere, later, with another parallelism.

use std::fs;
use std::time::{Duration, SystemTime};

use super::world::ensure;
use super::{Test, Trouble, World};
use crate::command;

pub const TESTS: &[Test] =
    &[("the same inputs give the same digest", same), ("--twice names what differs", twice)];

const FIXTURE: &str = "\
//- /Dockerfile
FROM debian AS packages
RUN apt-get update && apt-get install -y --no-install-recommends make libcap2-bin
FROM debian AS one
RUN mkdir /one && for i in 1 2 3 4 5 6 7 8 9; do echo $i > /one/$i; done && ln /one/1 /one/again
FROM debian AS two
COPY . /context
RUN ls -l --time-style=+%s /context > /listing && touch /etc/passwd && rm -r /usr/share/doc/tar
FROM packages
COPY --from=one /one /one
COPY --from=two /listing /context /two/
COPY --link --chown=1000 dir /linked/
RUN find / -xdev -newermt 2020-01-01 > /tmp/new || true
//- /dir/a
a
//- /dir/b mode=0755
b
//- /big size=300000
";

fn same(world: &World) -> Result<(), Trouble> {
    let debian = format!("debian=oci-layout://{}", world.debian()?.display());
    let mut digests = Vec::new();
    for (name, jobs) in [("repeat-one", "1"), ("repeat-somewhere-else/below", "4")] {
        let place = world.place(name)?;
        let context = place.context(FIXTURE)?;
        // As in a fresh checkout: files are newer than the base.
        let days = if jobs == "4" { 2 } else { 1 };
        for file in ["Dockerfile", "dir/a", "dir/b", "big", "dir"] {
            let time = SystemTime::now() + Duration::from_secs(days * 24 * 3600);
            fs::File::open(context.join(file))?.set_modified(time)?;
        }
        let id = place.path.join("id");
        let flags = ["--build-context", &debian, "--jobs", jobs, "--iidfile", &id.to_string_lossy()];
        let outcome = command::run(&mut place.build_command(&context, &flags), Duration::from_secs(300))?;
        ensure(outcome.success(), || outcome.tail(25))?;
        digests.push(fs::read_to_string(&id)?);
        if jobs == "4" {
            // Cold once more in the same store.
            let mut again = place.build_command(&context, &[&flags[..], &["--no-cache"]].concat());
            let outcome = command::run(&mut again, Duration::from_secs(300))?;
            ensure(outcome.success(), || outcome.tail(25))?;
            digests.push(fs::read_to_string(&id)?);
        }
    }
    ensure(digests.iter().all(|digest| *digest == digests[0]), || format!("{digests:?}"))
}

fn twice(world: &World) -> Result<(), Trouble> {
    let place = world.place("twice")?;
    let fixture = "//- /Dockerfile\nFROM base\nRUN echo same > /same\nRUN head -c 8 /dev/urandom > /random\n";
    let outcome = place.build(fixture, &["--twice"])?;
    let text = format!("{}{}", outcome.stdout, outcome.stderr);
    ensure(text.contains("random") && !text.contains("/same "), || {
        format!("/random is not named:\n{}", outcome.tail(20))
    })
}
