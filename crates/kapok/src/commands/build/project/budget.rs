//! What the machine holds.

use build::schedule::Budget;

use super::prepare::Job;
use crate::cli::build::Build;
use crate::commands::build::request;
use crate::settings::Settings;

/// Of the machine's memory, so much is for steps: the rest is for everybody else.
const SHARE: u64 = 90;

/// Steps that may run at once, and what they may use together. Memory and processors count where some image says how much
/// of them it may use.
pub fn of(jobs: &[Job], arguments: &Build, settings: &Settings) -> Budget {
    let limited = |part: fn(&Job) -> u64| jobs.iter().any(|job| part(job) > 0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    Budget {
        jobs: request::jobs(arguments.jobs, settings),
        memory: memory().filter(|_| limited(|job| job.need.memory)).map(|bytes| bytes / 100 * SHARE),
        millicpus: limited(|job| job.need.millicpus).then_some(processors * 1000),
    }
}

/// The machine's memory, or that of the control group which this process is in, if that is less.
fn memory() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10;
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Some(group.map_or(machine, |group| group.min(machine)))
}
