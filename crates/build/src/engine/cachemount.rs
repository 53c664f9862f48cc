//! Directories that outlive builds: `RUN --mount=type=cache`.
//!
//! A cache is a directory of the store, named by the digest of its id. A lock file beside it says who uses it: `shared`
//! caches are locked together, `locked` ones alone, and a `private` one that is taken makes way for another directory.

use std::fs::File;
use std::path::{Path, PathBuf};

use dockerfile::Sharing;
use oci::Digest;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A cache in use. Dropping it lets others have it.
pub struct CacheDirectory {
    /// The directory.
    pub path: PathBuf,
    /// Whether it was just made and is empty.
    pub new: bool,
    _lock: File,
}

/// Opens the cache `id` below `root`, waiting for it where `sharing` says so.
///
/// # Errors
/// A directory or lock could not be made.
pub fn open(root: &Path, id: &str, sharing: Sharing) -> std::io::Result<CacheDirectory> {
    let name = Digest::of(id.as_bytes()).hex();
    match sharing {
        Sharing::Shared => take(root, &name, FlockOperation::LockShared),
        Sharing::Locked => take(root, &name, FlockOperation::LockExclusive),
        Sharing::Private => {
            for number in 0.. {
                let name = if number == 0 { name.clone() } else { format!("{name}-{number}") };
                match take(root, &name, FlockOperation::NonBlockingLockExclusive) {
                    Err(error) if error.raw_os_error() == Some(Errno::WOULDBLOCK.raw_os_error()) => continue,
                    other => return other,
                }
            }
            unreachable!("one of the numbers is free")
        }
    }
}

fn take(root: &Path, name: &str, operation: FlockOperation) -> std::io::Result<CacheDirectory> {
    std::fs::create_dir_all(root)?;
    let lock = File::create(root.join(format!("{name}.lock")))?;
    loop {
        match flock(&lock, operation) {
            Err(Errno::INTR) => continue,
            other => break other?,
        }
    }
    let path = root.join(name);
    let new = match std::fs::create_dir(&path) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    Ok(CacheDirectory { path, new, _lock: lock })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_decides_who_gets_which_directory() {
        let root = tempfile::tempdir().unwrap();
        let one = open(root.path(), "go", Sharing::Shared).unwrap();
        let two = open(root.path(), "go", Sharing::Shared).unwrap();
        assert!(one.new && !two.new);
        assert_eq!(one.path, two.path);

        let three = open(root.path(), "npm", Sharing::Private).unwrap();
        let four = open(root.path(), "npm", Sharing::Private).unwrap();
        assert_ne!(three.path, four.path);
        drop(three);
        let five = open(root.path(), "npm", Sharing::Private).unwrap();
        assert!(!five.new);
    }

    #[test]
    fn a_locked_cache_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let first = open(root.path(), "apt", Sharing::Locked).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| open(root.path(), "apt", Sharing::Locked).unwrap().new);
            drop(first);
            assert!(!second.join().unwrap());
        });
    }
}
