//! Who Kapok is on this machine, and the user namespace that an ordinary user's Kapok lives in.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::MountPropagationFlags;
use rustix::process::{Pid, getegid, geteuid, getpid};
use rustix::thread::{CapabilitySet, Gid, Uid};
use serde::{Deserialize, Serialize};

use super::error::Doing;
use super::sys::Forked;
use super::{Errno, SandboxError, ids, sys};

/// What the kernel writes for the initial user namespace.
pub(super) const ALL_IDS: (u32, u32, u64) = (0, 0, u32::MAX as u64);

/// With which rights sandboxes can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privilege {
    /// Real root: idmapped mounts, trusted overlays.
    Root,
    /// Root in a user namespace with this many ids: overlays with `user.*` xattrs.
    Rootless {
        /// The ids, counted from 0, that files can have.
        ids: u64,
    },
    /// Root in a user namespace with a single id: no step can run, and no file of another owner be written.
    SingleId {
        /// The user's name.
        user: String,
        /// What is missing for more: `/etc/subuid`, `newuidmap`.
        missing: String,
    },
}

/// Moves this process, which must not have threads yet, to where it can make sandboxes.
///
/// Root stays where it is. An ordinary user's process enters a user namespace of the user's subordinate ids (and a mount
/// namespace of its own) and is uid 0 there; everything that it does afterwards (store, tar, chown) happens inside.
pub fn enter_user_namespace() -> Result<Privilege, SandboxError> {
    let map = fs::read_to_string("/proc/self/uid_map").doing("read /proc/self/uid_map")?;
    let initial = ids::parse_map(&map).eq([ALL_IDS]);
    if geteuid().is_root() {
        if initial && may_mount() {
            return Ok(Privilege::Root);
        }
        if initial {
            // It could own a user namespace, but a step's root would then be the host's root without capabilities, which
            // owns all there is in /proc and /sys.
            return Err(restricted_container());
        }
        // Root of a user namespace, such as a container's, is an ordinary user to the kernel. Its mount namespace may
        // belong to somebody else.
        sys::unshare(libc::CLONE_NEWNS).map_err(forbidden)?;
        separate_mounts()?;
        return Ok(inside(&map, "a user namespace with more than one id"));
    }
    match Subordinate::find() {
        Ok(subordinate) => {
            enter(|pid| subordinate.map(pid))?;
            let map = fs::read_to_string("/proc/self/uid_map").doing("read /proc/self/uid_map")?;
            Ok(inside(&map, "more than one id"))
        }
        Err(missing) => {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            enter(|pid| {
                // A user may map its own id alone, if it gives up changing groups.
                let maps = fs::write(format!("/proc/{}/setgroups", pid.as_raw_nonzero()), "deny")
                    .map_err(Errno::from)
                    .and_then(|()| ids::write_maps(pid, &format!("0 {uid} 1\n"), &format!("0 {gid} 1\n")));
                maps.map_err(|errno| errno.to_string())
            })?;
            Ok(Privilege::SingleId { user: user_name(uid), missing })
        }
    }
}

fn may_mount() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

fn inside(map: &str, missing: &str) -> Privilege {
    match ids::contiguous_ids(map) {
        0 | 1 => Privilege::SingleId { user: user_name(geteuid().as_raw()), missing: missing.to_owned() },
        ids => Privilege::Rootless { ids },
    }
}

/// Enters a user and a mount namespace. `map` writes the id maps; it runs in a helper that stays outside, where alone it
/// has the right to.
fn enter(map: impl FnOnce(Pid) -> Result<(), String>) -> Result<(), SandboxError> {
    let (entered, enter_now) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("make a pipe")?;
    let (result, write_result) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).doing("make a pipe")?;
    let main = getpid();
    let helper = match sys::fork().doing("start a helper")? {
        Forked::Parent(helper) => helper,
        Forked::Child => {
            drop((enter_now, result));
            helper_main(entered, write_result, || map(main))
        }
    };
    drop((entered, write_result));
    let unshared = sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
    if unshared.is_ok() {
        let _ = rustix::io::write(&enter_now, b"1");
    }
    drop(enter_now);
    let mut reason = String::new();
    let _ = fs::File::from(result).read_to_string(&mut reason);
    let _ = sys::wait_with_usage(helper);
    unshared.map_err(forbidden)?;
    if !reason.is_empty() {
        return Err(SandboxError::Forbidden {
            what: "a user namespace with subordinate ids".to_owned(),
            hint: format!("the id maps could not be written: {}", reason.trim_end()),
            source: Errno(libc::EPERM),
        });
    }
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    // Fails where a single id is mapped; the groups then stay, with no meaning inside.
    let _ = rustix::thread::set_thread_groups(&[]);
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing("become group 0")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing("become user 0")?;
    separate_mounts()
}

/// Mounts made here stay here; what the host unmounts goes here, too.
fn separate_mounts() -> Result<(), SandboxError> {
    let slaves = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slaves).doing("separate the mounts")
}

/// Waits until the main process has entered, writes the maps, and says on the pipe what went wrong.
fn helper_main(entered: OwnedFd, result: OwnedFd, map: impl FnOnce() -> Result<(), String>) -> ! {
    let mut byte = [0];
    if matches!(rustix::io::read(&entered, &mut byte), Ok(1))
        && let Err(reason) = map()
    {
        let reason = if reason.is_empty() { "for an unknown reason" } else { &reason };
        let _ = fs::File::from(result).write_all(reason.as_bytes());
    }
    sys::exit(0)
}

/// A user's subordinate ids and the setuid programs that may map them.
struct Subordinate {
    uid: u32,
    gid: u32,
    uids: Vec<(u32, u32)>,
    gids: Vec<(u32, u32)>,
}

impl Subordinate {
    /// What is there, or what is missing.
    fn find() -> Result<Subordinate, String> {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let user = user_name(uid);
        let mut missing = Vec::new();
        let mut ranges = |file: &'static str| {
            let ranges = subordinate_ranges(&fs::read_to_string(file).unwrap_or_default(), &user, uid);
            if ranges.is_empty() {
                missing.push(format!("`{user}` in {file}"));
            }
            ranges
        };
        let (uids, gids) = (ranges("/etc/subuid"), ranges("/etc/subgid"));
        missing.extend(
            ["newuidmap", "newgidmap"]
                .into_iter()
                .filter(|program| find_program(program).is_none())
                .map(str::to_owned),
        );
        if missing.is_empty() { Ok(Subordinate { uid, gid, uids, gids }) } else { Err(missing.join(", ")) }
    }

    /// Writes both maps of a process. The two programs take most of the time that entering takes, so they run at once.
    fn map(&self, pid: Pid) -> Result<(), String> {
        let start = |program: &str, own: u32, ranges: &[(u32, u32)]| {
            let mut command = Command::new(find_program(program).unwrap_or_else(|| program.to_owned()));
            command.args([pid.as_raw_nonzero().to_string(), "0".to_owned(), own.to_string(), "1".to_owned()]);
            let mut inside = 1;
            for (first, count) in ranges {
                command.args([inside.to_string(), first.to_string(), count.to_string()]);
                inside += count;
            }
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
            child.map_err(|error| format!("{program}: {error}"))
        };
        let (uids, gids) =
            (start("newuidmap", self.uid, &self.uids)?, start("newgidmap", self.gid, &self.gids)?);
        for child in [uids, gids] {
            let output = child.wait_with_output().map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        Ok(())
    }
}

/// The first ids and counts that a line of `/etc/subuid` gives to a user, named or numbered.
pub(super) fn subordinate_ranges(file: &str, user: &str, uid: u32) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (owner == user || owner.parse() == Ok(uid)).then_some(range)
    };
    // The kernel takes 340 lines in a map; a user has one or two.
    file.lines().filter_map(range).filter(|(_, count)| *count > 0).take(100).collect()
}

/// The user's name, or the number where it has none.
pub(super) fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| uid.to_string())
}

/// Where a system program is. Not by `PATH`, which an ordinary user's shell may not extend to all of these.
pub(super) fn find_program(name: &str) -> Option<String> {
    let directories = [
        "/usr/bin",
        "/bin",
        "/usr/sbin",
        "/sbin",
        "/usr/local/bin",
        "/run/wrappers/bin",
        "/run/current-system/sw/bin",
    ];
    directories.iter().map(|directory| format!("{directory}/{name}")).find(|path| Path::new(path).exists())
}

fn restricted_container() -> SandboxError {
    SandboxError::Forbidden {
        what: "mounts to this root user, who lacks CAP_SYS_ADMIN".to_owned(),
        hint: "inside a container: start it with `--privileged`, or run kapok as an ordinary user with subordinate ids".to_owned(),
        source: Errno(libc::EPERM),
    }
}

/// The error for a kernel or a container that forbids user namespaces.
pub(super) fn forbidden(source: Errno) -> SandboxError {
    let sysctl =
        |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).map(|value| value.trim().to_owned());
    let zero = |name: &str| sysctl(name).is_ok_and(|value| value == "0");
    let one = |name: &str| sysctl(name).is_ok_and(|value| value == "1");
    let hint = if zero("user/max_user_namespaces") {
        "as root: `sysctl user.max_user_namespaces=28633`"
    } else if zero("kernel/unprivileged_userns_clone") {
        "as root: `sysctl kernel.unprivileged_userns_clone=1`"
    } else if one("kernel/apparmor_restrict_unprivileged_userns") {
        "as root: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile for kapok"
    } else if matches!(fs::metadata("/.dockerenv"), Err(error) if error.kind() == ErrorKind::NotFound) {
        "run kapok as root, or in a container that allows it"
    } else {
        "start this container with `--privileged`, or `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
    };
    SandboxError::Forbidden { what: "user namespaces".to_owned(), hint: hint.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ranges_of_one_user_by_name_and_number() {
        let file = "kap:100000:65536\nother:1:1\n1001:300000:10\nkap:x:1\nkap:5:0\n# kap:1:1\n";
        assert_eq!(subordinate_ranges(file, "kap", 1001), [(100_000, 65_536), (300_000, 10)]);
        assert_eq!(subordinate_ranges("", "kap", 1001), []);
    }
}
