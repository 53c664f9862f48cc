//! The small process that makes the sandboxes, and how the main process talks to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Outcome, Privilege, SandboxError, SandboxSpec};

/// The small single-threaded process that makes the sandboxes. Any thread may use it.
#[derive(Debug)]
pub struct Spawner {
    control: OwnedFd,
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
}

impl Spawner {
    /// Forks the spawner. Call it from `main`, before the first thread and after [`super::enter_user_namespace`].
    pub fn start(privilege: Privilege) -> Result<Spawner, SandboxError> {
        let _ = privilege;
        todo!()
    }

    /// Runs a command to its end.
    pub fn run(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Outcome, SandboxError> {
        self.start_run(spec, stdio)?.wait()
    }

    /// Starts a command; the handle waits for it or kills it.
    pub fn start_run(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Handle, SandboxError> {
        let _ = (spec, stdio, &self.control);
        todo!()
    }
}

impl Handle {
    /// The controlling side of the command's terminal, if the specification asked for one: what is written there is typed,
    /// what is read was printed. Reading fails with EIO when the command is gone.
    pub fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }

    /// Waits until every process of the sandbox is gone.
    pub fn wait(&self) -> Result<Outcome, SandboxError> {
        let _ = &self.reply;
        todo!()
    }

    /// Kills every process of the sandbox. `wait`, perhaps in another thread, then returns.
    pub fn kill(&self) {
        todo!()
    }
}
