//! Pid 1 of a sandbox: builds the sandbox's root around itself, starts the command, reaps, reports.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{DumpableBehavior, Pid, Signal};
use rustix::pty::OpenptFlags;
use rustix::thread::{Gid, Uid};

use super::command::{self, Streams};
use super::error::Doing;
use super::prepare::Prepared;
use super::report::Report;
use super::scratch::Locked;
use super::sys::Forked;
use super::{
    Errno, ExitStatus, GatewayNetwork, Network, SandboxError, SandboxSpec, Stdio, attach, channel, sys, tree,
};

/// All that init needs, made by the supervisor before the clone.
pub(super) struct Inside<'a> {
    pub spec: &'a SandboxSpec,
    pub stdio: &'a Stdio,
    pub prepared: &'a Prepared,
    /// For a step with all capabilities.
    pub locked: Option<&'a Locked>,
    pub filter: &'a [libc::sock_filter],
    /// To the supervisor, which dies with it.
    pub leash: OwnedFd,
}

/// Runs the sandbox from inside. Everything in it ends when this returns.
pub(super) fn run(inside: &Inside<'_>) -> ! {
    let report = match start(inside) {
        Ok(command) => Report::Ended(reap_until(command)),
        Err(error) => Report::Failed(error),
    };
    let _ = channel::send(&inside.leash, &report, &[]);
    sys::exit(0)
}

fn start(inside: &Inside<'_>) -> Result<Pid, SandboxError> {
    // A supervisor that has died before this line has closed the other end of the leash: then there is no word from it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("tie init to its supervisor")?;
    let Some(((), _)) = channel::receive(&inside.leash).doing("wait for the supervisor")? else {
        sys::exit(0)
    };
    become_root()?;
    // Changing ids has cleared it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .doing("tie init to its supervisor")?;
    // Nor is there a signal from one that died in between.
    if channel::is_hung_up(&inside.leash).doing("look for the supervisor")? {
        sys::exit(0)
    }
    // Init holds what a step must not have, such as mounts without their restrictions: nobody inside may look into it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("protect init")?;
    sys::unshare(libc::CLONE_NEWCGROUP).doing("make a cgroup namespace")?;
    rustix::system::sethostname(inside.spec.hostname.as_bytes()).doing("set the host name")?;
    make_network(inside)?;
    enter_root(inside)?;
    let terminal = inside.spec.terminal.then(|| open_terminal(inside)).transpose()?;
    let root = inside.spec.looks_like_chroot.then(leave_root_to_command).transpose()?;
    match sys::fork().doing("start the command")? {
        Forked::Parent(command) => Ok(command),
        Forked::Child => {
            let streams = match &terminal {
                Some(terminal) => Streams::Terminal(terminal),
                None => Streams::Files(inside.stdio),
            };
            let error = command::become_command(inside.spec, streams, root.as_ref(), inside.filter);
            let _ = channel::send(&inside.leash, &Report::Failed(error), &[]);
            sys::exit(127)
        }
    }
}

/// Uid 0 of the new user namespace, which owns all the others and may do everything in them.
fn become_root() -> Result<(), SandboxError> {
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_groups(&[]).doing("drop the groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing("become group 0")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing("become user 0")
}

/// What the new network namespace has, if there is one.
fn make_network(inside: &Inside<'_>) -> Result<(), SandboxError> {
    match inside.spec.network {
        Network::Host => Ok(()),
        Network::None => {
            let socket =
                rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).doing("make a socket")?;
            sys::bring_loopback_up(socket.as_fd()).doing("bring the loopback interface up")
        }
        Network::Gateway => {
            let network = GatewayNetwork::make()?;
            channel::send(&inside.leash, &Report::Gateway, &network.files()).doing("hand over the network")
        }
    }
}

/// Makes the prepared root the only thing there is.
fn enter_root(inside: &Inside<'_>) -> Result<(), SandboxError> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", all).doing("separate the mounts")?;
    // These need the host's mounts in view: the kernel gives a user namespace no more of /proc and /sys than it sees.
    let made = attach::materialise(inside)?;
    let copy = inside.locked.map(Locked::root).transpose().doing("copy the root")?;
    let root = copy.as_ref().unwrap_or(&inside.prepared.root);
    root.attach(tree::host_root().doing("open the root")?).doing("attach the root")?;
    rustix::process::fchdir(root).doing("enter the root")?;
    rustix::process::pivot_root(".", ".").doing("make the root the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).doing("let go of the host's root")?;
    rustix::process::chdir("/").doing("enter the root")?;
    attach::attach_all(inside, made)
}

/// A terminal in the sandbox's own devpts; its controlling side goes to the supervisor.
fn open_terminal(inside: &Inside<'_>) -> Result<OwnedFd, SandboxError> {
    let open = || -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let controller = rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty())?;
        rustix::pty::unlockpt(&controller)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = rustix::pty::ioctl_tiocgptpeer(&controller, flags)?;
        let user = &inside.spec.user;
        rustix::fs::fchown(&terminal, Some(Uid::from_raw(user.uid)), None)?;
        channel::send(&inside.leash, &Report::Terminal, &[controller.as_fd()])?;
        Ok(terminal)
    };
    open().doing("open a terminal")
}

/// Moves init's own root away, so that the command, which goes back, looks like one in a chroot.
fn leave_root_to_command() -> Result<OwnedFd, SandboxError> {
    let root = tree::host_root().doing("open the root")?;
    rustix::process::chroot("/dev/shm").doing("leave the root")?;
    Ok(root)
}

/// Waits for every process that ends, until it is the command; then pid 1 ends and the kernel kills the others.
fn reap_until(command: Pid) -> ExitStatus {
    loop {
        match sys::wait_for_any() {
            Ok(Some((pid, status))) if pid == command => return status,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return ExitStatus::Signal(libc::SIGKILL),
        }
    }
}
