//! Nothing outlives its step: not its own children, not a killed main process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use build::sandbox::ExitStatus;

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("life::survivors_die_with_the_command", survivors_die_with_the_command),
    ("life::can_be_killed_from_another_thread", can_be_killed_from_another_thread),
    ("life::a_dropped_handle_kills", a_dropped_handle_kills),
    ("life::a_sandbox_dies_with_its_supervisor", a_sandbox_dies_with_its_supervisor),
    ("life::many_at_once", many_at_once),
    ("life::nothing_outlives_a_killed_main_process", nothing_outlives_a_killed_main_process),
];

/// The argument that makes this program the main process that is killed.
pub const VICTIM: &str = "victim-of-kill";
/// How long something may take that takes no time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether `sleep` with this argument runs, in any namespace below ours.
fn runs(argument: &str) -> bool {
    let line = format!("sleep\0{argument}\0");
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|found| found == line.as_bytes())
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn survivors_die_with_the_command(lab: &Lab) {
    let script = "setsid sleep 4711.1 & (setsid sh -c 'sleep 4711.1 & sleep 4711.1' &) ; (trap '' TERM HUP INT; sleep 4711.1) & exit 5";
    let ran = lab.step(script).run();
    assert_eq!(ran.outcome().status, ExitStatus::Code(5));
    assert!(!runs("4711.1"));
}

fn can_be_killed_from_another_thread(lab: &Lab) {
    let (handle, reader) = lab.step("echo started; trap '' TERM; sleep 4712.1 & sleep 4712.1").start();
    let handle = handle.expect("a handle");
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            eventually("it starts", || runs("4712.1"));
            handle.kill();
        });
        handle.wait().expect("an outcome")
    });
    assert!(outcome.killed && outcome.status == ExitStatus::Signal(9), "{outcome:?}");
    assert!(!runs("4712.1"));
    assert_eq!(reader.join().expect("a reader"), "started\n");
}

fn a_dropped_handle_kills(lab: &Lab) {
    let (handle, _) = lab.step("sleep 4713.1").start();
    eventually("it starts", || runs("4713.1"));
    drop(handle);
    eventually("it ends", || !runs("4713.1"));
}

/// The pid of `sleep` with this argument.
fn pid_of(argument: &str) -> Option<i32> {
    let line = format!("sleep\0{argument}\0");
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = pids
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|found| found == line.as_bytes()));
    pids.next()?.file_name().to_str()?.parse().ok()
}

fn status(pid: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    value.unwrap_or_default().to_owned()
}

fn a_sandbox_dies_with_its_supervisor(lab: &Lab) {
    let (handle, _) = lab.step("sleep 4715.1").start();
    eventually("it starts", || runs("4715.1"));
    let parent = |pid| status(pid, "PPid").parse::<i32>().expect("a parent");
    let mut supervisor = pid_of("4715.1").expect("it runs");
    while status(parent(supervisor), "Name") != "kapok-spawner" {
        supervisor = parent(supervisor);
    }
    let supervisor = rustix::process::Pid::from_raw(supervisor).expect("a pid");
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).expect("a kill");
    assert_eq!(handle.expect("a handle").wait(), Err(build::sandbox::SandboxError::Gone));
    eventually("it ends", || !runs("4715.1"));
    lab.step("true").run().success();
}

fn many_at_once(lab: &Lab) {
    let steps: Vec<_> = (0..100).map(|number| lab.step(&format!("echo {number}"))).collect();
    let started: Vec<_> = steps.iter().map(|step| step.start()).collect();
    for (number, (handle, reader)) in started.into_iter().enumerate() {
        assert!(handle.and_then(|handle| handle.wait()).expect("an outcome").status.success());
        assert_eq!(reader.join().expect("a reader"), format!("{number}\n"));
    }
}

/// Starts steps that run for ever, says so, and waits to be killed.
pub fn be_victim(lab: &Lab) -> ExitCode {
    let steps: Vec<_> = (0..3).map(|_| lab.step("sleep 4714.1 & setsid sleep 4714.1")).collect();
    let limits = steps.into_iter().enumerate().map(|(number, step)| {
        step.with(|spec| spec.limits.pids = (lab.is_root() && number == 0).then_some(100))
    });
    let started: Vec<_> = limits.map(|step| step.start()).collect();
    eventually("they start", || runs("4714.1"));
    println!("ready");
    for (handle, _) in &started {
        let _ = handle.as_ref().map(|handle| handle.wait());
    }
    ExitCode::SUCCESS
}

fn nothing_outlives_a_killed_main_process(lab: &Lab) {
    let program = std::env::current_exe().expect("this program");
    let mut main = Command::new(program).arg(VICTIM).stdout(Stdio::piped()).spawn().expect("a process");
    let mut line = String::new();
    BufReader::new(main.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    assert!(runs("4714.1"));
    let groups = groups_of(main.id());
    assert!(!lab.is_root() || !groups.is_empty(), "one has a limit");
    main.kill().expect("a kill");
    main.wait().expect("an end");
    eventually("every process ends", || !runs("4714.1"));
    eventually("every group is removed", || groups.iter().all(|group| !Path::new(group).exists()));
}

/// The control groups that spawners of this machine have made, but for ours.
fn groups_of(_main: u32) -> Vec<String> {
    let output =
        Command::new("find").args(["/sys/fs/cgroup", "-name", "kapok.*"]).output().expect("find runs");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
