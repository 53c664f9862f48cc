//! Limits and what is said when they are hit. Without the right to control groups they must be refused.

use std::time::{Duration, Instant};

use build::sandbox::{ExitStatus, SandboxError};

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    (
        "limits::counts_what_memory_kills_even_if_the_step_succeeds",
        counts_what_memory_kills_even_if_the_step_succeeds,
    ),
    ("limits::holds_a_fork_bomb", holds_a_fork_bomb),
    ("limits::slows_down", slows_down),
    ("limits::end_after_a_time", end_after_a_time),
];

const EATER: &str = "perl -e '$x = \"x\" x (1 << 29); print length $x'";

/// False, aloud, where this process may not make control groups; then the limit must have been refused.
fn enforced(lab: &Lab) -> bool {
    let ran = lab.step("true").with(|spec| spec.limits.memory = Some(1 << 28)).run();
    match &ran.result {
        Err(SandboxError::Limit { hint, .. }) => {
            assert!(!lab.is_root(), "{hint}");
            println!("  limits are refused: {hint}");
            false
        }
        Ok(outcome) => outcome.status.success(),
        Err(error) => panic!("{error:?}"),
    }
}

fn counts_what_memory_kills_even_if_the_step_succeeds(lab: &Lab) {
    if !enforced(lab) {
        return;
    }
    let ran =
        lab.step(&format!("{EATER}; echo $?; exit 0")).with(|spec| spec.limits.memory = Some(64 << 20)).run();
    assert!(ran.success().ends_with("137\n"), "{}", ran.output);
    assert_eq!(ran.outcome().oom_kills, 1);
    let ran = lab.step(&format!("exec {EATER}")).with(|spec| spec.limits.memory = Some(64 << 20)).run();
    assert_eq!((ran.outcome().status, ran.outcome().oom_kills), (ExitStatus::Signal(9), 1));
    assert_eq!(lab.step("true").run().outcome().oom_kills, 0);
}

fn holds_a_fork_bomb(lab: &Lab) {
    if !enforced(lab) {
        return;
    }
    let script = "i=0; while [ $i -lt 50 ]; do sleep 100 & i=$((i+1)); done; echo started";
    let ran = lab.step(script).with(|spec| spec.limits.pids = Some(16)).run();
    assert!(ran.outcome().pids_limit_hits > 0, "{ran:?}");
    let ran = lab.step("perl -e 'while (1) { fork }'");
    let ran = ran
        .with(|spec| (spec.limits.pids, spec.timeout) = (Some(64), Some(Duration::from_millis(500))))
        .run();
    assert!(ran.outcome().timed_out && ran.outcome().pids_limit_hits > 0, "{ran:?}");
}

fn slows_down(lab: &Lab) {
    if !enforced(lab) {
        return;
    }
    let burn = "perl -e '1 while times() < 0.3'";
    let usage = lab.step(burn).with(|spec| spec.limits.cpus = Some(0.2)).run().outcome().usage;
    assert!(usage.wall > Duration::from_millis(900), "{usage:?}");
}

fn end_after_a_time(lab: &Lab) {
    let started = Instant::now();
    let ran =
        lab.step("sleep 100 & sleep 100").with(|spec| spec.timeout = Some(Duration::from_millis(100))).run();
    assert!(ran.outcome().timed_out && !ran.outcome().killed);
    assert_eq!(ran.outcome().status, ExitStatus::Signal(9));
    assert!(started.elapsed() < Duration::from_secs(20));
}
