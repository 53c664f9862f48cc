//! What a sandbox is asked to do, and what came of it.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One command over one snapshot. Everything it may see or use is named here; nothing is inherited.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// The snapshot's layers as overlay directories, bottom to top. May be empty (`FROM scratch`).
    #[serde(with = "super::wire::paths")]
    pub layers: Vec<PathBuf>,
    /// Where writes go. An empty directory is given the mode and owner of the uppermost layer's, for they are seen as
    /// those of `/`; one that holds something already is taken as the top of the snapshot.
    #[serde(with = "super::wire::path")]
    pub upper: PathBuf,
    /// Overlay's work directory: fresh, and a sibling of `upper` (the same parent directory).
    #[serde(with = "super::wire::path")]
    pub work: PathBuf,
    /// Mounts the root read-only; `upper` and `work` are then not touched.
    pub read_only: bool,
    /// Files that look otherwise for the time of the step, without a trace in `upper`.
    pub stand_ins: Vec<StandIn>,
    /// What else is mounted. Parents are mounted before children, whatever the order here.
    pub mounts: Vec<SandboxMount>,
    /// The command and its arguments; the first is looked up in `PATH` of `env` if it has no slash.
    pub args: Vec<OsString>,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory; made (root's, 0755) where it is missing.
    #[serde(with = "super::wire::path")]
    pub cwd: PathBuf,
    /// Whom the command runs as.
    pub user: Ids,
    /// What of the network it sees.
    pub network: Network,
    /// How much of the kernel it may use.
    pub security: Security,
    /// What it may use up.
    pub limits: Limits,
    /// The host name inside.
    pub hostname: String,
    /// Further lines of `/etc/hosts`.
    pub hosts: Vec<(String, IpAddr)>,
    /// The content of `/etc/resolv.conf`; without it the image's own file stays.
    pub resolv_conf: Option<Vec<u8>>,
    /// Gives the command a terminal of its own; see [`super::Handle::terminal`]. Its standard streams are then not used.
    pub terminal: bool,
    /// Ends the sandbox after this time; the outcome says so.
    pub timeout: Option<Duration>,
    /// Lets pid 1 have another root than the command, so that Debian's `ischroot` answers yes and a package's scripts
    /// do not wait for an init that is not there.
    pub looks_like_chroot: bool,
}

/// User, group and supplementary groups, as numbers of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
}

/// What of the network a command sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// A loopback interface of its own and nothing else.
    None,
    /// Nothing else either, but every address leads to the sockets that [`super::Handle::take_gateway`] gives.
    Gateway,
    /// The host's network.
    Host,
}

/// How much of the kernel a command may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Docker's default capabilities and seccomp profile.
    Sandbox,
    /// All capabilities and no seccomp, inside the user namespace: still nobody on the host.
    Insecure,
}

/// Limits that must be enforced if they are given: where the machine cannot, the sandbox is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Processors' worth of time, 0.5 being half of one.
    pub cpus: Option<f64>,
    /// Bytes of memory, swap included.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Other content for a file of the snapshot, in a layer between the snapshot and the upper. Unlike a mount it may be
/// renamed over and removed, and whoever writes to it takes this content along into the upper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandIn {
    /// Where: an absolute path, resolved inside the snapshot. It keeps mode, owner and times; where there is something else
    /// than a regular file, or no directory that could have one, nothing happens.
    #[serde(with = "super::wire::path")]
    pub path: PathBuf,
    /// What it holds.
    #[serde(with = "super::wire::content")]
    pub content: Vec<u8>,
    /// The mode of a new file of root's, where the snapshot has its directory but no such file. Without a mode there is
    /// none then.
    pub new: Option<u32>,
}

/// Something mounted into the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxMount {
    /// Where: an absolute path, resolved inside the sandbox's root. Made if it is missing, without a trace in `upper`.
    #[serde(with = "super::wire::path")]
    pub target: PathBuf,
    /// What.
    pub source: MountSource,
    /// Refuses writes, also below mounts inside the source.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or directory of the host; its ids are taken as the image's.
    Bind {
        /// The directory or file.
        #[serde(with = "super::wire::path")]
        source: PathBuf,
        /// A path below `source`; symbolic links are followed but never out of `source`.
        #[serde(with = "super::wire::optional_path")]
        subpath: Option<PathBuf>,
    },
    /// Another snapshot. Writes, where allowed, go to `upper` and are the caller's to discard.
    Snapshot {
        /// Its layers, bottom to top.
        #[serde(with = "super::wire::paths")]
        layers: Vec<PathBuf>,
        /// As [`SandboxSpec::upper`]; not touched if the mount is read-only.
        #[serde(with = "super::wire::path")]
        upper: PathBuf,
        /// As [`SandboxSpec::work`].
        #[serde(with = "super::wire::path")]
        work: PathBuf,
        /// A path below the snapshot's root.
        #[serde(with = "super::wire::optional_path")]
        subpath: Option<PathBuf>,
    },
    /// An empty memory file system.
    Tmpfs {
        /// Its size in bytes; half of the memory if not given.
        size: Option<u64>,
    },
    /// A directory in memory with some files of root's, which a step may do with as it likes.
    Files {
        /// Their names and what they hold; everybody may read them.
        #[serde(with = "super::wire::files")]
        files: Vec<(String, Vec<u8>)>,
    },
    /// A file in memory that never reaches a disk: a secret.
    File {
        /// What it holds.
        content: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A unix socket of the host, such as an ssh agent's; its mode and ids hold as the image's.
    Socket {
        /// The socket.
        #[serde(with = "super::wire::path")]
        path: PathBuf,
    },
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl ExitStatus {
    /// Whether the command exited with 0.
    pub fn success(self) -> bool {
        self == ExitStatus::Code(0)
    }

    /// The code as a shell gives it: 128 + the signal for a command that was killed.
    pub fn code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => code,
            ExitStatus::Signal(signal) => 128 + signal,
        }
    }
}

/// What a sandbox used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the request to the end of the last process.
    pub wall: Duration,
    /// Processor time in user mode, of all processes.
    pub user: Duration,
    /// Processor time in the kernel, of all processes.
    pub system: Duration,
    /// The largest resident size that any one process had, in bytes.
    pub max_rss: u64,
}

/// What came of a sandbox whose command was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How the command ended.
    pub status: ExitStatus,
    /// How many processes the kernel killed for memory; also if the command itself succeeded. Without a limit on memory it
    /// counts those of all sandboxes that ran meanwhile.
    pub oom_kills: u64,
    /// How often a process could not be started because of the limit on processes.
    pub pids_limit_hits: u64,
    /// What it used.
    pub usage: Usage,
    /// The time given was over.
    pub timed_out: bool,
    /// [`super::Handle::kill`] was called before the end.
    pub killed: bool,
    /// What is not as it usually is, one line each.
    pub notes: Vec<String>,
}
