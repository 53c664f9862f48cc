//! Wall time of a command, and the peak memory of the process that it starts.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Wall time in seconds and peak resident memory in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Seconds.
    pub wall: f64,
    /// The started process alone, not its children: for Kapok they are the steps.
    pub peak: u64,
}

/// Runs a command that must succeed.
pub fn sample(command: &mut Command) -> io::Result<Sample> {
    let name = format!("{command:?}");
    let log = tempfile::NamedTempFile::new()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.reopen()?);
    let start = Instant::now();
    let mut child = command.spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let watch = thread::spawn(move || {
        let mut peak = 0;
        // The high-water mark only grows, so the last look before the end is the figure.
        while let Some(now) = fs::read_to_string(&status).ok().and_then(|text| high_water(&text)) {
            peak = now;
            thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    let ended = child.wait()?;
    let wall = start.elapsed().as_secs_f64();
    let peak = watch.join().unwrap_or(0);
    if ended.success() {
        return Ok(Sample { wall, peak });
    }
    let text = fs::read_to_string(log.path()).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(12).collect();
    Err(io::Error::other(format!(
        "{name:.300}: {ended}\n{}",
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    )))
}

/// Waits until the disk has what was written so far, so that nobody's turn pays for what came before it: for the
/// removal of an old store as little as for what another builder wrote.
pub fn settle() -> io::Result<()> {
    let done = Command::new("sync").status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other(format!("sync: {done}"))) }
}

/// `VmHWM:   12345 kB` in bytes.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
