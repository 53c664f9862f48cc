//! Runs one command over a snapshot, seeing nothing of the machine but what its specification names.
//!
//! # Who is who
//!
//! ```text
//! main ──────── control socket ──────── spawner          one per Kapok process, forked before the first thread
//!   │                                     │ fork
//!   └──────────── reply socket ──────── supervisor       one per sandbox: prepares mounts and cgroups, keeps time
//!                                         │ clone(new user, mount, pid, ipc, uts, net namespaces)
//!                                       init             pid 1 inside: enters the root, reaps
//!                                         │ fork
//!                                       command          what was asked for
//! ```
//!
//! A threaded process can neither enter a user namespace nor fork safely, so a small single-threaded process does it
//! all. Every arrow is also a leash: a supervisor whose reply socket closes kills its sandbox; an init whose
//! supervisor dies is killed by the kernel, and with a pid namespace's init goes everything in it. So a `kill -9` of
//! the main process leaves no process, mount or cgroup.
//!
//! # Two ways in
//!
//! - **Root**: every lower layer, and the upper with its work directory, are idmapped mounts. On disk stand the
//!   image's own ids, inside the user namespace they are real, and no id of the host is ever reachable.
//! - **Rootless**: the whole program moves at start into one user namespace made of the user's subordinate ids
//!   ([`enter_user_namespace`]); overlays use `user.*` xattrs there. Each step gets a nested user namespace with an
//!   identity map, so that it has no rights over the mounts outside.
//!
//! All mounts are prepared as detached mounts (`fsmount`, `open_tree`) by the supervisor, which may touch the host,
//! and attached by init after `pivot_root`, which may not: no path of the image is ever resolved where the host's
//! files could be reached.

mod attach;
mod capabilities;
mod cgroup;
mod channel;
mod command;
mod error;
mod ids;
mod init;
mod overlay;
mod prepare;
mod privilege;
mod probe;
mod program;
mod report;
mod scratch;
mod seccomp;
mod server;
mod spawner;
mod spec;
mod supervisor;
mod sys;
mod targets;
mod tree;
mod wire;

pub use error::{Errno, SandboxError};
pub use privilege::{Privilege, enter_user_namespace};
pub use probe::{Capability, probe};
pub use spawner::{Handle, Spawner, Stdio};
pub use spec::{
    ExitStatus, Ids, Limits, MountSource, Network, Outcome, SandboxMount, SandboxSpec, Security, Usage,
};

/// For the fuzzer: a program's first bytes, which a hostile image may have made.
#[doc(hidden)]
pub fn fuzz_program(data: &[u8]) {
    program::fuzz(data);
}
