//! Another architecture, run by an emulator.

use std::fs;
use std::path::Path;

use super::world::ensure;
use super::{Test, Trouble, World};

pub const TESTS: &[Test] = &[
    ("another architecture runs where an emulator is registered", emulated),
    ("where none is, it is said", missing),
];

/// The kernel's list of foreign formats, with a line for 64-bit ARM.
fn registered(architecture: &str) -> bool {
    fs::read_dir("/proc/sys/fs/binfmt_misc").is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name() == format!("qemu-{architecture}").as_str())
    })
}

fn register() -> Result<(), Trouble> {
    if registered("aarch64") {
        return Ok(());
    }
    super::world::needs_root()?;
    super::world::needs(&["qemu-aarch64-static"])?;
    if !Path::new("/proc/sys/fs/binfmt_misc/register").exists() {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc"]);
        let mounted = crate::command::run(&mut mount, std::time::Duration::from_secs(10))?;
        if !mounted.success() {
            return Err(Trouble::Skipped(format!("binfmt_misc cannot be mounted: {}", mounted.tail(2))));
        }
    }
    // ELF, 64 bits, little endian, for AArch64; F: the kernel keeps the emulator open for other root directories.
    let magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
    let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
    let line = format!(":qemu-aarch64:M::{magic}:{mask}:/usr/bin/qemu-aarch64-static:OCF");
    fs::write("/proc/sys/fs/binfmt_misc/register", line)
        .map_err(|error| Trouble::Skipped(format!("no emulator can be registered: {error}")))
}

fn emulated(world: &World) -> Result<(), Trouble> {
    register()?;
    let place = world.place("emulated")?;
    let base = ["base", "debian", "--suite", "bookworm", "--platform", "linux/arm64", "-t", "debian:arm64"];
    let outcome = place.kapok(&base)?;
    ensure(outcome.success(), || format!("a base for arm64: {}", outcome.tail(20)))?;
    let image = place.image(
        "//- /Dockerfile\nFROM debian:arm64\nRUN uname -m > /machine && dpkg --print-architecture >> /machine\n",
        &["--platform", "linux/arm64"],
    )?;
    let machine = image.tree.content("/machine").unwrap_or_default();
    ensure(machine == b"aarch64\narm64\n", || {
        format!("the step ran on {:?}", String::from_utf8_lossy(machine))
    })?;
    ensure(image.config["architecture"] == "arm64", || "the configuration names another architecture".into())
}

fn missing(world: &World) -> Result<(), Trouble> {
    if registered("s390x") {
        return Err(Trouble::Skipped("an emulator for s390x is registered here".into()));
    }
    let place = world.place("no-emulator")?;
    let fixture = "//- /Dockerfile\nFROM scratch\nCOPY tool /tool\nRUN [\"/tool\"]\n//- /tool mode=0755 text=\\x7fELF\\x02\\x02\\x01\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\x02\\0\\x16\\0\\0\\0\\x01\n";
    let outcome = place.build(fixture, &["--platform", "linux/s390x"])?;
    let said = outcome.stderr.contains("s390x") && outcome.stderr.contains("qemu");
    ensure(matches!(outcome.code(), 2 | 4) && said, || {
        format!("exit {}:\n{}", outcome.code(), outcome.tail(12))
    })
}
