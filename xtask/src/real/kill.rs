//! Sudden death: `kill -9` at any moment of a build, and what is left.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::fuzz::Random;

use super::world::ensure;
use super::{Place, Test, Trouble, World};
use crate::command;

pub const TESTS: &[Test] = &[
    ("a build killed at any moment leaves the store sound", twenty),
    ("an interrupt ends the step", interrupt),
];

/// Every phase: reading a context, unpacking a base, steps side by side, committing, compressing, exporting.
const FIXTURE: &str = "\
//- /Dockerfile
FROM rich AS one
USER root
RUN for i in $(seq 200); do echo $i > /data/$i; done; sleep 0.05
RUN rm -rf /data/deep && head -c 3000000 /dev/urandom > /data/noise
FROM base AS two
COPY . /context
RUN find /context -type f | wc -l > /count; sleep 0.05
FROM base
COPY --from=one /data /data
COPY --from=two /count /count
RUN chown -R app /data
//- /a size=2000000
//- /b size=1000000
//- /dir/c
c
";

fn twenty(world: &World) -> Result<(), Trouble> {
    kills(world, 20)
}

/// Kills a build this many times, at moments spread over its whole length.
pub fn kills(world: &World, times: usize) -> Result<(), Trouble> {
    let place = world.place("kill")?;
    let context = place.context(FIXTURE)?;
    let start = Instant::now();
    build(&place)?;
    let whole = start.elapsed();
    let mut random = Random::new(u64::from(std::process::id()));
    for round in 0..times {
        // Every other time in a fresh store, where unpacking the base is part of the build.
        if round % 4 == 3 {
            fs::remove_dir_all(&place.store).ok();
        }
        let moment = whole.mul_f64(random.below(1100) as f64 / 1000.0);
        let output = format!("type=oci,dest={}", place.path.join("killed.tar").display());
        let mut child = place
            .build_command(&context, &["--no-cache", "--output", &output])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        std::thread::sleep(moment);
        kill_process(Pid::from_child(&child), Signal::KILL).ok();
        child.wait()?;
        let at = format!("killed after {} of {} ms", moment.as_millis(), whole.as_millis());
        left_nothing(&place).map_err(|report| Trouble::Failed(format!("{at}: {report}")))?;
        place.verify().map_err(|trouble| match trouble {
            Trouble::Failed(report) => Trouble::Failed(format!("{at}: {report}")),
            other => other,
        })?;
    }
    build(&place)
}

fn build(place: &Place<'_>) -> Result<(), Trouble> {
    let context = place.path.join("context");
    let output = format!("type=oci,dest={}", place.path.join("whole.tar").display());
    let mut command = place.build_command(&context, &["--no-cache", "--output", &output]);
    let outcome = command::run(&mut command, Duration::from_secs(120))?;
    ensure(outcome.success(), || format!("a build that nobody killed: {}", outcome.tail(20)))?;
    testkit::image::load_one(&place.path.join("whole.tar"))?;
    Ok(())
}

/// No process, mount or control group of a dead build is there after a moment's grace.
pub fn left_nothing(place: &Place<'_>) -> Result<(), String> {
    let store = place.path.to_string_lossy().into_owned();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = leftovers(&store);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("left behind: {}", left.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn leftovers(store: &str) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let holds = |bytes: &[u8]| bytes.windows(store.len()).any(|part| part == store.as_bytes());
        if holds(&environment) || holds(&line) {
            left.push(format!(
                "process {} {}",
                entry.file_name().to_string_lossy(),
                String::from_utf8_lossy(&line)
            ));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    left.extend(mounts.lines().filter(|line| line.contains(store)).map(|line| format!("mount {line}")));
    left
}

/// An interrupt ends the running step at once, leaves nothing, and says so by its exit code.
fn interrupt(world: &World) -> Result<(), Trouble> {
    let place = world.place("interrupt")?;
    let context = place.context("//- /Dockerfile\nFROM base\nRUN echo $$ > /dev/null; sleep 4711\n")?;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 130)] {
        let mut child = place
            .build_command(&context, &[])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !sleeping() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&child), signal).map_err(std::io::Error::from)?;
        let start = Instant::now();
        let status = child.wait()?;
        ensure(status.code() == Some(code), || format!("{signal:?}: {status}"))?;
        ensure(start.elapsed() < Duration::from_secs(5), || format!("{signal:?}: {:?}", start.elapsed()))?;
        ensure(!sleeping(), || format!("{signal:?}: the step's process is still there"))?;
        left_nothing(&place).map_err(Trouble::Failed)?;
    }
    place.verify()
}

/// Whether the step's own process is there.
fn sleeping() -> bool {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"sleep\x004711\0"))
}
