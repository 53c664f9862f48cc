//! Directories that outlive builds: `RUN --mount=type=cache`.
//!
//! A cache is a directory of the store, named by the digest of its id. A lock file beside it says who uses it: `shared`
//! caches are locked together, `locked` ones alone, and a `private` one that is taken makes way for another directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use dockerfile::Sharing;
use oci::Digest;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A cache in use. Dropping it lets others have it.
pub struct CacheDirectory {
    /// The directory.
    pub path: PathBuf,
    _lock: File,
}

/// Opens the cache `id` below `root`. One that is new appears whole, after `fill` has made its content; `wait` is called
/// again and again while `sharing` forbids to use it, and gives up with an error.
///
/// # Errors
/// A directory or lock could not be made, `fill` failed, or `wait` gave up.
pub fn open<E: From<io::Error>>(
    root: &Path,
    id: &str,
    sharing: Sharing,
    wait: impl Fn() -> Result<(), E>,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<CacheDirectory, E> {
    std::fs::create_dir_all(root)?;
    let first = Digest::of(id.as_bytes()).hex();
    let mut number = 0;
    loop {
        let name = if number == 0 { first.clone() } else { format!("{first}-{number}") };
        let operation = match sharing {
            Sharing::Shared => FlockOperation::NonBlockingLockShared,
            Sharing::Locked | Sharing::Private => FlockOperation::NonBlockingLockExclusive,
        };
        let lock = File::create(root.join(format!("{name}.lock")))?;
        match flock(&lock, operation) {
            Ok(()) => {
                let path = root.join(name);
                make(root, &path, fill)?;
                return Ok(CacheDirectory { path, _lock: lock });
            }
            Err(Errno::WOULDBLOCK) if sharing == Sharing::Private => number += 1,
            Err(Errno::WOULDBLOCK) => wait()?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

/// Makes a cache's directory unless it is there. Two that share it may both try; the first one's stays.
fn make<E: From<io::Error>>(
    root: &Path,
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    if path.exists() {
        return Ok(());
    }
    let new = tempfile::Builder::new().prefix("new-").tempdir_in(root)?;
    let content = new.path().join("content");
    std::fs::create_dir(&content)?;
    fill(&content)?;
    match std::fs::rename(&content, path) {
        Err(error) if !path.exists() => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(root: &Path, id: &str, sharing: Sharing) -> CacheDirectory {
        let wait = || Err(io::Error::from(io::ErrorKind::WouldBlock));
        open(root, id, sharing, wait, |_| Ok(())).unwrap()
    }

    #[test]
    fn sharing_decides_who_gets_which_directory() {
        let root = tempfile::tempdir().unwrap();
        let one = take(root.path(), "go", Sharing::Shared);
        let two = take(root.path(), "go", Sharing::Shared);
        assert_eq!(one.path, two.path);

        let three = take(root.path(), "npm", Sharing::Private);
        let four = take(root.path(), "npm", Sharing::Private);
        assert_ne!(three.path, four.path);
        let first = three.path.clone();
        drop(three);
        assert_eq!(take(root.path(), "npm", Sharing::Private).path, first);
    }

    #[test]
    fn a_locked_cache_is_waited_for_until_somebody_gives_up() {
        let root = tempfile::tempdir().unwrap();
        let first = std::cell::Cell::new(Some(take(root.path(), "apt", Sharing::Locked)));
        let refused = || Err(io::Error::other("enough"));
        assert!(open(root.path(), "apt", Sharing::Locked, refused, |_| Ok(())).is_err());
        let release = || {
            drop(first.take());
            Ok::<(), io::Error>(())
        };
        assert!(open(root.path(), "apt", Sharing::Locked, release, |_| Ok(())).is_ok());
    }

    #[test]
    fn a_cache_that_could_not_be_filled_is_new_the_next_time() {
        let root = tempfile::tempdir().unwrap();
        let wait = || Ok::<(), io::Error>(());
        let half = |path: &Path| {
            std::fs::write(path.join("half"), "")?;
            Err(io::Error::other("the disk is full"))
        };
        assert!(open(root.path(), "go", Sharing::Shared, wait, half).is_err());
        let whole = |path: &Path| std::fs::write(path.join("whole"), "");
        let cache = open(root.path(), "go", Sharing::Shared, wait, whole).unwrap();
        assert!(cache.path.join("whole").exists() && !cache.path.join("half").exists());
        let again = open(root.path(), "go", Sharing::Shared, wait, |_| Err(io::Error::other("not new")));
        assert!(again.is_ok());
    }
}
