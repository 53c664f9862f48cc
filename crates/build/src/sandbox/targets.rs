//! Where things are mounted: paths of the image, resolved inside it, and stand-ins for those that it lacks.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno as IoErrno;

use super::error::Doing;
use super::ids::IdPlan;
use super::tree::{self, Tree};
use super::{Errno, SandboxError, StandIn};

/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

/// What a mount point has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Directory,
    File,
}

/// A path of the image without symbolic links.
#[derive(Debug, PartialEq, Eq)]
struct Resolved {
    /// Relative to the root.
    path: PathBuf,
    /// How many of its last components do not exist.
    missing: usize,
}

/// Finds mount points in a snapshot and makes stand-ins for those that it lacks.
///
/// A stand-in lies in a layer of its own on top of the others, so that neither a whiteout nor an opaque directory below
/// can hide it, and never in the upper. Directories that lead to one repeat what the snapshot says of them; only
/// missing paths get any, because whoever makes such a directory in a step would find it there and leave none in the layer.
pub(super) struct Targets<'a> {
    view: Option<&'a Tree>,
    ids: &'a IdPlan,
    stubs: Option<Tree>,
    repeated: Vec<(PathBuf, Stat)>,
    taken: Vec<PathBuf>,
}

impl<'a> Targets<'a> {
    /// `view` is what the step will see, if anything.
    pub(super) fn new(view: Option<&'a Tree>, ids: &'a IdPlan) -> Targets<'a> {
        Targets { view, ids, stubs: None, repeated: Vec::new(), taken: Vec::new() }
    }

    /// The path on which to mount, absolute inside the sandbox. Parents must be placed before children.
    pub(super) fn place(&mut self, target: &Path, shape: Shape) -> Result<PathBuf, SandboxError> {
        let failed = |what: &str, source: Errno| SandboxError::Mount {
            target: target.to_owned(),
            what: what.to_owned(),
            source,
        };
        let resolved =
            resolve(self.view, target).map_err(|source| failed("its path cannot be followed", source))?;
        if resolved.path.as_os_str().is_empty() {
            return Err(failed("it is the root", Errno(libc::EBUSY)));
        }
        if in_proc(&self.taken, &resolved.path) {
            return Err(failed("nothing may be mounted in /proc", Errno(libc::EPERM)));
        }
        // Below another mount nothing of the snapshot counts: what is missing there, init makes.
        let below_other = self.taken.iter().any(|taken| resolved.path.starts_with(taken));
        if !below_other && resolved.missing > 0 {
            self.add_stub(&resolved, shape)
                .map_err(|source| failed("a stand-in for it cannot be made", source))?;
        }
        let path = Path::new("/").join(&resolved.path);
        self.taken.push(resolved.path);
        Ok(path)
    }

    /// Makes a file look otherwise. Also one that something is mounted over: then nobody sees it.
    pub(super) fn stand_in(&mut self, stand_in: &StandIn) -> Result<(), SandboxError> {
        let Some(view) = self.view else { return Ok(()) };
        // A path that leads through a file, or in circles, is nobody's file.
        let Ok(resolved) = resolve(Some(view), &stand_in.path) else { return Ok(()) };
        let (path, found) = match (resolved.missing, stand_in.new) {
            (0, _) => (resolved.path.clone(), true),
            (1, Some(_)) => (resolved.path.clone(), false),
            _ => return Ok(()),
        };
        self.put(view, &path, stand_in, found).map_err(|source| SandboxError::Mount {
            target: stand_in.path.clone(),
            what: "other content cannot be put in its place".to_owned(),
            source,
        })
    }

    fn put(&mut self, view: &Tree, path: &Path, stand_in: &StandIn, found: bool) -> Result<(), Errno> {
        let stat = match found {
            true => Some(rustix::fs::statat(view, dot(path), AtFlags::SYMLINK_NOFOLLOW)?),
            false => None,
        };
        if stat.is_some_and(|stat| stat.st_mode & libc::S_IFMT != libc::S_IFREG) {
            return Ok(());
        }
        self.start()?;
        let parents: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_owned).collect();
        for parent in parents.iter().rev() {
            self.repeat(parent)?;
        }
        let Some(stubs) = &self.stubs else { return Ok(()) };
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(stubs, path, flags, Mode::from_raw_mode(0o600))?;
        std::fs::File::from(file).write_all(&stand_in.content)?;
        let owner = self.ids.outside(0);
        let (uid, gid) = stat.map_or((owner, owner), |stat| (stat.st_uid, stat.st_gid));
        let mode = stat.map_or(stand_in.new.unwrap_or(0o644), |stat| stat.st_mode) & 0o7777;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(stubs, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::chmodat(stubs, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
        if let Some(stat) = stat {
            copy_xattrs(view, stubs, path)?;
            self.repeated.push((path.to_owned(), stat));
        }
        Ok(())
    }

    /// The layer of stand-ins, if there are any.
    pub(super) fn into_stubs(self) -> Result<Option<Tree>, SandboxError> {
        let Some(stubs) = self.stubs else { return Ok(None) };
        for (path, stat) in &self.repeated {
            let times = Timestamps {
                last_access: Timespec { tv_sec: stat.st_atime as _, tv_nsec: stat.st_atime_nsec as _ },
                last_modification: Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ },
            };
            rustix::fs::utimensat(&stubs, dot(path), &times, AtFlags::empty()).doing("date a stand-in")?;
        }
        Ok(Some(stubs))
    }

    /// Makes the layer, if there is none yet.
    fn start(&mut self) -> Result<(), Errno> {
        if self.stubs.is_none() {
            self.stubs = Some(Tree::new("tmpfs", &["mode=755"], tree::NO_DEVICES)?);
            self.repeat(Path::new(""))?;
        }
        Ok(())
    }

    fn add_stub(&mut self, resolved: &Resolved, shape: Shape) -> Result<(), Errno> {
        self.start()?;
        let components: Vec<_> = resolved.path.iter().collect();
        let existing = components.len() - resolved.missing;
        let mut path = PathBuf::new();
        for (number, component) in components.iter().enumerate() {
            path.push(component);
            let last = number + 1 == components.len();
            if number < existing {
                self.repeat(&path)?;
            } else {
                self.make(&path, if last { shape } else { Shape::Directory })?;
            }
        }
        Ok(())
    }

    /// Makes what the snapshot lacks: root's, as `mkdir -p` and `touch` would.
    fn make(&self, path: &Path, shape: Shape) -> Result<(), Errno> {
        let Some(stubs) = &self.stubs else { return Ok(()) };
        match shape {
            Shape::Directory => match rustix::fs::mkdirat(stubs, path, Mode::from_raw_mode(0o755)) {
                Err(IoErrno::EXIST) => return Ok(()),
                other => other?,
            },
            Shape::File => {
                let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(stubs, path, flags, Mode::from_raw_mode(0o644))?;
            }
        }
        let owner = self.ids.outside(0);
        Ok(rustix::fs::chownat(
            stubs,
            path,
            Some(Uid::from_raw(owner)),
            Some(Gid::from_raw(owner)),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Makes a directory that hides one of the snapshot and looks the same.
    fn repeat(&mut self, path: &Path) -> Result<(), Errno> {
        let Some(stubs) = &self.stubs else { return Ok(()) };
        let Some(view) = self.view else {
            let owner = self.ids.outside(0);
            let (uid, gid) = (Uid::from_raw(owner), Gid::from_raw(owner));
            return Ok(rustix::fs::chownat(stubs, dot(path), Some(uid), Some(gid), AtFlags::empty())?);
        };
        if self.repeated.iter().any(|(repeated, _)| repeated == path) {
            return Ok(());
        }
        let stat = rustix::fs::statat(view, dot(path), AtFlags::SYMLINK_NOFOLLOW)?;
        if !path.as_os_str().is_empty() {
            match rustix::fs::mkdirat(stubs, path, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(IoErrno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::chownat(stubs, dot(path), Some(uid), Some(gid), AtFlags::empty())?;
        rustix::fs::chmodat(stubs, dot(path), Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
        copy_xattrs(view, stubs, dot(path))?;
        self.repeated.push((path.to_owned(), stat));
        Ok(())
    }
}

/// Whether a path lies in `/proc`, which is the first to be placed.
fn in_proc(taken: &[PathBuf], path: &Path) -> bool {
    !taken.is_empty() && path.starts_with("proc")
}

fn dot(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Copies what xattrs the memory file system can hold (access control lists, file capabilities have no place on directories).
fn copy_xattrs(from: &Tree, to: &Tree, path: &Path) -> Result<(), Errno> {
    let by_descriptor = |tree: &Tree| -> Result<(std::os::fd::OwnedFd, PathBuf), Errno> {
        let file = tree.open(path)?;
        let name = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file.as_fd())));
        Ok((file, name))
    };
    let ((_from, from), (_to, to)) = (by_descriptor(from)?, by_descriptor(to)?);
    let mut names = vec![0u8; 64 * 1024];
    let Ok(length) = rustix::fs::listxattr(&from, &mut names[..]) else { return Ok(()) };
    let mut value = vec![0u8; 64 * 1024];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.windows(9).any(|part| part == b".overlay.") {
            continue;
        }
        if let Ok(length) = rustix::fs::getxattr(&from, name, &mut value[..]) {
            // A file system without this kind of xattr: the stand-in goes without, too.
            let _ = rustix::fs::setxattr(&to, name, &value[..length], XattrFlags::empty());
        }
    }
    Ok(())
}

/// Follows a path in a tree as if the tree were the root, also beyond what exists.
fn resolve(view: Option<&Tree>, target: &Path) -> Result<Resolved, Errno> {
    let mut pending: VecDeque<OsString> = components(target).collect();
    let mut path = PathBuf::new();
    let mut missing = 0usize;
    let mut links = 0;
    while let Some(component) = pending.pop_front() {
        if component == ".." {
            path.pop();
            missing = missing.saturating_sub(1);
            continue;
        }
        path.push(&component);
        let Some(view) = view.filter(|_| missing == 0) else {
            missing += 1;
            continue;
        };
        let kind = match rustix::fs::statat(view, &path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat.st_mode & libc::S_IFMT,
            Err(IoErrno::NOENT) => {
                missing = 1;
                continue;
            }
            Err(errno) => return Err(errno.into()),
        };
        if kind == libc::S_IFLNK {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno(libc::ELOOP));
            }
            let target = rustix::fs::readlinkat(view, &path, Vec::new())?;
            let target = Path::new(OsStr::from_bytes(target.as_bytes()));
            path.pop();
            if target.is_absolute() {
                path = PathBuf::new();
            }
            for component in components(target).collect::<Vec<_>>().into_iter().rev() {
                pending.push_front(component);
            }
        } else if kind != libc::S_IFDIR && !pending.is_empty() {
            return Err(Errno(libc::ENOTDIR));
        }
    }
    Ok(Resolved { path, missing })
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}
