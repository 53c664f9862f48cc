//! Mode, owner, time and extended attributes, and how they are put on files.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use oci::layer::keeps_xattr;
use oci::tree::Entry;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::tree::Item;

/// What something has besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    /// Those of a directory that nobody says anything about.
    pub fn new_directory(epoch: i64) -> Attributes {
        Attributes { mode: 0o755, uid: 0, gid: 0, mtime: epoch, xattrs: Vec::new() }
    }

    /// Those of a directory that is below, in which something is changed now.
    pub fn of_entry(entry: &Entry, epoch: i64) -> Attributes {
        Attributes {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: epoch,
            xattrs: entry.xattrs.clone(),
        }
    }

    /// Those of an item; where it has no time of its own, the epoch.
    pub fn of_item(item: &Item, epoch: i64) -> Attributes {
        Attributes {
            mode: item.mode,
            uid: item.uid,
            gid: item.gid,
            mtime: item.mtime.unwrap_or(epoch).min(epoch),
            xattrs: item.xattrs.clone(),
        }
    }

    fn times(&self) -> Timestamps {
        let time = Timespec { tv_sec: self.mtime, tv_nsec: 0 };
        Timestamps { last_access: time, last_modification: time }
    }
}

/// Puts attributes on a file that was made just now. The owner comes first, for changing it clears set-user-id and
/// capabilities; who makes a file owns it, and most are to belong to whoever builds.
pub fn apply_file(file: &File, attributes: &Attributes) -> io::Result<()> {
    let fd = file.as_fd();
    let maker = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if maker != (attributes.uid, attributes.gid) {
        rustix::fs::fchown(fd, uid(attributes), gid(attributes))?;
    }
    rustix::fs::fchmod(fd, Mode::from_raw_mode(attributes.mode))?;
    for (name, value) in kept(attributes) {
        ignore_unsupported(rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()))?;
    }
    Ok(rustix::fs::futimens(fd, &attributes.times())?)
}

/// Puts attributes on a directory.
pub fn apply_directory(path: &Path, attributes: &Attributes) -> io::Result<()> {
    own_path(path, attributes)?;
    rustix::fs::chmod(path, Mode::from_raw_mode(attributes.mode))?;
    for (name, value) in kept(attributes) {
        ignore_unsupported(rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()))?;
    }
    Ok(rustix::fs::utimensat(CWD, path, &attributes.times(), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Puts owner and time on a symbolic link; it has no mode.
pub fn apply_symlink(path: &Path, attributes: &Attributes) -> io::Result<()> {
    own_path(path, attributes)?;
    Ok(rustix::fs::utimensat(CWD, path, &attributes.times(), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Puts attributes on a device or a named pipe, without opening it.
pub fn apply_special(path: &Path, attributes: &Attributes) -> io::Result<()> {
    own_path(path, attributes)?;
    rustix::fs::chmod(path, Mode::from_raw_mode(attributes.mode))?;
    Ok(rustix::fs::utimensat(CWD, path, &attributes.times(), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn own_path(path: &Path, attributes: &Attributes) -> io::Result<()> {
    let changed = rustix::fs::chownat(CWD, path, uid(attributes), gid(attributes), AtFlags::SYMLINK_NOFOLLOW);
    own(changed, || rustix::fs::lstat(path).map(|stat| (stat.st_uid, stat.st_gid)), attributes)
}

/// A process that may not give files away may still keep its own.
fn own(
    changed: Result<(), Errno>,
    owner: impl FnOnce() -> Result<(u32, u32), Errno>,
    attributes: &Attributes,
) -> io::Result<()> {
    match changed {
        Err(Errno::PERM) if owner()? == (attributes.uid, attributes.gid) => Ok(()),
        changed => Ok(changed?),
    }
}

fn uid(attributes: &Attributes) -> Option<Uid> {
    Some(Uid::from_raw(attributes.uid))
}

fn gid(attributes: &Attributes) -> Option<Gid> {
    Some(Gid::from_raw(attributes.gid))
}

fn kept(attributes: &Attributes) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = attributes.xattrs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    all.filter(|(name, _)| keeps_xattr(name))
}

/// A file system without extended attributes is no reason to stop, as BuildKit has it.
fn ignore_unsupported(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Err(Errno::NOTSUP) => Ok(()),
        result => Ok(result?),
    }
}
