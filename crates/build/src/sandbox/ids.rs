//! Which ids a step's processes and files have, and how they stand on disk.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, Signal};

use super::error::Doing;
use super::{Errno, Privilege, SandboxError, sys};

/// The first host id of a step of root's. On no disk and with no user: in recipe C it is only seen in `ps`.
const BASE: u32 = 1 << 30;
/// How many ids a step of root's has. OpenShift gives its containers ids beyond 10^9, and Dockerfiles chown to them.
const COUNT: u64 = 1 << 30;
/// An id that no image has. The overlay's mounter, real root, needs one in the mapping: without it overlayfs cannot make
/// its work directory and comes up read-only without an error.
const MOUNTER: u32 = 4_294_967_290;

/// How the ids of images stand to those outside of the step's user namespace.
pub(super) enum IdPlan {
    /// Root's: a range of their own for processes; on disk, through idmapped mounts, the image's ids.
    Mapped {
        /// The user namespace that idmapped mounts take their mapping from.
        mapping: OwnedFd,
    },
    /// An ordinary user's: the ids of the build-wide user namespace, as they are.
    Same { uid_map: String, gid_map: String, count: u64 },
}

impl IdPlan {
    pub(super) fn new(privilege: &Privilege) -> Result<IdPlan, SandboxError> {
        match privilege {
            Privilege::Root => {
                let map = format!("0 {BASE} {COUNT}\n{MOUNTER} 0 1\n");
                Ok(IdPlan::Mapped { mapping: idle_user_namespace(&map)? })
            }
            Privilege::Rootless { ids } => {
                let identity = |file: &str| {
                    std::fs::read_to_string(file).map(|map| identity_map(&map)).doing(format!("read {file}"))
                };
                Ok(IdPlan::Same {
                    uid_map: identity("/proc/self/uid_map")?,
                    gid_map: identity("/proc/self/gid_map")?,
                    count: *ids,
                })
            }
            Privilege::SingleId { user, missing } => {
                Err(SandboxError::SubordinateIds { user: user.clone(), missing: missing.clone() })
            }
        }
    }

    /// Gives the user namespace of a new process its ids.
    pub(super) fn write_maps(&self, pid: Pid) -> Result<(), SandboxError> {
        match self {
            IdPlan::Mapped { .. } => {
                let map = format!("0 {BASE} {COUNT}\n");
                write_maps(pid, &map, &map)
            }
            IdPlan::Same { uid_map, gid_map, .. } => write_maps(pid, uid_map, gid_map),
        }
        .doing("write the id maps of a user namespace")
    }

    /// What idmapped mounts take their mapping from, where mounts are idmapped.
    pub(super) fn mapping(&self) -> Option<BorrowedFd<'_>> {
        match self {
            IdPlan::Mapped { mapping } => Some(mapping.as_fd()),
            IdPlan::Same { .. } => None,
        }
    }

    /// The id outside of the step's namespace.
    pub(super) fn outside(&self, id: u32) -> u32 {
        match self {
            IdPlan::Mapped { .. } => BASE.saturating_add(id),
            IdPlan::Same { .. } => id,
        }
    }

    /// Refuses an id that a step cannot have.
    pub(super) fn check(&self, id: u32) -> Result<(), SandboxError> {
        let count = match self {
            IdPlan::Mapped { .. } => COUNT,
            IdPlan::Same { count, .. } => *count,
        };
        if u64::from(id) < count { Ok(()) } else { Err(SandboxError::IdOutOfRange { id, count }) }
    }
}

/// A user namespace in which nobody lives: only its mapping is used.
fn idle_user_namespace(map: &str) -> Result<OwnedFd, SandboxError> {
    let Some((pid, pidfd)) = sys::clone_into(libc::CLONE_NEWUSER, None).doing("make a user namespace")?
    else {
        loop {
            std::thread::park();
        }
    };
    let namespace = write_maps(pid, map, map).and_then(|()| {
        let path = format!("/proc/{}/ns/user", pid.as_raw_nonzero());
        Ok(OwnedFd::from(std::fs::File::open(path)?))
    });
    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
    let _ = sys::wait_with_usage(pid);
    namespace.doing("write the id maps of a user namespace")
}

/// Writes both maps, each in one go as the kernel wants it.
pub(super) fn write_maps(pid: Pid, uid_map: &str, gid_map: &str) -> Result<(), Errno> {
    let pid = pid.as_raw_nonzero();
    std::fs::write(format!("/proc/{pid}/uid_map"), uid_map)?;
    Ok(std::fs::write(format!("/proc/{pid}/gid_map"), gid_map)?)
}

/// The lines of an id map: first id inside, first id outside, count.
pub(super) fn parse_map(map: &str) -> impl Iterator<Item = (u32, u32, u64)> {
    map.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    })
}

/// How many ids there are from 0 on without a gap.
pub(super) fn contiguous_ids(map: &str) -> u64 {
    let mut extents: Vec<_> = parse_map(map).collect();
    extents.sort_unstable();
    extents
        .into_iter()
        .fold(0, |end, (first, _, count)| if u64::from(first) == end { end + count } else { end })
}

/// A map for a nested namespace that gives every id of this one to itself. The kernel wants every line to lie within one
/// line of the parent's map.
fn identity_map(map: &str) -> String {
    parse_map(map).map(|(first, _, count)| format!("{first} {first} {count}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_ids_and_repeats_the_extents_of_a_map() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(contiguous_ids(map), 65537);
        assert_eq!(identity_map(map), "0 0 1\n1 1 65536\n");
        assert_eq!(contiguous_ids("0 0 4294967295\n"), u64::from(u32::MAX));
        assert_eq!(contiguous_ids("0 1000 1\n5 100000 10\n"), 1);
    }
}
