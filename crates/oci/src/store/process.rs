//! Processes that use a store: each holds a lock on a file of its own, so that the others know whether it lives. A lock
//! says more than a process number: it is right after a reboot, and between containers that share a store.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, XattrFlags, flock, fsetxattr, fstatfs};
use rustix::io::Errno;

use super::error::io as failed;
use super::{Store, StoreError};
use crate::layer::OverlayForm;
use crate::remove::remove_tree;

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAYFS: i64 = 0x794c_7630;

/// This process, as the store knows it. Its file goes when it ends, and its lock in any case.
pub(super) struct Process {
    /// The file's name; unique among all processes that live.
    pub name: String,
    path: PathBuf,
    _lock: File,
}

/// Makes the store's directories, and finds out whether they can hold layers.
pub(super) fn prepare(root: &Path, form: OverlayForm) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || rustix::fs::open(root, flags, Mode::empty());
    let handle = match open() {
        Err(Errno::NOENT) => {
            fs::create_dir_all(root).map_err(failed("make", root))?;
            // Layers hold programs that are set-user-id root: nobody else may reach them.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(root, mode).map_err(failed("close to others", root))?;
            open()
        }
        other => other,
    };
    let handle = handle.map_err(failed("open", root))?;
    check_suitable(root, form, &handle)?;
    for name in ["blobs/sha256", "blobs/sha512", "layers", "running", "work", "cache", "logs"] {
        match rustix::fs::mkdirat(&handle, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => {
                let path = root.join(name);
                fs::create_dir_all(&path).map_err(failed("make", &path))?;
            }
            Err(error) => return Err(failed("make", &root.join(name))(error)),
        }
    }
    Ok(handle)
}

/// An overlay's upper needs a file system that is none itself and keeps extended attributes.
fn check_suitable(root: &Path, form: OverlayForm, handle: &OwnedFd) -> Result<(), StoreError> {
    let unsuitable = |why| StoreError::Unsuitable { path: root.to_owned(), why };
    let kind = fstatfs(handle).map_err(failed("look at", root))?.f_type;
    if kind == OVERLAYFS {
        return Err(unsuitable(
            "it is on an overlay file system, a container's own root, which holds no second overlay",
        ));
    }
    let name = match form {
        OverlayForm::Trusted => "trusted.kapok",
        OverlayForm::User => "user.kapok",
    };
    match fsetxattr(handle, name, b"1", XattrFlags::empty()) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => Err(unsuitable("its file system keeps no extended attributes")),
        Err(Errno::PERM) => Err(unsuitable("this user may not write the attributes that layers need there")),
        Err(error) => Err(failed("write an attribute of", root)(error)),
    }
}

impl Process {
    /// Makes and locks this process's file.
    pub(super) fn begin(root: &Path) -> Result<Process, StoreError> {
        let running = root.join("running");
        loop {
            let file =
                tempfile::Builder::new().prefix(&format!("{}-", std::process::id())).tempfile_in(&running);
            let (file, path) = file
                .map_err(failed("write in", &running))?
                .keep()
                .map_err(|e| failed("make", &running)(e.error))?;
            flock(&file, FlockOperation::LockExclusive).map_err(failed("lock", &path))?;
            // Another process may have taken the file for a dead one's before it was locked.
            if path.exists() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                return Ok(Process { name, path, _lock: file });
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What is left is swept by the next process that opens the store.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Ends the leases of dead processes at once, and removes their work beside.
    pub(super) fn sweep(&self) -> Result<(), StoreError> {
        let dead = self.dead_processes()?;
        if dead.is_empty() {
            return Ok(());
        }
        let connection = self.connection();
        for (name, _) in &dead {
            super::leases::end(&connection, name)?;
        }
        drop(connection);
        let root = self.root.clone();
        let remove = move || {
            for (name, lock) in dead {
                // If it fails, the next one tries again: the file stays as long as there is something to remove.
                if remove_tree(&root.join("work").join(&name)).is_ok() {
                    let _ = fs::remove_file(root.join("running").join(&name));
                }
                drop(lock);
            }
        };
        let started = std::thread::Builder::new().name("sweep".to_owned()).spawn(remove);
        let sweeper = started.map_err(failed("start a thread for", &self.root))?;
        self.sweepers.lock().unwrap_or_else(|e| e.into_inner()).push(sweeper);
        Ok(())
    }

    /// Waits until what dead processes left is gone. A process that just ends does not wait: the next one goes on.
    pub(super) fn finish_sweep(&self) {
        let sweepers = std::mem::take(&mut *self.sweepers.lock().unwrap_or_else(|e| e.into_inner()));
        for sweeper in sweepers {
            // A panic there was printed there; the files stay for the next time.
            let _ = sweeper.join();
        }
    }

    /// Names of processes that are gone, with the lock that nobody else holds any more.
    fn dead_processes(&self) -> Result<Vec<(String, Option<File>)>, StoreError> {
        let mut dead = Vec::new();
        let mut known = Vec::new();
        for name in names(&self.root.join("running"))? {
            known.push(name.clone());
            if name == self.process.name {
                continue;
            }
            let file = match File::open(self.root.join("running").join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(failed("open", &self.root.join("running").join(&name)))?,
            };
            if flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive).is_ok() {
                dead.push((name, Some(file)));
            }
        }
        // Work whose process has no file any more, because it ended between the two removals.
        for name in names(&self.root.join("work"))? {
            if !known.contains(&name) && !self.root.join("running").join(&name).exists() {
                dead.push((name, None));
            }
        }
        Ok(dead)
    }
}

/// The names in a directory.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed("list", directory))?,
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<io::Result<_>>().map_err(failed("list", directory))
}
