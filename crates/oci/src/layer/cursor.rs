//! Reaching entries of a tree by handles, one component at a time: no symbolic link is followed, no path is too long.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use crate::layer::TreeError;
use crate::tree::path::{components, file_name, is_within, parent, shown};

/// As many directories are kept open at most; a process may have 1,024 files open by default.
const OPEN_LIMIT: usize = 128;

/// Opens the directories of a tree; cheap when asked in the order of a walk, since it keeps the way down open.
pub(crate) struct DirCursor {
    root: OwnedFd,
    /// Some of the ancestors of the last directory, by their paths, the root's side first.
    open: Vec<(Vec<u8>, OwnedFd)>,
}

impl DirCursor {
    pub(crate) fn new(directory: &Path) -> io::Result<DirCursor> {
        let root =
            rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(DirCursor { root, open: Vec::new() })
    }

    /// A handle on the directory at `path`, for `…at` calls only.
    pub(crate) fn enter(&mut self, path: &[u8]) -> io::Result<BorrowedFd<'_>> {
        while self.open.last().is_some_and(|(known, _)| !is_within(path, known)) {
            self.open.pop();
        }
        let mut at = self.open.last().map_or(0, |(known, _)| known.len());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for name in components(&path[at..]) {
            at += name.len() + usize::from(at > 0);
            let here = self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
            let next = openat(here, name, flags, Mode::empty())?;
            if self.open.len() >= OPEN_LIMIT {
                // Every second one stays: the way back up stays short at every height.
                let mut keep = false;
                self.open.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            self.open.push((path[..at].to_vec(), next));
        }
        Ok(self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// A handle on the directory that `path` is in, and the name in it. For the root: the root and `.`.
    pub(crate) fn locate(&mut self, path: &[u8]) -> io::Result<(BorrowedFd<'_>, CString)> {
        let name = if path.is_empty() { b"." } else { file_name(path) };
        let name = CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok((self.enter(parent(path).unwrap_or_default())?, name))
    }

    /// Opens the file or directory at `path` for reading.
    pub(crate) fn open(&mut self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let (directory, name) = self.locate(path)?;
        Ok(openat(
            directory,
            &name,
            flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        )?)
    }

    /// Forgets the handles at and below `path`, before it is removed.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        self.open.retain(|(known, _)| !is_within(known, path));
    }
}

/// Says what was tried where.
pub(crate) fn failed<E: Into<io::Error>>(action: &'static str, path: &[u8]) -> impl FnOnce(E) -> TreeError {
    let path = if path.is_empty() { "/".to_owned() } else { shown(path) };
    move |error| TreeError::Io { action, path, source: error.into() }
}
