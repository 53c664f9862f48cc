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
//!
//! # What a step gets
//!
//! What Docker gives: its default capabilities and seccomp profile (`sudo` works, `no_new_privs` is off), its masked
//! and read-only paths of `/proc` and `/sys`, a `/dev` of the same nodes, `/etc/hosts` and `/etc/resolv.conf`
//! read-only for the time of the step. What the image lacks to mount these on is made up by [`targets`] and leaves no
//! trace in the layer. [`Security::Insecure`] lifts capabilities and profile, but not the user namespace: such a step is
//! still nobody on the host, which is why `RUN mknod` fails here and not in BuildKit.
//!
//! # The network
//!
//! None, the host's, or a gateway's: a namespace whose every address leads to sockets that the main process gets
//! ([`gateway`]).
//!
//! # What bites
//!
//! - An overlay whose mounter has no id in the mapping of its idmapped upper comes up read-only without an error:
//!   [`ids`] gives it one, [`overlay`] looks.
//! - The kernel locks the flags of mounts (read-only, no devices) only when they are *copied* into a lesser namespace; a
//!   step with all capabilities could lift those of attached ones: [`scratch::Locked`].
//! - A fresh `/proc` or `/sys` can be mounted only while the host's is in view: [`attach::materialise`].
//! - A socket that is closed with unread messages takes the answers on their way along: [`Handle::kill`].
//! - Moving a process into a v1 control group costs more than all the rest: [`cgroup`].
//! - Root of a container without CAP_SYS_ADMIN could own a user namespace, but it would be the host's root in there,
//!   whose files all of `/proc/sys` are: [`enter_user_namespace`] refuses.
#![expect(rustdoc::private_intra_doc_links, reason = "the tour is for who works on this room")]

mod attach;
mod capabilities;
mod cgroup;
mod channel;
mod command;
mod error;
mod gateway;
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
pub use gateway::{GatewayNetwork, GatewaySockets};
pub use privilege::{Privilege, enter_user_namespace};
pub use probe::{Capability, probe};
pub use spawner::{Handle, Spawner, Stdio};
pub use spec::{
    ExitStatus, Ids, Limits, MountSource, Network, Outcome, SandboxMount, SandboxSpec, Security, StandIn,
    Usage,
};

/// For the fuzzer: a program's first bytes, which a hostile image may have made.
#[doc(hidden)]
pub fn fuzz_program(data: &[u8]) {
    program::fuzz(data);
}
