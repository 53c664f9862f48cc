//! Directories that outlive builds: `RUN --mount=type=cache`.
//!
//! A cache is a directory of the store, named by the digest of its id. A lock file beside it says who uses it: `shared`
//! caches are locked together, `locked` ones alone, and a `private` one that is taken makes way for another directory.
//! The lock file's time is when the cache was used last; collection takes the one that was used longest ago first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dockerfile::Sharing;
use oci::Digest;
use oci::store::{Store, StoreError};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The part of the store where caches are.
pub const PLACE: &str = "mounts";

/// In the name of a cache that is being made; before it stands whose it is, after it something random.
const IN_THE_MAKING: &str = ".new-";

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
    fs::create_dir_all(root)?;
    let first = Digest::of(id.as_bytes()).hex();
    let mut number = 0;
    loop {
        let name = if number == 0 { first.clone() } else { format!("{first}-{number}") };
        let operation = match sharing {
            Sharing::Shared => FlockOperation::NonBlockingLockShared,
            Sharing::Locked | Sharing::Private => FlockOperation::NonBlockingLockExclusive,
        };
        match lock(root, &name, operation)? {
            Locking::Done(lock) => {
                make(root, &name, fill)?;
                return Ok(CacheDirectory { path: root.join(name), _lock: lock });
            }
            Locking::InUse if sharing == Sharing::Private => number += 1,
            Locking::InUse => wait()?,
            Locking::Again => {}
        }
    }
}

/// What came of an attempt to lock a cache.
enum Locking {
    Done(File),
    InUse,
    Again,
}

fn lock(root: &Path, name: &str, operation: FlockOperation) -> io::Result<Locking> {
    let path = root.join(format!("{name}.lock"));
    // Opening it like this also says when it was used last.
    let file = File::create(&path)?;
    match flock(&file, operation) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Locking::InUse),
        Err(Errno::INTR) => return Ok(Locking::Again),
        Err(error) => return Err(error.into()),
    }
    // Whoever removed the cache has removed the lock that was waited for: it guards nothing.
    let ours = file.metadata()?;
    match fs::metadata(&path) {
        Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(Locking::Done(file)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(Locking::Again),
    }
}

/// Makes a cache's directory unless it is there. Two that share it may both try; the first one's stays.
fn make<E: From<io::Error>>(
    root: &Path,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let path = root.join(name);
    if path.exists() {
        return Ok(());
    }
    let new = tempfile::Builder::new().prefix(&format!("{name}{IN_THE_MAKING}")).tempdir_in(root)?;
    let content = new.path().join("content");
    fs::create_dir(&content)?;
    fill(&content)?;
    match fs::rename(&content, &path) {
        Err(error) if !path.exists() => Err(error.into()),
        _ => Ok(()),
    }
}

/// A cache of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMount {
    name: String,
    /// Bytes that its files take on the disk.
    pub bytes: u64,
}

/// The caches of a store, the one that was used last first.
///
/// # Errors
/// The directory of caches could not be read.
pub fn cache_mounts(store: &Store) -> Result<Vec<CacheMount>, StoreError> {
    let root = store.cache_dir(PLACE)?;
    let mut caches = Vec::new();
    for name in names(&root) {
        if name.ends_with(".lock") || name.contains(IN_THE_MAKING) {
            continue;
        }
        let used = fs::metadata(root.join(format!("{name}.lock"))).and_then(|lock| lock.modified()).ok();
        caches.push((used, CacheMount { bytes: size(&root.join(&name)), name }));
    }
    caches.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.name.cmp(&other.name)));
    Ok(caches.into_iter().map(|(_, cache)| cache).collect())
}

/// Removes these caches, but for those that a step uses right now, and what builds that died have left half-made.
/// How many there were, and their bytes.
///
/// # Errors
/// A cache could not be removed.
pub fn remove_cache_mounts(store: &Store, unwanted: &[CacheMount]) -> Result<(u64, u64), StoreError> {
    let root = store.cache_dir(PLACE)?;
    let (mut count, mut bytes) = (0, 0);
    for cache in unwanted {
        if remove(store, &root, &cache.name, &cache.name)? {
            (count, bytes) = (count + 1, bytes + cache.bytes);
        }
    }
    for leftover in names(&root) {
        if let Some((owner, _)) = leftover.split_once(IN_THE_MAKING) {
            remove(store, &root, owner, &leftover)?;
        }
    }
    Ok((count, bytes))
}

/// Removes a directory of the cache `owner`, unless somebody uses that.
fn remove(store: &Store, root: &Path, owner: &str, name: &str) -> Result<bool, StoreError> {
    // What is moved there goes with the work directory.
    let work = store.work_dir()?;
    take_away(root, owner, name, &work.path().join("cache")).map_err(|source| StoreError::Io {
        action: "remove",
        path: root.join(name),
        source,
    })
}

fn take_away(root: &Path, owner: &str, name: &str, to: &Path) -> io::Result<bool> {
    let Locking::Done(_lock) = lock(root, owner, FlockOperation::NonBlockingLockExclusive)? else {
        return Ok(false);
    };
    match fs::rename(root.join(name), to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if !root.join(owner).exists() {
        fs::remove_file(root.join(format!("{owner}.lock")))?;
    }
    Ok(true)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// What is in a directory, on the disk. What cannot be looked at counts as nothing.
fn size(directory: &Path) -> u64 {
    let mut todo = vec![directory.to_owned()];
    let (mut bytes, mut seen) = (0, std::collections::HashSet::new());
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                todo.push(entry.path());
            } else if metadata.nlink() == 1 || seen.insert(metadata.ino()) {
                // Blocks of 512 bytes, whatever the file system's own are. (stat(2))
                bytes += metadata.blocks() * 512;
            }
        }
    }
    bytes
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

    fn used_at(root: &Path, id: &str, seconds: u64) {
        let lock = root.join(format!("{}.lock", Digest::of(id.as_bytes()).hex()));
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        File::options().write(true).open(lock).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn caches_are_listed_by_use_and_removed_unless_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), oci::layer::OverlayForm::User).unwrap();
        let root = store.cache_dir(PLACE).unwrap();
        for (id, content) in [("apt", 9000), ("go", 5000), ("npm", 1)] {
            let cache = take(&root, id, Sharing::Shared);
            fs::create_dir(cache.path.join("deep")).unwrap();
            fs::write(cache.path.join("deep/file"), vec![b'x'; content]).unwrap();
        }
        for (seconds, id) in [(1, "go"), (2, "apt"), (3, "npm")] {
            used_at(&root, id, seconds);
        }
        let half = root.join(format!("{}{IN_THE_MAKING}xyz", Digest::of(b"go").hex()));
        fs::create_dir_all(half.join("content")).unwrap();

        let caches = cache_mounts(&store).unwrap();
        let order: Vec<String> = ["npm", "apt", "go"].map(|id| Digest::of(id.as_bytes()).hex()).into();
        assert_eq!(caches.iter().map(|cache| cache.name.clone()).collect::<Vec<_>>(), order);
        assert!(caches[1].bytes >= 9000 && caches[2].bytes >= 5000, "{caches:?}");

        let used = take(&root, "apt", Sharing::Shared);
        let (count, bytes) = remove_cache_mounts(&store, &caches[1..]).unwrap();
        assert_eq!((count, bytes), (1, caches[2].bytes));
        assert!(used.path.join("deep/file").exists() && !half.exists());
        assert!(!root.join(format!("{}.lock", Digest::of(b"go").hex())).exists());
        assert_eq!(cache_mounts(&store).unwrap().len(), 2);
        assert!(!take(&root, "go", Sharing::Locked).path.join("deep").exists());
    }

    #[test]
    fn whoever_waited_for_a_cache_that_is_removed_gets_a_new_one() {
        let root = tempfile::tempdir().unwrap();
        let first = std::cell::Cell::new(Some(take(root.path(), "apt", Sharing::Locked)));
        let remove = || {
            if let Some(first) = first.take() {
                fs::remove_dir(&first.path)?;
                fs::remove_file(first.path.with_extension("lock"))?;
            }
            Ok::<(), io::Error>(())
        };
        let second = open(root.path(), "apt", Sharing::Locked, remove, |_| Ok(())).unwrap();
        assert!(second.path.exists() && second.path.with_extension("lock").exists());
    }
}
