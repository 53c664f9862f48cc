//! Bases from the machine's own archive: the same as mmdebstrap's, sound by dpkg's own word, the same twice.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::world::{Place, ensure, needs, needs_root};
use super::{Test, Trouble, World};
use crate::command;

pub const TESTS: &[Test] = &[
    ("a base equals mmdebstrap's", equal),
    ("two stores assemble one digest", reproducible),
    ("dpkg and apt find nothing wrong in a base", sound),
    ("packages on top of a base are installed as dpkg would", included),
];

const LIMIT: Duration = Duration::from_secs(600);

const SUITE: &str = "bookworm";

/// Assembles a base in the place's store and answers with its digest.
fn assemble(place: &Place<'_>, flags: &[&str]) -> Result<String, Trouble> {
    let id = place.path.join("id");
    let mut command = place.command();
    command.args(["base", "debian", "--suite", SUITE, "-t", "base", "--iidfile"]).arg(&id).args(flags);
    let outcome = command::run(&mut command, LIMIT)?;
    ensure(outcome.success(), || format!("kapok base debian: {}", outcome.tail(20)))?;
    Ok(fs::read_to_string(id)?)
}

/// The base's files, as a directory.
fn export(place: &Place<'_>) -> Result<PathBuf, Trouble> {
    let context = place.path.join("empty");
    let tree = place.path.join("tree");
    fs::create_dir_all(&context)?;
    fs::write(context.join("Dockerfile"), "FROM base\n")?;
    let output = format!("type=tar,dest={}", place.path.join("tree.tar").display());
    let outcome = place.kapok(&["build", "--output", &output, &context.to_string_lossy()])?;
    ensure(outcome.success(), || outcome.tail(20))?;
    fs::create_dir_all(&tree)?;
    unpack(&place.path.join("tree.tar"), &tree)?;
    Ok(tree)
}

fn unpack(tar: &Path, directory: &Path) -> Result<(), Trouble> {
    let mut command = Command::new("tar");
    command.args(["--numeric-owner", "-p", "-C"]).arg(directory).arg("-xf").arg(tar);
    let outcome = command::run(&mut command, LIMIT)?;
    ensure(outcome.success(), || outcome.tail(5))
}

/// The list of the machine's sources that has the suite, for mmdebstrap.
fn sources() -> Result<PathBuf, Trouble> {
    let lists =
        fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let has_suite = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| !line.starts_with('#') && line.split_whitespace().any(|word| word == SUITE))
    };
    let found = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(lists).find(has_suite);
    found.ok_or_else(|| Trouble::Skipped(format!("this machine's apt sources have no suite `{SUITE}`")))
}

/// Paths that say where or when mmdebstrap ran, or are its own or dpkg's rebuildable caches and backups.
const APART: [&str; 21] = [
    "dev",
    "etc/apt/sources.list.d",
    "etc/fstab",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/shadow",
    "etc/shells",
    "var/cache/apt/archives/lock",
    "var/cache/debconf",
    "var/cache/ldconfig",
    "var/lib/apt/extended_states",
    "var/lib/apt/lists/lock",
    "var/lib/dpkg/arch",
    "var/lib/dpkg/available",
    "var/lib/dpkg/diversions-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/statoverride",
    "var/lib/dpkg/status-old",
    "var/log",
    "etc/apt/trusted.gpg.d",
];

fn equal(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["mmdebstrap", "tar"])?;
    let place = world.place("base-equal")?;
    let theirs = place.path.join("theirs");
    fs::create_dir_all(&theirs)?;
    let tar = place.path.join("theirs.tar");
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", SUITE]).arg(&tar).arg(sources()?);
    let outcome = command::run(&mut command, LIMIT)?;
    ensure(outcome.success(), || format!("mmdebstrap: {}", outcome.tail(20)))?;
    unpack(&tar, &theirs)?;
    assemble(&place, &[])?;
    let ours = export(&place)?;
    for path in ["var/lib/dpkg/status", "var/lib/dpkg/diversions", "var/lib/dpkg/triggers/File"] {
        let read = |root: &Path| fs::read_to_string(root.join(path));
        let (theirs, ours) = (read(&theirs)?, read(&ours)?);
        ensure(theirs == ours, || format!("/{path} differs: {}", first_difference(&theirs, &ours)))?;
    }
    let (theirs, ours) = (listing(&theirs)?, listing(&ours)?);
    let differing: Vec<String> = theirs
        .keys()
        .chain(ours.keys())
        .filter(|path| !APART.iter().any(|apart| Path::new(path).starts_with(apart)))
        .filter(|path| theirs.get(*path) != ours.get(*path))
        .map(|path| format!("/{path}: {:?} there, {:?} here", theirs.get(path), ours.get(path)))
        .collect();
    ensure(differing.is_empty(), || differing.join("\n"))
}

fn first_difference(theirs: &str, ours: &str) -> String {
    let lines = theirs.lines().zip(ours.lines()).find(|(theirs, ours)| theirs != ours);
    lines.map_or_else(
        || "one is longer".to_owned(),
        |(theirs, ours)| format!("`{theirs}` there, `{ours}` here"),
    )
}

/// Kind, mode, owner and content of everything in a tree.
fn listing(root: &Path) -> Result<BTreeMap<String, String>, Trouble> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            let content = if metadata.is_symlink() {
                fs::read_link(&path)?.display().to_string()
            } else if metadata.is_file() {
                oci::Digest::of(&fs::read(&path)?).to_string()
            } else {
                String::new()
            };
            if metadata.is_dir() {
                open.push(path.clone());
            }
            let (mode, owner) = (metadata.permissions().mode(), (metadata.uid(), metadata.gid()));
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.insert(name, format!("{mode:o} {owner:?} {content}"));
        }
    }
    Ok(found)
}

fn reproducible(world: &World) -> Result<(), Trouble> {
    let mut digests = Vec::new();
    for (name, jobs) in [("base-one", "1"), ("base-two/somewhere/else", "4")] {
        digests.push(assemble(&world.place(name)?, &["--jobs", jobs])?);
    }
    ensure(digests[0] == digests[1], || format!("{digests:?}"))
}

/// Runs a shell script in a sandbox over the place's base; its output.
fn inside(place: &Place<'_>, script: &str) -> Result<String, Trouble> {
    let context = place.path.join("inside");
    fs::create_dir_all(&context)?;
    fs::write(context.join("script"), script)?;
    fs::write(context.join("Dockerfile"), "FROM base\nCOPY script /script\nRUN sh /script > /said 2>&1\n")?;
    let to = place.path.join("said");
    let output = format!("type=local,dest={}", to.display());
    let mut command = place.command();
    command.args(["build", "--progress", "plain", "--no-cache", "--output", &output]).arg(&context);
    let outcome = command::run(&mut command, LIMIT)?;
    ensure(outcome.success(), || outcome.tail(25))?;
    Ok(fs::read_to_string(to.join("said"))?)
}

fn sound(world: &World) -> Result<(), Trouble> {
    let place = world.place("base-sound")?;
    assemble(&place, &[])?;
    let said = inside(&place, "dpkg -V; dpkg --audit; apt-get check -qq")?;
    ensure(said.is_empty(), || format!("dpkg says:\n{said}"))?;
    let said = inside(
        &place,
        "set -e; apt-get -qq update; apt-get -qq install -y --no-install-recommends make > /dev/null; make --version",
    )?;
    ensure(said.contains("GNU Make"), || said.clone())
}

fn included(world: &World) -> Result<(), Trouble> {
    let place = world.place("base-included")?;
    // Scripts before unpacking, triggers, alternatives, diversions, users, services, pre-dependencies.
    assemble(&place, &["--include", "ca-certificates,python3,openssh-server", "--include", "dbus"])?;
    let said = inside(
        &place,
        "dpkg -V; dpkg --audit; set -e; python3 -c 'import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 50)'; id sshd",
    )?;
    ensure(said.starts_with("True\nuid="), || said.clone())
}
