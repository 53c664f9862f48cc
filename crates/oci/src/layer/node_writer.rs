//! Makes single files, links and devices, with owner, mode, attributes and time.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, chmodat, chownat, fchmod, fchown,
    futimens, linkat, makedev, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, getegid, geteuid};

use crate::digest::Hasher;
use crate::layer::cursor::{DirCursor, failed};
use crate::layer::{TreeError, UnpackError, xattr};
use crate::tree::{Entry, Kind};

/// Files are written in pieces of this many bytes; of a sparse file, a piece of zeros becomes a hole.
const PIECE: usize = 128 * 1024;

/// Makes nodes in the file system; every call goes through handles of a [`DirCursor`].
pub(super) struct NodeWriter {
    buffer: Vec<u8>,
    /// What a new file is owned by without being asked; `None` where a directory may say otherwise.
    natural_owner: Option<(u32, u32)>,
}

impl NodeWriter {
    /// `existing`: directories that others made may hand their group down.
    pub(super) fn new(existing: bool) -> NodeWriter {
        let owner = (geteuid().as_raw(), getegid().as_raw());
        NodeWriter { buffer: vec![0; PIECE], natural_owner: (!existing).then_some(owner) }
    }

    /// A new regular file with this content; the entry comes back with digest and size.
    pub(super) fn file(
        &mut self,
        cursor: &mut DirCursor,
        mut entry: Entry,
        content: &mut dyn Read,
        sparse: bool,
    ) -> Result<Entry, UnpackError> {
        let path = &entry.path;
        let (parent, name) = cursor.locate(path).map_err(failed("open", path))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(parent, &name, flags, Mode::RUSR | Mode::WUSR).map_err(failed("make", path))?;
        let mut file = std::fs::File::from(handle);
        let mut hasher = Hasher::default();
        let mut size = 0u64;
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackError::Input(error)),
            };
            let piece = &self.buffer[..count];
            hasher.update(piece);
            size += count as u64;
            let written = if sparse && piece.iter().all(|b| *b == 0) {
                file.seek(SeekFrom::Current(count as i64)).map(drop)
            } else {
                file.write_all(piece)
            };
            written.map_err(failed("write", path))?;
        }
        if sparse {
            file.set_len(size).map_err(failed("write", path))?;
        }
        self.attributes(&OwnedFd::from(file), &entry)?;
        entry.kind = Kind::File { digest: hasher.finish() };
        entry.size = size;
        Ok(entry)
    }

    /// Owner, mode, extended attributes and time of an open file or directory. The order matters: a new owner takes
    /// set-id bits and capabilities away.
    pub(super) fn attributes(&self, handle: &OwnedFd, entry: &Entry) -> Result<(), TreeError> {
        let path = &entry.path;
        if self.natural_owner != Some((entry.uid, entry.gid)) {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            fchown(handle, Some(uid), Some(gid)).map_err(failed("change the owner of", path))?;
        }
        fchmod(handle, Mode::from_raw_mode(entry.mode)).map_err(failed("change the mode of", path))?;
        for (name, value) in &entry.xattrs {
            xattr::set(handle, name, value).map_err(failed("set an attribute of", path))?;
        }
        futimens(handle, &times(entry.mtime)).map_err(failed("set the time of", path))
    }

    /// A symbolic link, a pipe, a device or a whiteout. A device that may not be made here is left out.
    pub(super) fn other(&self, cursor: &mut DirCursor, entry: &Entry) -> Result<(), TreeError> {
        let path = &entry.path;
        let (parent, name) = cursor.locate(path).map_err(failed("open", path))?;
        let make = |kind, device| mknodat(parent, &name, kind, Mode::RUSR | Mode::WUSR, device);
        let made = match &entry.kind {
            Kind::Symlink { target } => symlinkat(&target[..], parent, &name),
            Kind::Fifo => make(FileType::Fifo, 0),
            Kind::CharDevice { major, minor } => make(FileType::CharacterDevice, makedev(*major, *minor)),
            Kind::BlockDevice { major, minor } => make(FileType::BlockDevice, makedev(*major, *minor)),
            Kind::Whiteout => {
                return mknodat(parent, &name, FileType::CharacterDevice, Mode::empty(), 0)
                    .map_err(failed("make", path));
            }
            Kind::File { .. } | Kind::Directory { .. } | Kind::Hardlink { .. } => Err(Errno::INVAL),
        };
        match (made, &entry.kind) {
            (Err(Errno::PERM), Kind::CharDevice { .. } | Kind::BlockDevice { .. }) => return Ok(()),
            (made, _) => made.map_err(failed("make", path))?,
        }
        if self.natural_owner != Some((entry.uid, entry.gid)) {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            chownat(parent, &name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed("change the owner of", path))?;
        }
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            chmodat(parent, &name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .map_err(failed("change the mode of", path))?;
        }
        utimensat(parent, &name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("set the time of", path))
    }

    /// Another name of a file.
    pub(super) fn link(&self, cursor: &mut DirCursor, path: &[u8], target: &[u8]) -> Result<(), TreeError> {
        let (from, old) = cursor.locate(target).map_err(failed("open", target))?;
        let from = from.as_fd().try_clone_to_owned().map_err(failed("open", target))?;
        let (to, new) = cursor.locate(path).map_err(failed("open", path))?;
        linkat(&from, &old, to, &new, AtFlags::empty()).map_err(failed("link", path))
    }
}

fn times(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}
