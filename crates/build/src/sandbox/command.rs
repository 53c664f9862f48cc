//! From a copy of init to the command: session, streams, rights, program.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode};
use rustix::io::Errno as IoErrno;
use rustix::process::{Resource, Rlimit};

use super::error::Doing;
use super::{Errno, SandboxError, SandboxSpec, Security, Stdio, capabilities, program, sys};

/// Where a command is looked for if the environment names no `PATH`: Docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What programs expect at the start. Some close every descriptor up to the limit one by one, so it is not the highest.
const OPEN_FILES: u64 = 1024;
/// Up to where they may raise it themselves.
const MOST_OPEN_FILES: u64 = 524_288;

/// What the command's standard streams are.
pub(super) enum Streams<'a> {
    Files(&'a Stdio),
    Terminal(&'a OwnedFd),
}

/// Turns this process into the command. Returns only if that failed.
pub(super) fn become_command(
    spec: &SandboxSpec,
    streams: Streams<'_>,
    root: Option<&OwnedFd>,
    filter: &[libc::sock_filter],
) -> SandboxError {
    let args = c_strings(spec.args.iter().map(|arg| arg.as_bytes().to_vec()));
    let env =
        c_strings(spec.env.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()));
    match (args, env, prepare(spec, streams, root, filter)) {
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => error,
        (Ok(args), Ok(env), Ok(())) => find_and_exec(spec, &args, &env),
    }
}

fn prepare(
    spec: &SandboxSpec,
    streams: Streams<'_>,
    root: Option<&OwnedFd>,
    filter: &[libc::sock_filter],
) -> Result<(), SandboxError> {
    rustix::process::setsid().doing("start a session")?;
    connect(streams).doing("connect the standard streams")?;
    sys::close_from(3, true);
    rustix::process::umask(Mode::from_raw_mode(0o022));
    limit_open_files();
    sys::join_new_session_keyring();
    if let Some(root) = root {
        rustix::process::fchdir(root)
            .and_then(|()| rustix::process::chroot("."))
            .doing("go back to the root")?;
    }
    let denied = enter_working_directory(&spec.cwd)?;
    // There is none for processors that the profile has no numbers for; the outcome notes it.
    if spec.security == Security::Sandbox && !filter.is_empty() {
        // Before the rights go that loading it needs.
        sys::load_seccomp(filter).doing("load the seccomp filter")?;
    }
    capabilities::become_user(&spec.user, spec.security)?;
    if denied {
        // Root was refused (a remote file system may do that), but the user may be allowed.
        rustix::process::chdir(&spec.cwd).map_err(|errno| working_directory(&spec.cwd, errno.into()))?;
    }
    Ok(())
}

fn connect(streams: Streams<'_>) -> Result<(), Errno> {
    match streams {
        Streams::Files(stdio) => {
            sys::replace_standard_stream(&stdio.stdin, 0)?;
            sys::replace_standard_stream(&stdio.stdout, 1)?;
            sys::replace_standard_stream(&stdio.stderr, 2)
        }
        Streams::Terminal(terminal) => {
            rustix::process::ioctl_tiocsctty(terminal)?;
            (0..3).try_for_each(|stream| sys::replace_standard_stream(terminal.as_fd(), stream))
        }
    }
}

fn limit_open_files() {
    let now = rustix::process::getrlimit(Resource::Nofile);
    let maximum = now.maximum.map_or(MOST_OPEN_FILES, |maximum| maximum.min(MOST_OPEN_FILES));
    let limit = Rlimit { current: Some(OPEN_FILES.min(maximum)), maximum: Some(maximum) };
    // Lowering a limit of one's own cannot fail.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// Makes the directory if it is missing, as `mkdir -p` of root's, and enters it. True if root was denied.
fn enter_working_directory(path: &Path) -> Result<bool, SandboxError> {
    let mut made = PathBuf::new();
    for component in path.components() {
        made.push(component);
        match rustix::fs::mkdirat(CWD, &made, Mode::from_raw_mode(0o755)) {
            // What is wrong with it, if anything, the change of directory tells.
            Ok(()) | Err(_) => {}
        }
    }
    match rustix::process::chdir(path) {
        Ok(()) => Ok(false),
        Err(IoErrno::ACCESS) => Ok(true),
        Err(errno) => Err(working_directory(path, errno.into())),
    }
}

fn working_directory(path: &Path, source: Errno) -> SandboxError {
    SandboxError::WorkingDirectory { path: path.to_owned(), source }
}

fn c_strings(strings: impl Iterator<Item = Vec<u8>>) -> Result<Vec<CString>, SandboxError> {
    strings
        .map(|string| {
            CString::new(string).map_err(|_| SandboxError::Arguments { source: Errno(libc::EINVAL) })
        })
        .collect()
}

/// Tries the places where the command may be, as a shell does.
fn find_and_exec(spec: &SandboxSpec, args: &[CString], env: &[CString]) -> SandboxError {
    let name = spec.args.first().cloned().unwrap_or_default();
    let path = spec.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or_else(|| OsString::from(DEFAULT_PATH), |(_, path)| path.clone());
    let has_slash = name.as_bytes().contains(&b'/');
    let mut denied = None;
    for candidate in candidates(&name, &path, has_slash) {
        let Ok(program) = CString::new(candidate.clone().into_vec()) else { continue };
        match sys::exec(&program, args, env) {
            Errno(libc::ENOENT | libc::ENOTDIR) if !Path::new(&candidate).exists() => {}
            Errno(libc::EACCES) if !has_slash => denied = denied.or(Some(candidate)),
            errno => return program::explain(Path::new(&candidate), errno),
        }
    }
    match denied {
        Some(candidate) => program::explain(Path::new(&candidate), Errno(libc::EACCES)),
        None => SandboxError::NotFound {
            program: name.to_string_lossy().into_owned(),
            path: (!has_slash).then(|| path.to_string_lossy().into_owned()),
        },
    }
}

fn candidates(name: &OsStr, path: &OsStr, has_slash: bool) -> Vec<OsString> {
    if name.is_empty() {
        return Vec::new();
    }
    if has_slash {
        return vec![name.to_owned()];
    }
    let join = |directory: &[u8]| {
        let directory = if directory.is_empty() { b"." } else { directory };
        OsString::from_vec([directory, b"/", name.as_bytes()].concat())
    };
    path.as_bytes().split(|byte| *byte == b':').map(join).collect()
}
