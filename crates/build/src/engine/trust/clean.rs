//! Takes the gateway's authority out of what a step wrote, and makes sure that nothing of it is left.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::authorities::{Authorities, Found};
use super::bundles::ADDED;

/// Bytes of a file that are looked at at once.
const PIECE: usize = 1 << 20;

/// A larger file is not rewritten: whoever appends to one has no bundle.
const LARGEST_REWRITTEN: u64 = 32 << 20;

/// What was found in an upper.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Files from which the authority was taken out, absolute inside the image.
    pub restored: Vec<PathBuf>,
    /// Files that name the directory of the authority's files, which no image has.
    pub naming: Vec<PathBuf>,
}

/// Why an upper cannot become a layer.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The authority is in a file in a form that cannot be taken out.
    #[error("the authority of this step's network is in `{}`", path.display())]
    Found {
        /// In which file of the image.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot search `{}` for the authority of the step's network", path.display())]
    Io {
        /// Which, of the image.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Cleans an upper. Files are read by so many threads at once, as long as nobody sets `stop`; then it is an error.
///
/// # Errors
/// See [`CleanError`].
pub fn clean(
    upper: &Path,
    authorities: &Authorities,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Cleaned, CleanError> {
    remove_what_was_added(upper);
    let files = Mutex::new(files(upper)?.into_iter());
    let results = Mutex::new((Cleaned::default(), None));
    let work = || {
        let mut buffer = Vec::new();
        while let Some(path) = lock(&files).next() {
            let outcome = clean_file(&path, authorities, stop, &mut buffer);
            let shown = || Path::new("/").join(path.strip_prefix(upper).unwrap_or(&path));
            let mut results = lock(&results);
            match outcome {
                Ok(Outcome { restored, naming, left: false }) => {
                    results.0.restored.extend(restored.then(shown));
                    results.0.naming.extend(naming.then(shown));
                }
                Ok(Outcome { left: true, .. }) => {
                    results.1.get_or_insert(CleanError::Found { path: shown() });
                }
                Err(source) => {
                    results.1.get_or_insert(CleanError::Io { path: shown(), source });
                }
            }
            if results.1.is_some() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        (_, Some(error)) => Err(error),
        (mut cleaned, None) => {
            cleaned.restored.sort();
            cleaned.naming.sort();
            Ok(cleaned)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a command that goes through all files (`chown -R`) has copied: the hook, and the directory that was a mount point.
fn remove_what_was_added(upper: &Path) {
    let (hook, script) = ADDED;
    let hook = upper.join(hook);
    let ours = fs::symlink_metadata(&hook).is_ok_and(|metadata| metadata.is_file())
        && fs::read(&hook).is_ok_and(|content| content == script.as_bytes());
    // What cannot be removed is found by whoever reads the layer; it is no secret.
    if ours {
        keeping_time_of_parent(&hook, || fs::remove_file(&hook));
    }
    let directory = upper.join(super::DIRECTORY.trim_start_matches('/'));
    if fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir()) {
        keeping_time_of_parent(&directory, || fs::remove_dir(&directory));
    }
}

/// Removes something as if it had never been there: the directory around it does not change.
fn keeping_time_of_parent(path: &Path, remove: impl FnOnce() -> io::Result<()>) {
    let parent = path.parent().and_then(|parent| File::open(parent).ok());
    let time = parent.as_ref().and_then(|parent| parent.metadata().ok()?.modified().ok());
    let _ = remove();
    if let (Some(parent), Some(time)) = (parent, time) {
        let _ = parent.set_modified(time);
    }
}

/// Every regular file, each of several names of one once.
fn files(upper: &Path) -> Result<Vec<PathBuf>, CleanError> {
    let mut todo = vec![upper.to_owned()];
    let (mut files, mut seen) = (Vec::new(), HashSet::new());
    while let Some(directory) = todo.pop() {
        let shown = || Path::new("/").join(directory.strip_prefix(upper).unwrap_or(&directory));
        let failed = |source| CleanError::Io { path: shown(), source };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                todo.push(entry.path());
            } else if kind.is_file() {
                let metadata = entry.metadata().map_err(failed)?;
                if metadata.nlink() == 1 || seen.insert(metadata.ino()) {
                    files.push(entry.path());
                }
            }
        }
    }
    Ok(files)
}

struct Outcome {
    restored: bool,
    naming: bool,
    left: bool,
}

fn clean_file(
    path: &Path,
    authorities: &Authorities,
    stop: &AtomicBool,
    buffer: &mut Vec<u8>,
) -> io::Result<Outcome> {
    let mut file = File::open(path)?;
    let Found { key, name } = search(&mut file, authorities, stop, buffer)?;
    if !key {
        return Ok(Outcome { restored: false, naming: name, left: false });
    }
    let metadata = file.metadata()?;
    if metadata.len() > LARGEST_REWRITTEN {
        return Ok(Outcome { restored: false, naming: name, left: true });
    }
    let mut content = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut content)?;
    let kept = authorities.removed_from(&content);
    // In a file of a format with lengths and digests, a piece less is a broken file.
    if content.contains(&0) || authorities.find(&kept).key {
        return Ok(Outcome { restored: false, naming: name, left: true });
    }
    rewrite(path, &kept, &metadata)?;
    Ok(Outcome { restored: true, naming: authorities.find(&kept).name, left: false })
}

/// Reads a file piece by piece; the end of each is looked at together with the next one.
fn search(
    file: &mut File,
    authorities: &Authorities,
    stop: &AtomicBool,
    buffer: &mut Vec<u8>,
) -> io::Result<Found> {
    let mut all = Found::default();
    let mut kept = 0;
    buffer.resize(PIECE, 0);
    loop {
        let read = match file.read(&mut buffer[kept..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Ok(all);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the layer is not wanted any more"));
        }
        let length = kept + read;
        let found = authorities.find(&buffer[..length]);
        all = Found { key: all.key || found.key, name: all.name || found.name };
        if all.key {
            return Ok(all);
        }
        kept = length.min(authorities.overlap());
        buffer.copy_within(length - kept..length, 0);
    }
}

/// Gives a file new content; owner, mode and the time of its last change stay.
fn rewrite(path: &Path, content: &[u8], metadata: &fs::Metadata) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).open(path)?;
    file.write_all(content)?;
    file.set_modified(metadata.modified()?)
}
