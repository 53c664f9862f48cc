//! One per sandbox: prepares it, keeps time, cleans up, answers.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Gid, Uid};
use rustix::process::{Pid, Signal};

use super::cgroup::Cgroup;
use super::error::Doing;
use super::ids::IdPlan;
use super::init::{self, Inside};
use super::prepare::Prepared;
use super::report::{Answer, Report};
use super::scratch::Locked;
use super::{
    Errno, ExitStatus, Network, Outcome, SandboxError, SandboxSpec, Security, Stdio, Usage, channel, sys,
};

/// Where memory is short, the kernel shall choose a step before the builder.
const OOM_SCORE: &str = "500";

/// What all sandboxes of a spawner share, made once.
pub(super) struct Machine {
    pub ids: Result<IdPlan, SandboxError>,
    pub filter: Vec<libc::sock_filter>,
    pub cgroups: super::cgroup::Parents,
}

/// A request as it arrives at the supervisor.
pub(super) struct Job {
    /// Distinguishes the sandboxes of a spawner.
    pub number: u64,
    pub spec: SandboxSpec,
    pub stdio: Stdio,
    /// To whoever asked; when it closes, nobody wants the answer any more.
    pub reply: OwnedFd,
}

/// Makes the sandbox, waits for its end and answers.
pub(super) fn run(machine: &Machine, job: &Job) {
    let started = Instant::now();
    let result = supervise(machine, job, started);
    // Whoever asked may be gone.
    let _ = channel::send(&job.reply, &Answer::Done(result), &[]);
}

fn supervise(machine: &Machine, job: &Job, started: Instant) -> Result<Outcome, SandboxError> {
    let ids = machine.ids.as_ref().map_err(Clone::clone)?;
    for id in [job.spec.user.uid, job.spec.user.gid].iter().chain(&job.spec.user.groups) {
        ids.check(*id)?;
    }
    hand_over_pipes(job, ids);
    let cgroup = Cgroup::new(&machine.cgroups, job.number, &job.spec.limits)?;
    let sandbox = Sandbox::start(machine, ids, job, &cgroup)?;
    let end = sandbox.wait(job, started);
    // Before anybody touches the upper again, the mounts that hold it are gone.
    let (status, used) = sys::wait_with_usage(sandbox.init).doing("wait for init")?;
    let Sandbox { pidfd, leash, .. } = sandbox;
    drop((pidfd, leash));
    let counts = cgroup.finish();
    let end = end?;
    let status = match end.report {
        Some(Report::Ended(status)) => status,
        Some(Report::Failed(error)) => return Err(error),
        // Killed from outside: by us, or for memory.
        _ if end.killed || end.timed_out || counts.oom_kills > 0 => ExitStatus::Signal(libc::SIGKILL),
        _ => {
            let doing = format!("init ended with {status:?} without a report");
            return Err(SandboxError::System { doing, source: Errno(libc::ECHILD) });
        }
    };
    Ok(Outcome {
        status,
        oom_kills: counts.oom_kills,
        pids_limit_hits: counts.pids_limit_hits,
        usage: Usage { wall: started.elapsed(), user: used.user, system: used.system, max_rss: used.max_rss },
        timed_out: end.timed_out,
        killed: end.killed,
        notes: notes(machine, job),
    })
}

/// A running sandbox, seen from outside.
struct Sandbox {
    init: Pid,
    pidfd: OwnedFd,
    leash: OwnedFd,
}

/// Why waiting was over.
struct End {
    /// The first thing that was said from inside about the end.
    report: Option<Report>,
    killed: bool,
    timed_out: bool,
}

impl Sandbox {
    fn start(machine: &Machine, ids: &IdPlan, job: &Job, cgroup: &Cgroup) -> Result<Sandbox, SandboxError> {
        let prepared = Prepared::new(&job.spec, ids)?;
        let insecure = job.spec.security == Security::Insecure;
        let locked = insecure.then(|| Locked::new(&prepared)).transpose().doing("lock the mounts")?;
        let (leash, inside) = channel::pair().doing("make a socket pair")?;
        let mut namespaces = libc::CLONE_NEWUSER
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS;
        if job.spec.network != Network::Host {
            namespaces |= libc::CLONE_NEWNET;
        }
        let group = cgroup.to_clone_into();
        let Some((init, pidfd)) =
            sys::clone_into(namespaces, group.as_ref().map(AsFd::as_fd)).map_err(refused)?
        else {
            drop(leash);
            let (spec, stdio, filter) = (&job.spec, &job.stdio, &machine.filter[..]);
            let locked = locked.as_ref();
            init::run(&Inside { spec, stdio, prepared: &prepared, locked, filter, leash: inside })
        };
        let sandbox = Sandbox { init, pidfd, leash };
        let go = || -> Result<(), SandboxError> {
            ids.write_maps(init)?;
            cgroup.add(init)?;
            let _ = std::fs::write(format!("/proc/{}/oom_score_adj", init.as_raw_nonzero()), OOM_SCORE);
            channel::send(&sandbox.leash, &(), &[]).doing("release init")
        };
        if let Err(error) = go() {
            sandbox.kill();
            let _ = sys::wait_with_usage(init);
            return Err(error);
        }
        Ok(sandbox)
    }

    fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Waits until init has ended, and kills it where it has to.
    fn wait(&self, job: &Job, started: Instant) -> Result<End, SandboxError> {
        let mut end = End { report: None, killed: false, timed_out: false };
        // Both stay readable for ever once their other end is closed.
        let (mut leash, mut reply) = (Some(&self.leash), Some(&job.reply));
        loop {
            let left = job
                .spec
                .timeout
                .filter(|_| reply.is_some())
                .map(|time| time.saturating_sub(started.elapsed()));
            let files = [Some(&self.pidfd), leash, reply];
            let [ended, spoke, asked] = wait_for(files, left).doing("wait for the sandbox")?;
            if spoke && !self.listen(job, &mut end) {
                leash = None;
            }
            if ended {
                // What it said last may have come in between.
                while end.report.is_none() && self.listen(job, &mut end) {}
                return Ok(end);
            }
            if asked || left == Some(Duration::ZERO) {
                (end.killed, end.timed_out) = (asked, !asked);
                // Nothing that is asked from now on matters.
                reply = None;
                self.kill();
            }
        }
    }

    /// Takes one message from inside. False if there is none.
    fn listen(&self, job: &Job, end: &mut End) -> bool {
        match channel::receive::<Report>(&self.leash) {
            Ok(Some((Report::Terminal, files))) => {
                pass_on(job, &Answer::Terminal, &files);
                true
            }
            Ok(Some((Report::Gateway, files))) => {
                pass_on(job, &Answer::Gateway, &files);
                true
            }
            Ok(Some((report, _))) => {
                // A command that could not be started says why; init then only says that it has ended.
                end.report.get_or_insert(report);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }
}

/// Hands files from inside to whoever asked for the sandbox.
fn pass_on(job: &Job, answer: &Answer, files: &[OwnedFd]) {
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let _ = channel::send(&job.reply, answer, &files);
}

/// Waits until one of the files has something to say, or the time is over.
fn wait_for(files: [Option<&OwnedFd>; 3], left: Option<Duration>) -> Result<[bool; 3], Errno> {
    let mut polled: Vec<_> =
        files.iter().flatten().map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)).collect();
    let timeout =
        left.map(|left| Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() });
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut ready = polled.iter().map(|file| !file.revents().is_empty());
    Ok(files.map(|file| file.is_some() && ready.next() == Some(true)))
}

/// Gives the pipes to the command's user, who may then open `/dev/stdout` anew.
fn hand_over_pipes(job: &Job, ids: &IdPlan) {
    let user = &job.spec.user;
    for file in [&job.stdio.stdin, &job.stdio.stdout, &job.stdio.stderr] {
        let pipe =
            rustix::fs::fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if pipe {
            let (uid, gid) = (Uid::from_raw(ids.outside(user.uid)), Gid::from_raw(ids.outside(user.gid)));
            let _ = rustix::fs::fchown(file, Some(uid), Some(gid));
        }
    }
}

/// What is not as it usually is, though nobody asked for it.
fn notes(machine: &Machine, job: &Job) -> Vec<String> {
    let unfiltered = machine.filter.is_empty() && job.spec.security == Security::Sandbox;
    unfiltered.then(|| "there is no seccomp profile for this processor".to_owned()).into_iter().collect()
}

fn refused(source: Errno) -> SandboxError {
    SandboxError::Forbidden {
        what: "new namespaces".to_owned(),
        hint: "allow user namespaces: `sysctl user.max_user_namespaces`, and in a container `--security-opt seccomp=unconfined`".to_owned(),
        source,
    }
}
