//! A mount namespace of the supervisor's own, for what needs mounts with names.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::prepare::{Content, Prepared};
use super::tree::{self, Tree};
use super::{Errno, sys};

/// A private mount namespace with an empty directory, in which mounts are attached under numbers.
///
/// The directory is this process' working directory. It lies over `/dev`, which every Linux has and no source is in; all
/// other paths of the host stay valid.
pub(super) struct Scratch {
    directory: Tree,
    count: usize,
}

impl Scratch {
    /// Moves this process into the namespace, for good. Entering twice nests.
    pub(super) fn enter() -> Result<Scratch, Errno> {
        sys::unshare(libc::CLONE_NEWNS)?;
        let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", all)?;
        let directory = Tree::new("tmpfs", &["mode=755"], tree::NO_DEVICES)?;
        directory.attach(rustix::fs::open("/dev", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)?;
        rustix::process::fchdir(&directory)?;
        Ok(Scratch { directory, count: 0 })
    }

    /// Attaches a mount and gives it a name relative to the working directory.
    pub(super) fn attach(&mut self, mount: &Tree) -> Result<String, Errno> {
        let name = self.count.to_string();
        self.count += 1;
        let directory = rustix::fs::fstat(mount).map(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)?;
        if directory {
            rustix::fs::mkdirat(CWD, &name, Mode::from_raw_mode(0o755))?;
        } else {
            rustix::fs::openat(CWD, &name, OFlags::CREATE | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
        }
        mount.attach(rustix::fs::openat(CWD, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)?;
        Ok(name)
    }

    /// Mounts an overlay by mount(2), for kernels that know no other way.
    pub(super) fn mount_overlay(&mut self, options: &str) -> Result<Tree, Errno> {
        let name = self.count.to_string();
        self.count += 1;
        rustix::fs::mkdirat(CWD, &name, Mode::from_raw_mode(0o755))?;
        let options = std::ffi::CString::new(options).map_err(|_| Errno(libc::EINVAL))?;
        rustix::mount::mount("overlay", &name, "overlay", MountFlags::NODEV, Some(options.as_c_str()))?;
        let overlay = Tree::of_path(Path::new(&name), false)?;
        rustix::mount::unmount(&name, UnmountFlags::DETACH)?;
        Ok(overlay)
    }
}

impl Drop for Scratch {
    /// Gives `/dev` back.
    fn drop(&mut self) {
        let _ = tree::detach(&self.directory);
    }
}

/// A prepared sandbox whose mounts a step with all capabilities cannot loosen.
///
/// The kernel locks a mount's flags (read-only, no devices) when the mount is copied into the mount namespace of a lesser
/// user namespace, not when it is attached there. So these mounts have names before the clone, and init takes its copies.
pub(super) struct Locked {
    _scratch: Scratch,
    root: String,
    mounts: Vec<Option<String>>,
}

impl Locked {
    pub(super) fn new(prepared: &Prepared) -> Result<Locked, Errno> {
        let mut scratch = Scratch::enter()?;
        let root = scratch.attach(&prepared.root)?;
        let mounts = prepared.mounts.iter().map(|mount| match &mount.content {
            Content::Tree(tree) => scratch.attach(tree).map(Some),
            _ => Ok(None),
        });
        let mounts = mounts.collect::<Result<_, _>>()?;
        Ok(Locked { _scratch: scratch, root, mounts })
    }

    /// Init's copy of the root.
    pub(super) fn root(&self) -> Result<Tree, Errno> {
        Tree::of_path(Path::new(&self.root), true)
    }

    /// Init's copy of a mount, counted as in [`Prepared::mounts`].
    pub(super) fn mount(&self, number: usize) -> Option<Result<Tree, Errno>> {
        let name = self.mounts.get(number)?.as_deref()?;
        Some(Tree::of_path(Path::new(name), true))
    }
}
