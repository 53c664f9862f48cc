//! The small process that makes the sandboxes, and how the main process talks to it.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::net::Shutdown;
use rustix::process::Pid;

use super::error::Doing;
use super::report::Answer;
use super::sys::Forked;
use super::{
    Errno, GatewayNetwork, Network, Outcome, Privilege, SandboxError, SandboxSpec, channel, server, sys,
};

/// The small single-threaded process that makes the sandboxes. Any thread may use it.
#[derive(Debug)]
pub struct Spawner {
    /// Taken when dropped: its closing tells the spawner to end.
    control: Option<OwnedFd>,
    pid: Pid,
}

/// The command's standard streams. Pipes are handed to the command's user, so that it may open `/dev/stdout`.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// A sandbox that has been asked for. Dropping it without [`Handle::wait`] kills it.
#[derive(Debug)]
pub struct Handle {
    reply: OwnedFd,
    terminal: Option<OwnedFd>,
    gateway: Option<GatewayNetwork>,
}

impl Spawner {
    /// Forks the spawner. Call it from `main`, before the first thread and after [`super::enter_user_namespace`].
    ///
    /// What the machine cannot do shows when the first sandbox is asked for, not here.
    pub fn start(privilege: Privilege) -> Result<Spawner, SandboxError> {
        let (control, other) = channel::pair().doing("make a socket pair")?;
        match sys::fork().doing("start the spawner")? {
            Forked::Parent(pid) => Ok(Spawner { control: Some(control), pid }),
            Forked::Child => {
                drop(control);
                // A panic must not unwind into what belongs to the main process.
                let _ = std::panic::catch_unwind(|| server::serve(other, &privilege));
                sys::exit(0)
            }
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Outcome, SandboxError> {
        self.start_run(spec, stdio)?.wait()
    }

    /// Starts a command; the handle waits for it or kills it. If the specification asks for a terminal or a gateway's
    /// network, this returns when it is there.
    pub fn start_run(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Handle, SandboxError> {
        let request = self.write_request(spec).doing("write the request")?;
        let (reply, other) = channel::pair().doing("make a socket pair")?;
        let files =
            [request.as_fd(), stdio.stdin.as_fd(), stdio.stdout.as_fd(), stdio.stderr.as_fd(), other.as_fd()];
        let control = self.control.as_ref().ok_or(SandboxError::Gone)?;
        channel::send(control, &(), &files).map_err(|_| SandboxError::Gone)?;
        drop(other);
        let mut handle = Handle { reply, terminal: None, gateway: None };
        let wants_gateway = spec.network == Network::Gateway;
        while spec.terminal && handle.terminal.is_none() || wants_gateway && handle.gateway.is_none() {
            handle.receive_files()?;
        }
        Ok(handle)
    }

    /// The specification in memory that only the two processes share: it may hold secrets, and be longer than a message.
    fn write_request(&self, spec: &SandboxSpec) -> Result<File, Errno> {
        let bytes = postcard::to_stdvec(spec).map_err(|_| Errno(libc::EINVAL))?;
        let mut request = File::from(rustix::fs::memfd_create("request", MemfdFlags::CLOEXEC)?);
        request.write_all(&bytes)?;
        request.rewind()?;
        Ok(request)
    }
}

impl Drop for Spawner {
    /// Waits until every sandbox is gone and cleaned up after.
    fn drop(&mut self) {
        drop(self.control.take());
        let _ = sys::wait_with_usage(self.pid);
    }
}

impl Handle {
    /// The controlling side of the command's terminal, if the specification asked for one: what is written there is typed,
    /// what is read was printed. Reading fails with EIO when the command is gone.
    pub fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }

    /// The network of a step that has a gateway; once.
    pub fn take_gateway(&mut self) -> Option<GatewayNetwork> {
        self.gateway.take()
    }

    /// Waits until every process of the sandbox is gone.
    pub fn wait(&self) -> Result<Outcome, SandboxError> {
        loop {
            if let (Answer::Done(result), _) = self.receive()? {
                return result;
            }
        }
    }

    /// Kills every process of the sandbox. `wait`, perhaps in another thread, then returns.
    pub fn kill(&self) {
        // A message would do, too, but one that is not read any more would cost the answer. If the sandbox has ended
        // already there is nobody to tell.
        let _ = rustix::net::shutdown(&self.reply, Shutdown::Write);
    }

    /// Takes files that come before the end.
    fn receive_files(&mut self) -> Result<(), SandboxError> {
        match self.receive()? {
            (Answer::Terminal, mut files) => self.terminal = Some(files.pop().ok_or(SandboxError::Gone)?),
            (Answer::Gateway, files) => {
                self.gateway = Some(GatewayNetwork::from_files(files).ok_or(SandboxError::Gone)?);
            }
            (Answer::Done(result), _) => {
                result?;
                return Err(SandboxError::Gone);
            }
        }
        Ok(())
    }

    fn receive(&self) -> Result<(Answer, Vec<OwnedFd>), SandboxError> {
        channel::receive(&self.reply).doing("hear from the sandbox")?.ok_or(SandboxError::Gone)
    }
}
