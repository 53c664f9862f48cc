//! Work directories: where things are made before they have a name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::fs::{CWD, IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, mkdirat, open};

use super::error::io as failed;
use super::{Store, StoreError};
use crate::remove::remove_tree;

/// A directory for one step, on the store's file system: `upper/` and `work/` for an overlay, and room for other things.
/// It is removed when dropped, whatever is in it. An overlay's `work` never mounts twice: every step takes a new one.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
}

impl Store {
    /// A new work directory. `upper` has mode 755, as an ordinary root has: what an image's root has otherwise must be
    /// set on it by whoever mounts it, for the uppermost layer's root is the one that is seen.
    pub fn work_dir(&self) -> Result<WorkDir, StoreError> {
        let number = self.next_work.fetch_add(1, Ordering::Relaxed);
        // ext4 chooses by the name: one that another process had would lead to where that one's files were freed.
        let own = self.process.name.rsplit('-').next().unwrap_or_default();
        let work = WorkDir { path: self.process_work()?.join(format!("{number}-{own}")) };
        for (path, mode) in [(work.path.clone(), 0o700), (work.upper(), 0o755), (work.work(), 0o700)] {
            mkdirat(CWD, &path, Mode::from_raw_mode(mode)).map_err(failed("make", &path))?;
        }
        // Whatever the caller's umask says.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(work.upper(), mode).map_err(failed("make", &work.upper()))?;
        Ok(work)
    }

    /// This process's own part of `work/`; it goes with the process.
    pub(super) fn process_work(&self) -> Result<PathBuf, StoreError> {
        let path = self.root.join("work").join(&self.process.name);
        if self.has_work.load(Ordering::Relaxed) {
            return Ok(path);
        }
        match mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) => spread(&path),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(failed("make", &path)(error)),
        }
        self.has_work.store(true, Ordering::Relaxed);
        Ok(path)
    }
}

/// Asks ext4 to put each directory below this one into a block group of its own choice, as it does at the root of a file
/// system. A new file is put beside its directory, and ext4 does not give away an inode that was freed within the last
/// minutes: where a step's files went, thousands of them at once, every new file beside them has to look past all of those.
/// Other file systems do without.
fn spread(path: &Path) {
    let Ok(directory) = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    else {
        return;
    };
    if let Ok(flags) = ioctl_getflags(&directory) {
        // What cannot be had only costs time.
        let _ = ioctl_setflags(&directory, flags | IFlags::TOPDIR);
    }
}

impl WorkDir {
    /// The directory; names other than `upper`, `work` and `layer` are free.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a step's changes go, or a layer is unpacked.
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    /// Where overlayfs keeps what it needs.
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // Most are empty: what they held became a layer.
        let empty =
            [self.upper(), self.work(), self.path.clone()].iter().all(|path| match fs::remove_dir(path) {
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
                Ok(()) => true,
            });
        if !empty {
            // What cannot be removed now is swept when the process is gone.
            let _ = remove_tree(&self.path);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // If that fails, the next process that opens the store does it.
        let connection = self.connection();
        if let Ok(transaction) = super::catalog::begin(&connection) {
            let _ = super::leases::end(&transaction, &self.process.name).and_then(|()| transaction.commit());
        }
        drop(connection);
        let _ = remove_tree(&self.root.join("work").join(&self.process.name));
    }
}
