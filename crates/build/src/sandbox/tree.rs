//! Detached mounts: made where the host can be seen, attached where it cannot.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::{Errno, sys};

/// A mount that is not (yet) part of any mount namespace. Dropping it unmounts it.
#[derive(Debug)]
pub(super) struct Tree(OwnedFd);

/// Opens something only to name it.
pub(super) const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

pub(super) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub(super) const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
pub(super) const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
pub(super) const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

impl Tree {
    /// A copy of what is mounted at an open file or directory.
    pub(super) fn of(file: BorrowedFd<'_>, recursive: bool) -> Result<Tree, Errno> {
        Ok(Tree(rustix::mount::open_tree(file, "", open_flags(recursive) | OpenTreeFlags::AT_EMPTY_PATH)?))
    }

    /// A copy of what is mounted at a path of the host.
    pub(super) fn of_path(path: &Path, recursive: bool) -> Result<Tree, Errno> {
        Ok(Tree(rustix::mount::open_tree(CWD, path, open_flags(recursive))?))
    }

    /// A new file system. Options are `key` or `key=value`.
    pub(super) fn new(kind: &str, options: &[&str], attributes: u64) -> Result<Tree, Errno> {
        let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for option in options {
            match option.split_once('=') {
                Some((key, value)) => rustix::mount::fsconfig_set_string(context.as_fd(), key, value)?,
                None => rustix::mount::fsconfig_set_flag(context.as_fd(), *option)?,
            }
        }
        Tree::create(context, attributes)
    }

    /// The file system that a configured context describes.
    pub(super) fn create(context: OwnedFd, attributes: u64) -> Result<Tree, Errno> {
        rustix::mount::fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
        Ok(Tree(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?))
    }

    /// Shows the ids of the disk as those of a user namespace.
    pub(super) fn map_ids(&self, namespace: BorrowedFd<'_>, recursive: bool) -> Result<(), Errno> {
        sys::mount_setattr(self.0.as_fd(), recursive, 0, Some(namespace))
    }

    /// Adds mount attributes, also to the mounts below.
    pub(super) fn restrict(&self, attributes: u64) -> Result<(), Errno> {
        sys::mount_setattr(self.0.as_fd(), true, attributes, None)
    }

    /// Makes it part of this process' mount namespace.
    pub(super) fn attach(&self, target: impl AsFd) -> Result<(), Errno> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(rustix::mount::move_mount(self.0.as_fd(), "", target.as_fd(), "", flags)?)
    }

    /// Opens something below it without ever leaving it.
    pub(super) fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        open_in(self.0.as_fd(), path, OFlags::PATH)
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The root directory, to attach something over it that only its own descriptor and relative paths find.
pub(super) fn host_root() -> Result<OwnedFd, Errno> {
    Ok(rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Takes away what is attached. The working directory is the root then.
pub(super) fn detach(mount: &Tree) -> Result<(), Errno> {
    rustix::process::fchdir(mount)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// Opens a path as if `root` were the root directory: neither `..` nor a symbolic link leads out of it.
pub(super) fn open_in(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = path.strip_prefix("/").unwrap_or(path);
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    loop {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT) {
            // A rename elsewhere on the machine crossed the walk.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn open_flags(recursive: bool) -> OpenTreeFlags {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags }
}
