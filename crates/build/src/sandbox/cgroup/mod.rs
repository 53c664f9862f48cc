//! One control group per sandbox with limits, on hybrid hosts several: limits, and counts of what hit them.
//!
//! A sandbox without limits gets none: to move a process into a group makes the kernel wait for every processor (5 to
//! 15 ms were measured on v1), several times what the rest of a sandbox costs. Its processes are then counted in the group
//! that Kapok itself lives in.

mod hierarchy;

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;

use self::hierarchy::Version;
pub(super) use self::hierarchy::{Controller, Hierarchy};
use super::error::Doing;
use super::{Limits, SandboxError};

/// The period over which a share of a processor is measured, in microseconds: the kernel's default.
const PERIOD: u64 = 100_000;
/// The shortest share of it that the kernel takes.
const SHORTEST_QUOTA: u64 = 1_000;
/// How long a group may stay busy after its last process was waited for. Usually it is none.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where this spawner's groups are made.
pub(super) struct Parents {
    hierarchy: Hierarchy,
    /// Of all groups of this spawner; names the process, so that a later one knows what was left behind.
    prefix: String,
}

/// The groups of one sandbox. Dropping it removes them.
pub(super) struct Cgroup {
    directories: Vec<(Version, PathBuf)>,
    /// The file that counts what was killed for memory, its form, and what it said before.
    memory: Option<(PathBuf, u64)>,
    pids: Option<PathBuf>,
}

/// What was counted, read before the groups are removed.
#[derive(Default)]
pub(super) struct Counts {
    pub oom_kills: u64,
    pub pids_limit_hits: u64,
}

impl Parents {
    pub(super) fn find() -> Parents {
        let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned());
        let namespace: String = namespace.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let pid = rustix::process::getpid().as_raw_nonzero();
        let prefix = format!("kapok.{namespace}.{pid}.{}.", start_time(pid.get()).unwrap_or(0));
        Parents { hierarchy: Hierarchy::find(), prefix }
    }

    /// Removes the empty groups of spawners that are gone.
    pub(super) fn sweep(&self) {
        self.remove_matching(|name| {
            let mut parts = name.split('.');
            let own = self.prefix.split('.').nth(1);
            if parts.next() != Some("kapok") || parts.next() != own {
                // Pids mean nothing outside of their namespace.
                return false;
            }
            let (Some(pid), Some(started)) = (parts.next(), parts.next()) else { return false };
            let (Ok(pid), Ok(started)) = (pid.parse(), started.parse::<u64>()) else { return false };
            start_time(pid) != Some(started)
        });
    }

    /// Removes what supervisors of this spawner left behind, which were killed.
    pub(super) fn sweep_own(&self) {
        self.remove_matching(|name| name.starts_with(&self.prefix));
    }

    fn remove_matching(&self, matches: impl Fn(&str) -> bool) {
        for parent in self.hierarchy.parents() {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_some_and(&matches) {
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }
}

impl Cgroup {
    /// Makes groups with the limits. A limit that cannot be had is an error.
    pub(super) fn new(parents: &Parents, number: u64, limits: &Limits) -> Result<Cgroup, SandboxError> {
        let mut cgroup = Cgroup { directories: Vec::new(), memory: None, pids: None };
        let name = format!("{}{number}", parents.prefix);
        for (controller, asked) in [
            (Controller::Memory, limits.memory.is_some()),
            (Controller::Cpu, limits.cpus.is_some()),
            (Controller::Pids, limits.pids.is_some()),
        ] {
            if !asked {
                continue;
            }
            let made = cgroup.make(parents, controller, &name).and_then(|(version, directory)| {
                set(controller, version, &directory, limits)?;
                Ok((version, directory))
            });
            let (version, directory) = made.map_err(|reason| SandboxError::Limit {
                what: controller.limit().to_owned(),
                hint: hint(&reason),
            })?;
            match controller {
                Controller::Memory => cgroup.memory = Some((memory_events(version, &directory), 0)),
                Controller::Pids => cgroup.pids = Some(directory.join("pids.events")),
                Controller::Cpu => {}
            }
        }
        if cgroup.memory.is_none() {
            cgroup.memory = parents.hierarchy.own_memory().map(|(version, directory)| {
                let events = memory_events(version, directory);
                let before = counter(&events, OOM_KILL);
                (events, before)
            });
        }
        Ok(cgroup)
    }

    fn make(
        &mut self,
        parents: &Parents,
        controller: Controller,
        name: &str,
    ) -> Result<(Version, PathBuf), String> {
        let (version, parent) = parents.hierarchy.parent(controller)?;
        let directory = parent.join(name);
        let group = (version, directory.clone());
        if !self.directories.contains(&group) {
            fs::create_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
            self.directories.push(group.clone());
        }
        Ok(group)
    }

    /// The group into which a process can be cloned: much cheaper than moving it there, but only v2 has it.
    pub(super) fn to_clone_into(&self) -> Option<OwnedFd> {
        let (_, directory) = self.directories.iter().find(|(version, _)| *version == Version::Two)?;
        fs::File::open(directory).ok().map(OwnedFd::from)
    }

    /// Moves a process, before it does anything, into the other groups.
    pub(super) fn add(&self, pid: Pid) -> Result<(), SandboxError> {
        self.directories.iter().filter(|(version, _)| *version == Version::One).try_for_each(
            |(_, directory)| {
                fs::write(directory.join("cgroup.procs"), pid.as_raw_nonzero().to_string())
                    .doing(format!("join the control group {}", directory.display()))
            },
        )
    }

    /// Counts and removes. Every process has ended.
    pub(super) fn finish(self) -> Counts {
        Counts {
            oom_kills: self
                .memory
                .as_ref()
                .map_or(0, |(file, before)| counter(file, OOM_KILL).saturating_sub(*before)),
            pids_limit_hits: self.pids.as_ref().map_or(0, |file| counter(file, "max")),
        }
    }
}

/// The line that counts processes killed for memory.
const OOM_KILL: &str = "oom_kill";

fn memory_events(version: Version, directory: &Path) -> PathBuf {
    directory.join(match version {
        Version::One => "memory.oom_control",
        Version::Two => "memory.events",
    })
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for (_, directory) in &self.directories {
            // For a sandbox whose start failed half-way; only v2 has it.
            let _ = fs::write(directory.join("cgroup.kill"), "1");
            let mut pause = Duration::from_micros(100);
            while let Err(error) = fs::remove_dir(directory) {
                if error.kind() != ErrorKind::ResourceBusy || pause > PATIENCE {
                    break;
                }
                std::thread::sleep(pause);
                pause *= 2;
            }
        }
    }
}

/// Writes a controller's limit, if there is one.
fn set(controller: Controller, version: Version, directory: &Path, limits: &Limits) -> Result<(), String> {
    let write = |file: &str, value: String| {
        let path = directory.join(file);
        fs::write(&path, &value).map_err(|error| format!("{} cannot be {value}: {error}", path.display()))
    };
    match (controller, version) {
        (Controller::Memory, Version::One) => limits.memory.map_or(Ok(()), |bytes| {
            write("memory.limit_in_bytes", bytes.to_string())?;
            // Without the file the kernel does not count swap; then the group shall not swap.
            write("memory.memsw.limit_in_bytes", bytes.to_string())
                .or_else(|_| write("memory.swappiness", "0".into()))
        }),
        (Controller::Memory, Version::Two) => limits.memory.map_or(Ok(()), |bytes| {
            write("memory.max", bytes.to_string())?;
            match directory.join("memory.swap.max").exists() {
                true => write("memory.swap.max", "0".into()),
                false => Ok(()),
            }
        }),
        (Controller::Cpu, Version::One) => limits.cpus.map_or(Ok(()), |cpus| {
            write("cpu.cfs_period_us", PERIOD.to_string())?;
            write("cpu.cfs_quota_us", quota(cpus).to_string())
        }),
        (Controller::Cpu, Version::Two) => {
            limits.cpus.map_or(Ok(()), |cpus| write("cpu.max", format!("{} {PERIOD}", quota(cpus))))
        }
        // One for init, of which the step knows nothing.
        (Controller::Pids, _) => {
            limits.pids.map_or(Ok(()), |pids| write("pids.max", pids.saturating_add(1).to_string()))
        }
    }
}

fn quota(cpus: f64) -> u64 {
    ((cpus * PERIOD as f64) as u64).max(SHORTEST_QUOTA)
}

fn hint(reason: &str) -> String {
    let user = "an ordinary user needs a delegated control group: `systemd-run --user --scope -p Delegate=yes kapok ...`";
    if reason.contains("not writable") { format!("{reason}; {user}") } else { reason.to_owned() }
}

/// The number after a word at the start of a line.
fn counter(file: &Path, word: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok());
    value.unwrap_or(0)
}

/// When a process was started, in ticks since the boot: with its pid, its identity.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name, in parentheses, and may hold spaces and parentheses itself.
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}
