//! What Kapok needs and does not find is said in one line, at once, with exit code 2.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::world::{ensure, needs, needs_root};
use super::{Place, Test, Trouble, World};
use crate::command::{self, Outcome};

pub const TESTS: &[Test] = &[
    ("a user without subordinate ids is told", no_ids),
    ("a user without subordinate ids may copy", no_ids_copy),
    ("a machine without user namespaces is told", no_namespaces),
    ("a store on an overlay is told", overlay_store),
    ("host network and insecure steps need settings", not_allowed),
];

const FIXTURE: &str = "//- /Dockerfile\nFROM base\nRUN true\n";

/// Exit code 2, an `error:` line and at most a hint, within a second.
fn one_line(outcome: &Outcome, start: Instant, word: &str) -> Result<(), Trouble> {
    let elapsed = start.elapsed();
    let errors = outcome.stderr.lines().filter(|line| line.starts_with("error:")).count();
    let said = outcome.code() == 2 && errors == 1 && outcome.stderr.contains(word);
    ensure(said, || {
        format!("exit {}, wanted one error about `{word}`:\n{}", outcome.code(), outcome.tail(12))
    })?;
    ensure(elapsed < Duration::from_secs(1), || format!("it took {:.1} s", elapsed.as_secs_f64()))
}

fn able() -> Result<(), Trouble> {
    needs_root()?;
    needs(&["newuidmap", "unshare", "setpriv"])
}

fn no_ids(world: &World) -> Result<(), Trouble> {
    able()?;
    let place = world.place("no-ids")?;
    let context = place.context(FIXTURE)?;
    let start = Instant::now();
    let outcome = super::rootless::as_user_without_ids(&place, &place.build_command(&context, &[]))?;
    one_line(&outcome, start, "subordinate")
}

/// One id is enough where nothing runs and nothing is owned by anybody else.
fn no_ids_copy(world: &World) -> Result<(), Trouble> {
    able()?;
    let place = world.place("no-ids-copy")?;
    let context = place.context("//- /Dockerfile\nFROM scratch\nCOPY a /a\n//- /a\nx\n")?;
    let outcome = super::rootless::as_user_without_ids(&place, &place.build_command(&context, &[]))?;
    ensure(outcome.success(), || outcome.tail(12))
}

/// In a user namespace that allows no further ones.
fn no_namespaces(world: &World) -> Result<(), Trouble> {
    able()?;
    let place = world.place("no-namespaces")?;
    let context = place.context(FIXTURE)?;
    let inner = place.build_command(&context, &[]);
    let mut command = Command::new("unshare");
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    command.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).env("KAPOK_HOME", &place.store);
    let start = Instant::now();
    let outcome = command::run(&mut command, Duration::from_secs(60))?;
    one_line(&outcome, start, "namespace")
}

/// As in a container whose root is an overlay: an upper directory cannot lie on one.
fn overlay_store(world: &World) -> Result<(), Trouble> {
    able()?;
    let place = world.place("overlay-store")?;
    let context = place.context(FIXTURE)?;
    for part in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(place.path.join(part))?;
    }
    let inner_place: Place<'_> = place.with_store(place.path.join("merged/store"));
    let inner = inner_place.build_command(&context, &[]);
    let script = "cd \"$PLACE\" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.env("PLACE", &place.path).env("KAPOK_HOME", &inner_place.store);
    let start = Instant::now();
    let outcome = command::run(&mut command, Duration::from_secs(60))?;
    one_line(&outcome, start, "KAPOK_HOME")
}

fn not_allowed(world: &World) -> Result<(), Trouble> {
    let place = world.place("not-allowed")?;
    for (flag, key) in [("--network=host", "network.host"), ("--security=insecure", "security.insecure")] {
        let start = Instant::now();
        let outcome = place.build(&format!("//- /Dockerfile\nFROM base\nRUN {flag} true\n"), &[])?;
        one_line(&outcome, start, key)?;
    }
    // A project may not allow it to itself.
    let fixture =
        "//- /Dockerfile\nFROM base\nRUN --network=host true\n//- /kapok.yaml\nnetwork:\n  host: true\n";
    let context = place.context(fixture)?;
    let start = Instant::now();
    let outcome =
        command::run(place.build_command(&context, &[]).current_dir(&context), Duration::from_secs(60))?;
    one_line(&outcome, start, "network.host")
}
