//! The system calls that no crate wraps, each as a safe function. All other `unsafe` of Kapok is absent.
//!
//! Everything here runs in processes that have a single thread: the main process before its first one, and the
//! processes descended from the spawner. That is what makes `fork` without `exec` sound: no lock can be held by a
//! thread that the child does not have.
#![expect(unsafe_code, reason = "fork, clone3, seccomp and a few system calls that no crate wraps")]

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::process::Pid;

use super::{Errno, ExitStatus};

/// libc's own constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// On which side of a fork we are.
pub(super) enum Forked {
    Child,
    Parent(Pid),
}

fn check(result: i64) -> Result<i64, Errno> {
    if result < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(result) }
}

/// Copies the process.
pub(super) fn fork() -> Result<Forked, Errno> {
    // SAFETY: the process has one thread (module docs), so the child may go on using memory and locks.
    let pid = check(unsafe { libc::fork() }.into())?;
    Ok(Pid::from_raw(pid as i32).map_or(Forked::Child, Forked::Parent))
}

/// Copies the process into new namespaces (`CLONE_NEW*`) and perhaps another control group. The parent gets the child's
/// pid and a file that stands for it.
pub(super) fn clone_into(
    namespaces: c_int,
    group: Option<BorrowedFd<'_>>,
) -> Result<Option<(Pid, OwnedFd)>, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain data for which all zeros is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (namespaces | libc::CLONE_PIDFD) as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = group {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: without a stack and without CLONE_VM it is a fork, for which the module docs' reason holds; `args` and
    // `pidfd` live until the call is over.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    match Pid::from_raw(pid as i32) {
        None => Ok(None),
        // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
        Some(pid) => Ok(Some((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))),
    }
}

/// Moves this process into new namespaces.
pub(super) fn unshare(namespaces: c_int) -> Result<(), Errno> {
    // SAFETY: callers pass namespaces only, never CLONE_FILES, so that descriptors stay what they are.
    check(unsafe { libc::unshare(namespaces) }.into()).map(drop)
}

/// Ends this process at once: no destructors, no flushing of buffers that belong to the process it was copied from.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// What a process and the children that it waited for have used.
#[derive(Clone, Copy, Default)]
pub(super) struct ChildUsage {
    pub user: Duration,
    pub system: Duration,
    pub max_rss: u64,
}

/// Waits for a child and tells what it used.
pub(super) fn wait_with_usage(pid: Pid) -> Result<(ExitStatus, ChildUsage), Errno> {
    let mut status: c_int = 0;
    // SAFETY: rusage is plain data for which all zeros is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live variables of the right type.
        match check(unsafe { libc::wait4(pid.as_raw_nonzero().get(), &mut status, 0, &mut usage) }.into()) {
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    let used = ChildUsage {
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
        max_rss: usage.ru_maxrss as u64 * 1024,
    };
    Ok((exit_status(status), used))
}

/// Waits for any child that has ended; nothing if there is none left.
pub(super) fn wait_for_any() -> Result<Option<(Pid, ExitStatus)>, Errno> {
    let mut status: c_int = 0;
    loop {
        // SAFETY: the pointer is to a live variable of the right type.
        match check(unsafe { libc::waitpid(-1, &mut status, 0) }.into()) {
            Err(Errno(libc::EINTR)) => {}
            Err(Errno(libc::ECHILD)) => return Ok(None),
            Err(errno) => return Err(errno),
            Ok(pid) => return Ok(Pid::from_raw(pid as i32).map(|pid| (pid, exit_status(status)))),
        }
    }
}

fn exit_status(raw: c_int) -> ExitStatus {
    if libc::WIFSIGNALED(raw) {
        ExitStatus::Signal(libc::WTERMSIG(raw))
    } else {
        ExitStatus::Code(libc::WEXITSTATUS(raw))
    }
}

/// `mount_setattr(2)` on the mount that `mount` is the root of.
pub(super) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    set: u64,
    id_mapping: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let mut attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    if let Some(namespace) = id_mapping {
        attributes.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attributes.userns_fd = namespace.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string, the attributes live until the call is over and their size is given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags as c_uint,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Filters this process' system calls, and those of all it will start, for ever. Needs CAP_SYS_ADMIN in the user
/// namespace, because `no_new_privs` stays off: `sudo` and `su` work in a step as they do in Docker.
pub(super) fn load_seccomp(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, whose length is given, and checks it.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
        .map(drop)
}

/// Gives every signal its default meaning and unblocks it: Rust ignores SIGPIPE, and an ignored signal survives exec.
pub(super) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: the default action has no handler whose safety could matter; numbers that cannot be changed fail.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an empty set is initialised by sigemptyset before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// Lets the kernel forget children as they end. `wait` then blocks until the last of them is gone.
pub(super) fn forget_children() {
    // SAFETY: ignoring a signal needs no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Leaves the session keyring of whoever started Kapok for a new, empty one. Kernels without keyrings have nothing to leave.
pub(super) fn join_new_session_keyring() {
    // SAFETY: a null name asks for an anonymous keyring; nothing is written.
    unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<c_char>()) };
}

/// Becomes another program; returns only if that failed.
pub(super) fn exec(program: &CString, args: &[CString], env: &[CString]) -> Errno {
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    std::io::Error::last_os_error().into()
}

/// Closes every descriptor from `first` on, or has exec close it.
pub(super) fn close_from(first: RawFd, at_exec: bool) {
    let flags = if at_exec { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: callers own no descriptor object from `first` on that they still use; with `at_exec` nothing closes now.
    unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, flags) };
}

/// Closes every descriptor but the standard streams and this one.
pub(super) fn keep_only(file: OwnedFd) -> Result<OwnedFd, Errno> {
    // SAFETY: descriptor 3 is not open any more when the copy is made, or it is the file itself.
    let kept = if file.as_raw_fd() == 3 {
        file
    } else {
        check(unsafe { libc::dup3(file.as_raw_fd(), 3, libc::O_CLOEXEC) }.into())?;
        drop(file);
        // SAFETY: as above, and dup3 has just made it.
        unsafe { OwnedFd::from_raw_fd(3) }
    };
    close_from(4, false);
    Ok(kept)
}

/// Makes `target` (0, 1 or 2) another name of `file`.
pub(super) fn replace_standard_stream(file: impl AsFd, target: RawFd) -> Result<(), Errno> {
    // SAFETY: the three standard streams belong to nobody's descriptor object.
    check(unsafe { libc::dup2(file.as_fd().as_raw_fd(), target) }.into()).map(drop)
}

/// Makes the loopback interface of this process' network namespace work.
pub(super) fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: ifreq is plain data for which all zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which lives until the call is over.
    check(
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, (&raw const request).cast::<c_void>()) }
            .into(),
    )
    .map(drop)
}
