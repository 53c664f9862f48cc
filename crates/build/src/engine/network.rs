//! The network of one run: its gateway, what that says beside the command, and what is left of it afterwards.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use oci::record::{Intake, Record, Verdict};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::RecvFlags;

use super::commit::Committed;
use super::error::{Refusal, StepError};
use super::output::Ear;
use super::stage::{Halt, Task};
use super::trust::{Authorities, Cleaned, DIRECTORY, Trust, VERSION, clean};

use crate::network::attempt::{Attempt, attempts};
use crate::network::{GATEWAY_ADDRESS, Gateway, Served, StepGateway, StepNetwork};
use crate::plan::RunAction;
use crate::sandbox::Handle;

/// Packets to so many places are told one by one; whoever sends to more is told so.
const MOST_ATTEMPTS: usize = 100;

/// A message of the kernel's log is a few hundred bytes.
const LONGEST_MESSAGE: usize = 16 << 10;

/// How a step's key says what network it had. What the gateway lets through decides what a step can write.
pub fn key_part(gateway: &dyn Gateway) -> String {
    format!("gateway {VERSION} {}", gateway.policy()).trim_end().to_owned()
}

/// The network of one run.
pub struct RunNetwork {
    gateway: Box<dyn StepGateway>,
    authorities: Authorities,
    /// What the step is given, so that it trusts the gateway.
    pub trust: Trust,
    /// Lines for the output, from whatever thread they come.
    lines: File,
    refused: Option<OwnedFd>,
    seen: BTreeSet<Attempt>,
    untold: u64,
}

/// What the steps before this one fetched.
fn earlier(task: &Task<'_>) -> Result<Vec<Intake>, Halt> {
    let mut intakes = Vec::new();
    for key in task.earlier {
        if let Some((step, _)) = task.world.results.find(key).map_err(StepError::from)? {
            let record = task.world.doors.store.record(&step.record).map_err(StepError::from)?;
            intakes.extend(record.intakes);
        }
    }
    Ok(intakes)
}

impl RunNetwork {
    /// Makes a gateway for a step that is about to run this with this environment.
    pub fn open(
        task: &Task<'_>,
        gateway: &dyn Gateway,
        action: &RunAction,
        env: &[(OsString, OsString)],
    ) -> Result<RunNetwork, Halt> {
        let request = task.world.request;
        let (lines, say) =
            lines().map_err(|source| StepError::Io { action: "open a pipe".into(), source })?;
        let gateway_of_step = gateway
            .open(&StepNetwork {
                name: &format!("{} {}/{}", task.stage.label(), task.step.number, task.step.of),
                line: dockerfile::line_column(&request.source.text, task.step.span.start).line,
                say,
                no_cache: request.no_cache,
                hosts: &request.hosts,
                earlier: if gateway.recalls() { earlier(task)? } else { Vec::new() },
            })
            .map_err(StepError::from)?;
        let authorities =
            Authorities::new(gateway_of_step.authority(), gateway.trusted()).map_err(StepError::from)?;
        let script = action.script.iter().map(|script| &script.content);
        let command: Vec<&str> = action.args.iter().chain(script).map(String::as_str).collect();
        let trust = Trust::new(&authorities, env, &command, task.ground()?);
        Ok(RunNetwork {
            gateway: gateway_of_step,
            authorities,
            trust,
            lines,
            refused: None,
            seen: BTreeSet::new(),
            untold: 0,
        })
    }

    /// What `/etc/resolv.conf` says.
    pub fn resolv_conf() -> Vec<u8> {
        format!("nameserver {GATEWAY_ADDRESS}\n").into_bytes()
    }

    /// Hands the step's sockets to the gateway.
    pub fn serve(&mut self, handle: &mut Handle) -> Result<(), StepError> {
        if let Some(network) = handle.take_gateway() {
            self.refused = Some(network.refused);
            self.gateway.serve(network.sockets)?;
        }
        Ok(())
    }

    /// Hears the command's output to its end, and what is said of its network in between.
    pub fn listen(&mut self, mut output: File, ear: &mut Ear<'_>) {
        let mut buffer = vec![0u8; 16 << 10];
        loop {
            let [spoke, aside, refused] = self.wait(&output);
            if refused {
                self.hear_refused(ear);
            }
            if aside {
                self.hear_lines(ear);
            }
            if !spoke {
                continue;
            }
            match output.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(read) => ear.hear(&buffer[..read]),
            }
        }
    }

    /// Which of the output, the gateway's lines and the kernel's log has something. A failure to wait is left to whoever
    /// reads next.
    fn wait(&self, output: &File) -> [bool; 3] {
        let files = [Some(output.as_fd()), Some(self.lines.as_fd()), self.refused.as_ref().map(AsFd::as_fd)];
        let mut polled: Vec<PollFd<'_>> =
            files.iter().flatten().map(|file| PollFd::new(file, PollFlags::IN)).collect();
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => [false; 3],
            Err(_) => [true; 3],
            Ok(_) => [0, 1, 2]
                .map(|place: usize| polled.get(place).is_some_and(|polled| !polled.revents().is_empty())),
        }
    }

    fn hear_lines(&mut self, ear: &mut Ear<'_>) {
        let mut buffer = vec![0u8; 16 << 10];
        while let Ok(read @ 1..) = self.lines.read(&mut buffer) {
            ear.aside(&buffer[..read]);
        }
    }

    fn hear_refused(&mut self, ear: &mut Ear<'_>) {
        let Some(refused) = &self.refused else { return };
        let mut buffer = vec![0u8; LONGEST_MESSAGE];
        loop {
            let length = match rustix::net::recv(refused, &mut buffer[..], RecvFlags::DONTWAIT) {
                // Messages were lost, for there were too many; others are there.
                Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => continue,
                Err(_) => return,
                Ok((length, _)) => length,
            };
            for attempt in attempts(&buffer[..length]) {
                if self.seen.contains(&attempt) {
                    continue;
                }
                if self.seen.len() >= MOST_ATTEMPTS {
                    self.untold += 1;
                    continue;
                }
                self.seen.insert(attempt);
                let intake = attempt.intake(self.gateway.name_of(attempt.address).as_deref());
                if let Verdict::Failed { reason } = intake.verdict {
                    ear.aside(format!("kapok: failed: {}: {reason}\n", intake.url).as_bytes());
                }
            }
        }
    }

    /// Ends the network: every process of the step is gone.
    pub fn finish(mut self, ear: &mut Ear<'_>) -> (Served, Cleaner) {
        self.hear_refused(ear);
        let names: Vec<_> = self.seen.iter().map(|attempt| self.gateway.name_of(attempt.address)).collect();
        let RunNetwork { gateway, authorities, mut lines, seen, untold, .. } = self;
        let mut served = gateway.finish();
        let mut buffer = vec![0u8; 16 << 10];
        while let Ok(read @ 1..) = lines.read(&mut buffer) {
            ear.aside(&buffer[..read]);
        }
        let packets = seen.iter().zip(names).map(|(attempt, name)| attempt.intake(name.as_deref()));
        served.intakes.extend(packets);
        if untold > 0 {
            served.warnings.push(format!("{untold} packets to yet other places were refused"));
        }
        (served, Cleaner(authorities))
    }
}

/// Takes the gateway's authority out of an upper.
pub struct Cleaner(Authorities);

impl Cleaner {
    /// See [`clean`]. Gives the files that name the directory of the step's own files.
    pub fn clean(&self, upper: &Path, threads: usize, stop: &AtomicBool) -> Result<Vec<PathBuf>, StepError> {
        let Cleaned { naming, .. } = clean(upper, &self.0, threads, stop)?;
        Ok(naming)
    }
}

/// Puts what came from the network into the record.
pub fn take_in(record: &mut Record, served: Served) {
    record.intakes.extend(served.intakes);
    record.unobserved.extend(served.unobserved);
    record.warnings.extend(served.warnings);
}

/// Files of the image that name what only a step has; those that were emptied or left out do not.
pub fn naming_warnings(naming: &[PathBuf], committed: &Committed) -> Vec<String> {
    let treated = |path: &&PathBuf| {
        let path = path.strip_prefix("/").unwrap_or(path);
        committed.normalised.iter().any(|one| Path::new(&one.path) == path)
    };
    let left = naming.iter().filter(|path| !treated(path));
    left.map(|path| {
        format!("`{}` names `{DIRECTORY}`, which is there only while a step runs", path.display())
    })
    .collect()
}

/// A step that was refused something has failed, whatever its command made of it: `apt-get update` ends well without any
/// network.
pub fn check_refusals(served: &Served) -> Result<(), StepError> {
    let refusals: Vec<Refusal> = served.intakes.iter().filter_map(Refusal::of).collect();
    if refusals.is_empty() { Ok(()) } else { Err(StepError::Refused(refusals)) }
}

/// What the command asked the network for in vain.
pub fn unreached(served: &Served) -> Vec<String> {
    let line = |intake: &Intake| match &intake.verdict {
        Verdict::Failed { reason } => Some(format!("`{}`: {reason}", intake.url)),
        _ => None,
    };
    let mut lines: Vec<String> = served.intakes.iter().filter_map(line).collect();
    lines.dedup();
    lines
}

/// Where lines from other threads are read, and what takes them. A line that comes when nobody listens any more, or faster
/// than anybody reads, is lost; its intake is not.
#[expect(clippy::type_complexity, reason = "it is the type of one field")]
fn lines() -> std::io::Result<(File, Arc<dyn Fn(&str) + Send + Sync>)> {
    let (reader, writer) = std::io::pipe()?;
    let [reader, writer] = [OwnedFd::from(reader), OwnedFd::from(writer)];
    rustix::io::ioctl_fionbio(&reader, true)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    let writer = File::from(writer);
    let say = move |line: &str| {
        // A short write to a pipe is all or nothing.
        let _ = (&writer).write_all(format!("kapok: {}\n", line.trim_end()).as_bytes());
    };
    Ok((File::from(reader), Arc::new(say)))
}
