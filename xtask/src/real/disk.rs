//! A disk that is full.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::world::{ensure, needs, needs_root};
use super::{Test, Trouble, World};
use crate::command::{self, must};

pub const TESTS: &[Test] = &[("a full disk is said and harms nothing", full)];

const LIMIT: Duration = Duration::from_secs(60);

/// A mounted loop device; it is unmounted with this value.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = command::run(Command::new("umount").arg(self.0), LIMIT);
    }
}

fn full(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["mkfs.ext4", "mount", "umount"])?;
    let place = world.place("full-disk")?;
    let (file, mounted) = (place.path.join("disk"), place.path.join("mounted"));
    fs::create_dir_all(&mounted)?;
    fs::File::create(&file)?.set_len(96 << 20)?;
    must(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&file), LIMIT)?;
    let mount = command::run(Command::new("mount").args(["-o", "loop"]).arg(&file).arg(&mounted), LIMIT)?;
    if !mount.success() {
        return Err(Trouble::Skipped(format!("no loop device: {}", mount.tail(2))));
    }
    let _mount = Mount(&mounted);
    let place = place.with_store(mounted.join("store"));
    for (name, step) in [
        ("by a step", "RUN head -c 200000000 /dev/urandom > /big"),
        ("by a copy", "COPY big /big"),
        (
            "by many files",
            "RUN mkdir /m && cd /m && for i in $(seq 200); do mkdir $i; for j in $(seq 500); do echo $i$j > $i/$j; done; done",
        ),
    ] {
        let context =
            place.context(&format!("//- /Dockerfile\nFROM base\n{step}\n//- /big size=120000000\n"))?;
        let outcome = command::run(&mut place.build_command(&context, &[]), Duration::from_secs(120))?;
        let said = outcome.stderr.to_lowercase().contains("no space left");
        ensure(matches!(outcome.code(), 2..=4) && said, || {
            format!("{name}: exit {}:\n{}", outcome.code(), outcome.tail(15))
        })?;
    }
    let outcome = place.kapok(&["gc"])?;
    ensure(outcome.success(), || format!("kapok gc on a full disk: {}", outcome.tail(10)))?;
    place.verify()?;
    let outcome = place.build("//- /Dockerfile\nFROM base\nRUN echo small > /small\n", &[])?;
    ensure(outcome.success(), || format!("a small build afterwards: {}", outcome.tail(15)))
}
