//! What trust in a gateway leaves behind: nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::image::{self, Image};

use super::fixture::{Here, LIMIT};
use crate::command;
use crate::real::{Test, Trouble, World, as_user, difference, ensure, needs, needs_root};

pub const TESTS: &[Test] = &[
    ("ca-certificates in the same RUN leaves the image of a build without a gateway", same_as_without),
    ("an ordinary user's RUN trusts, and builds the same image", ordinary_user),
];

/// By https from the first request on.
const SAME_RUN: &str = "\
//- /Dockerfile
FROM debian
RUN sed -i 's,http:,https:,' /etc/apt/sources.list.d/* && apt-get update \\
    && apt-get install --yes --no-install-recommends ca-certificates curl \\
    && place=$(sed -n 's,^URIs: ,,p;s,^deb \\(\\[.*\\] \\)*\\(https[^ ]*\\) .*,\\2,p' /etc/apt/sources.list.d/* | head -n 1) \\
    && curl -fsSL -o /dev/null $place/dists/bookworm/InRelease
";

/// The same packages, fetched by http: a machine's network may end TLS itself, with an authority that the base lacks.
const PLAIN: &str = "\
//- /Dockerfile
FROM debian
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates curl && rm -r /var/lib/apt/lists
";

fn same_as_without(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-without")?;
    here.explained(SAME_RUN, "gateway:same-run")?.has("debian", "pkg:deb/debian/ca-certificates@")?;
    let settings = here.place.path.join("settings/kapok");
    fs::create_dir_all(&settings)?;
    fs::write(settings.join("kapok.yaml"), "network:\n  host: true\n")?;
    let digest = |flags: &[&str]| {
        let outcome = here.build(PLAIN, &[&["--quiet", "--no-cache"], flags].concat())?;
        ensure(outcome.success(), || outcome.tail(20))?;
        Ok::<_, Trouble>(outcome.stdout.trim().to_owned())
    };
    let (with, without) = (digest(&[])?, digest(&["--network", "host"])?);
    ensure(with == without, || format!("{with} with a gateway, {without} without"))
}

fn ordinary_user(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["newuidmap", "unshare", "setpriv"])?;
    let here = Here::new(world, "gateway-root")?;
    let tar = here.place.path.join("image.tar");
    let root = here.build(PLAIN, &["--no-cache", "--output", &format!("type=oci,dest={}", tar.display())])?;
    ensure(root.success(), || root.tail(20))?;
    let root = image::load_one(&tar)?;
    let debian = here.debian();
    // A place is made accessible to its user, whatever modes the layers of an earlier build there have.
    let built = |name: &str, fixture: &str| {
        let place = world.place(name)?;
        let context = place.context(fixture)?;
        let tar = place.path.join("home/image.tar");
        let output = format!("type=oci,dest={}", tar.display());
        let flags = ["--compression", "zstd", "--output", &output, &debian[0], &debian[1]];
        let outcome = as_user(&place, &place.plain_build(&context, &flags))?;
        ensure(outcome.success(), || outcome.tail(25))?;
        Ok::<_, Trouble>(tar)
    };
    built("gateway-user-https", SAME_RUN)?;
    let tar = built("gateway-user", PLAIN)?;
    let user = image::load_one(&tar)?;
    let text = |image: &Image| image.print_config() + &image.tree.print(None, &BTreeMap::new());
    ensure(root.digest == user.digest, || difference(&text(&root), &text(&user)))
}

/// Looks for the gateways' authorities in everything that the store has of all the tests: unpacked layers, records, configurations.
pub fn nothing_left(world: &World) -> Result<(), Trouble> {
    needs(&["grep"])?;
    let here = Here::new(world, "gateway-left")?;
    // In another store: what a step prints is kept.
    let apart = here.with_store("store");
    let shows = "//- /Dockerfile\nFROM debian\nRUN cat /run/kapok/gateway.pem\n";
    let outcome = apart.build(shows, &["--no-cache"])?;
    let shown = outcome.stderr.lines().chain(outcome.stdout.lines());
    let text: String = shown.filter_map(|line| line.split_whitespace().last()).collect();
    let forms = forms(b"Kapok step gateway");
    ensure(forms.iter().any(|form| text.contains(form.as_str())), || {
        format!("a step's authority has none of {forms:?}:\n{}", outcome.tail(30))
    })?;
    for part in ["layers", "blobs"] {
        let directory = here.place.store.join(part);
        let found = grep(&directory, &forms)?;
        ensure(found.is_empty(), || format!("the authority of a gateway is in\n{found}"))?;
    }
    here.place.verify()
}

/// A name as it is, and the middle of what becomes of it in base64 at each alignment.
fn forms(name: &[u8]) -> Vec<String> {
    let mut forms = vec![String::from_utf8_lossy(name).into_owned()];
    for alignment in 0..3 {
        let encoded = STANDARD.encode([&vec![0; alignment], name].concat());
        forms.push(encoded[4..20].to_owned());
    }
    forms
}

fn grep(directory: &Path, forms: &[String]) -> Result<String, Trouble> {
    let mut grep = Command::new("grep");
    grep.args(["--recursive", "--text", "--files-with-matches", "--fixed-strings", "--devices=skip"]);
    for form in forms {
        grep.arg("-e").arg(form);
    }
    grep.arg(directory).env("LC_ALL", "C");
    Ok(command::run(&mut grep, LIMIT)?.stdout)
}
