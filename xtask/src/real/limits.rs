//! Limits that hold, and limits that cannot be had.

use std::process::Command;
use std::time::Duration;

use super::world::{ensure, needs, needs_root, refused};
use super::{Test, Trouble, World};
use crate::command;

pub const TESTS: &[Test] = &[
    ("out of memory is said", out_of_memory),
    ("out of memory is said although the step goes on", out_of_memory_survived),
    ("a limit on processes holds", processes),
    ("a limit that cannot be enforced is an error", unenforceable),
];

const HOG: &str = "head -c 300000000 /dev/zero | tail -c 299999999 > /dev/null";

fn out_of_memory(world: &World) -> Result<(), Trouble> {
    let place = world.place("oom")?;
    let dockerfile = format!("//- /Dockerfile\nFROM base\nRUN set -o pipefail; {HOG}\n");
    let outcome = place.build(&dockerfile, &["--memory", "64m"])?;
    refused(&outcome, 4, "memory")
}

fn out_of_memory_survived(world: &World) -> Result<(), Trouble> {
    let place = world.place("oom-survived")?;
    let dockerfile = format!("//- /Dockerfile\nFROM base\nRUN {HOG}; true\n");
    let outcome = place.build(&dockerfile, &["--memory", "64m"])?;
    ensure(outcome.stderr.contains("memory"), || format!("nothing is said of memory:\n{}", outcome.tail(20)))
}

fn processes(world: &World) -> Result<(), Trouble> {
    let place = world.place("pids")?;
    let loop_ = "for i in $(seq 40); do sleep 5 & done; wait";
    let dockerfile = format!("//- /Dockerfile\nFROM base\nRUN {loop_}\n");
    let outcome = place.build(&dockerfile, &["--pids", "16"])?;
    refused(&outcome, 4, "process")
}

/// An ordinary user without a delegated control group cannot limit memory.
fn unenforceable(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["unshare", "setpriv"])?;
    let place = world.place("unenforceable")?;
    let context = place.context("//- /Dockerfile\nFROM base\nRUN true\n")?;
    let outcome = super::rootless::as_user(&place, &place.build_command(&context, &["--memory", "64m"]))?;
    refused(&outcome, 2, "memory")?;
    // Nor can anybody have more processors than there are, or none.
    let outcome = command::run(
        Command::new(world.program()).args(["build", "--cpus", "0"]).arg(&context),
        Duration::from_secs(20),
    )?;
    refused(&outcome, 2, "cpus")
}
