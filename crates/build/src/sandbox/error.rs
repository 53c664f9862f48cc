//! Why a sandbox could not be had, or its command not be started.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An operating system's error number. It can travel between processes, which [`std::io::Error`] cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errno(pub i32);

impl std::fmt::Display for Errno {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(out)
    }
}

impl std::error::Error for Errno {}

impl From<rustix::io::Errno> for Errno {
    fn from(errno: rustix::io::Errno) -> Errno {
        Errno(errno.raw_os_error())
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

/// Why a sandbox could not be had, or its command not be started. The first six are the command's fault, not the machine's.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum SandboxError {
    /// The command is in no directory of `PATH`, or the path given does not exist.
    #[error("`{program}` was not found")]
    NotFound {
        /// As asked for.
        program: String,
        /// The `PATH` that was searched; none if the name has a slash.
        path: Option<String>,
    },
    /// The command exists but may not be executed.
    #[error("`{program}` is not executable")]
    NotExecutable {
        /// As asked for or as found.
        program: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// The kernel does not know the file's format: a script without `#!`, or a program for another processor.
    #[error("`{program}` cannot be executed here")]
    ExecFormat {
        /// As found.
        program: String,
        /// The ELF machine it was built for, if that is the reason.
        machine: Option<String>,
    },
    /// The program exists, but the interpreter that it names does not.
    #[error("`{program}` needs `{interpreter}`, which the image does not have")]
    MissingInterpreter {
        /// As found.
        program: String,
        /// The `#!` interpreter or the dynamic loader.
        interpreter: String,
    },
    /// The working directory cannot be made or entered.
    #[error("the working directory `{}` cannot be entered", path.display())]
    WorkingDirectory {
        /// As asked for.
        #[serde(with = "super::wire::path")]
        path: PathBuf,
        /// Why.
        source: Errno,
    },
    /// Something cannot be mounted where it was asked for.
    #[error("cannot mount on `{}`", target.display())]
    Mount {
        /// The mount point.
        #[serde(with = "super::wire::path")]
        target: PathBuf,
        /// What about it, in words.
        what: String,
        /// Why.
        source: Errno,
    },
    /// Arguments too long, or a zero byte in them.
    #[error("the command's arguments or environment cannot be passed")]
    Arguments {
        /// Why.
        source: Errno,
    },
    /// An id that the user namespace does not have.
    #[error("id {id} is outside of the {count} ids that this machine gives to images")]
    IdOutOfRange {
        /// The id.
        id: u32,
        /// How many there are, counted from 0.
        count: u64,
    },
    /// An ordinary user without subordinate ids.
    #[error("`{user}` has no subordinate ids, and a step needs more than one user")]
    SubordinateIds {
        /// The user's name.
        user: String,
        /// What is missing: `/etc/subuid`, `/etc/subgid`, `newuidmap`.
        missing: String,
    },
    /// The kernel, or the container that Kapok runs in, forbids what a sandbox is made of.
    #[error("this machine does not allow {what}")]
    Forbidden {
        /// In words: "user namespaces".
        what: String,
        /// What would allow it.
        hint: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// The overlay file system cannot be mounted.
    #[error("the snapshot at `{}` cannot be mounted", path.display())]
    Overlay {
        /// The directory for writes, or a layer.
        #[serde(with = "super::wire::path")]
        path: PathBuf,
        /// What would help.
        hint: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// A limit was asked for that this machine, or this user, cannot enforce.
    #[error("the limit on {what} cannot be enforced")]
    Limit {
        /// "memory", "cpus" or "pids".
        what: String,
        /// Why, and what would help.
        hint: String,
    },
    /// Any other system call that failed while the sandbox was made.
    #[error("cannot make the sandbox: {doing}")]
    System {
        /// What was tried.
        doing: String,
        /// The kernel's reason.
        source: Errno,
    },
    /// The process that makes the sandboxes is gone.
    #[error("the process that makes the sandboxes has ended")]
    Gone,
}

/// Says what was being done when a system call failed.
pub(super) trait Doing<T> {
    /// In words: "mount /proc".
    fn doing(self, what: impl Into<String>) -> Result<T, SandboxError>;
}

impl<T, E: Into<Errno>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, SandboxError> {
        self.map_err(|errno| SandboxError::System { doing: what.into(), source: errno.into() })
    }
}

impl SandboxError {
    /// The exit code that a shell would give: 127 not found, 126 found but not executable, none if the machine is at fault.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            SandboxError::NotFound { .. } | SandboxError::MissingInterpreter { .. } => Some(127),
            SandboxError::NotExecutable { .. }
            | SandboxError::ExecFormat { .. }
            | SandboxError::WorkingDirectory { .. }
            | SandboxError::Arguments { .. } => Some(126),
            _ => None,
        }
    }

    /// The kernel's reason, if the kernel had one.
    pub(super) fn errno(&self) -> Errno {
        let source = std::error::Error::source(self).and_then(|source| source.downcast_ref::<Errno>());
        source.copied().unwrap_or(Errno(libc::EINVAL))
    }

    /// What would help, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            SandboxError::Forbidden { hint, .. }
            | SandboxError::Overlay { hint, .. }
            | SandboxError::Limit { hint, .. } => Some(hint.clone()).filter(|hint| !hint.is_empty()),
            SandboxError::SubordinateIds { user, missing } => Some(format!(
                "as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`, and install `uidmap` (newuidmap); missing here: {missing}"
            )),
            SandboxError::ExecFormat { machine: Some(machine), .. } => Some(format!(
                "it was built for {machine}; register an emulator for it with binfmt_misc and the flag F (Debian: `qemu-user-static`)"
            )),
            SandboxError::ExecFormat { machine: None, .. } => {
                Some("a script starts with `#!` and its interpreter".to_owned())
            }
            SandboxError::NotFound { path: Some(path), .. } => Some(format!("PATH is `{path}`")),
            _ => None,
        }
    }
}
