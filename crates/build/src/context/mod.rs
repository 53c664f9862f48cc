//! Build contexts: directories whose files a build may copy, as far as their ignore file lets through.
//!
//! A context is read lazily: a directory is listed when somebody asks for it, a file is read when its digest is asked
//! for and the stat cache does not know it. Archives and git repositories are unpacked into a directory first.

mod cache;
mod digests;
mod listing;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dockerfile::ignore::{ParentMatches, Patterns};
use oci::tree;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use cache::StatCache;
pub use listing::{Listing, Node, NodeKind};

/// Where a context is and what of it counts.
#[derive(Debug, Clone)]
pub struct ContextOptions {
    /// What stays out.
    pub ignore: Patterns,
    /// The directory for the stat cache; without one, every file is read.
    pub cache: Option<PathBuf>,
    /// How many threads walk and read.
    pub threads: usize,
}

/// A build context. Paths in it are relative, without `.` and `..`; the empty one is its root.
pub struct Context {
    path: PathBuf,
    root: OwnedFd,
    options: ContextOptions,
    listings: RwLock<HashMap<Vec<u8>, Arc<Listing>>>,
    cache: Mutex<StatCache>,
}

/// A context that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The system refused something.
    #[error("cannot {action} `{path}` of the build context")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where, relative to the context.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file is not what it was a moment before.
    #[error("`{path}` of the build context changed while it was read")]
    Changed {
        /// Where.
        path: String,
    },
    /// An archive given as a context could not be unpacked.
    #[error("cannot unpack the build context")]
    Archive(#[from] oci::layer::UnpackError),
}

impl Context {
    /// A directory as a context.
    pub fn open(path: &Path, options: ContextOptions) -> Result<Context, ContextError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let refused = |source: rustix::io::Errno| ContextError::Io {
            action: "open",
            path: path.display().to_string(),
            source: source.into(),
        };
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(refused)?;
        let stat = rustix::fs::fstat(&root).map_err(refused)?;
        let cache = StatCache::load(options.cache.as_deref(), stat.st_dev, stat.st_ino);
        Ok(Context {
            path: path.to_owned(),
            root,
            options,
            listings: RwLock::default(),
            cache: Mutex::new(cache),
        })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.path
    }

    /// What is in a directory; nothing if it is none, or is left out. The directory's own path is taken as it is: no
    /// link on it is followed.
    pub fn list(&self, directory: &[u8]) -> Result<Arc<Listing>, ContextError> {
        if let Some(known) = self.known(directory) {
            return Ok(known);
        }
        let matches = match tree::parent(directory) {
            None => ParentMatches::default(),
            Some(above) => {
                let siblings = self.list(above)?;
                match siblings.get(tree::file_name(directory)) {
                    Some(node) if node.kind == NodeKind::Directory => {
                        self.options.ignore.enter(directory, &siblings.matches).1
                    }
                    _ => return Ok(Arc::new(Listing::default())),
                }
            }
        };
        self.read(directory, matches)
    }

    /// What is at a path; no link is followed.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<Node>, ContextError> {
        match tree::parent(path) {
            None => listing::stat_root(&self.root).map(Some),
            Some(directory) => Ok(self.list(directory)?.get(tree::file_name(path)).copied()),
        }
    }

    /// Whether a path that [`lookup`](Self::lookup) does not find is there, and left out by the ignore file.
    pub fn is_left_out(&self, path: &[u8]) -> bool {
        let there = rustix::fs::statat(&self.root, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok();
        there && !path.is_empty() && matches!(self.lookup(path), Ok(None))
    }

    /// Lists everything below a directory, with all threads, so that what follows finds it in memory.
    pub fn prefetch(&self, directory: &[u8]) -> Result<(), ContextError> {
        walk::prefetch(self, directory)
    }

    /// Opens a file for reading. No link is followed on the way.
    pub fn open_file(&self, path: &[u8]) -> Result<File, ContextError> {
        self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK)
            .map(File::from)
            .map_err(|source| io_error("open", path, source))
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, path: &[u8]) -> Result<Vec<u8>, ContextError> {
        let target = rustix::fs::readlinkat(&self.root, path, Vec::new());
        target.map(|target| target.into_bytes()).map_err(|source| io_error("read", path, source.into()))
    }

    /// Fails if an open file is not the one that was listed, or was written to since.
    pub fn check_unchanged(&self, path: &[u8], node: &Node, file: &File) -> Result<(), ContextError> {
        let now = listing::stat_file(file).map_err(|source| io_error("read", path, source))?;
        if now.stamp == node.stamp { Ok(()) } else { Err(ContextError::Changed { path: shown(path) }) }
    }

    /// Keeps what was learnt about the files for the next build. Best done beside other work; that it fails is of no
    /// consequence but time.
    pub fn save_cache(&self) -> io::Result<()> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).save()
    }

    fn known(&self, directory: &[u8]) -> Option<Arc<Listing>> {
        self.listings.read().unwrap_or_else(PoisonError::into_inner).get(directory).cloned()
    }

    /// Reads a directory that is known to be one, and keeps it.
    fn read(&self, directory: &[u8], matches: ParentMatches) -> Result<Arc<Listing>, ContextError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let opened = self.open_at(directory, flags).map_err(|source| io_error("open", directory, source))?;
        let raw = listing::read(&opened).map_err(|source| io_error("list", directory, source))?;
        let visible = self.visible(directory, raw, matches)?;
        let listing = Arc::new(visible);
        let mut listings = self.listings.write().unwrap_or_else(PoisonError::into_inner);
        Ok(listings.entry(directory.to_vec()).or_insert(listing).clone())
    }

    /// Takes out what the ignore file leaves out. A directory that it leaves out stays if it takes something below
    /// back in.
    fn visible(
        &self,
        directory: &[u8],
        mut listing: Listing,
        matches: ParentMatches,
    ) -> Result<Listing, ContextError> {
        let ignore = &self.options.ignore;
        if !ignore.is_empty() {
            let mut path = directory.to_vec();
            let mut failed = None;
            listing.retain(|name, node| {
                path.truncate(directory.len());
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
                let (ignored, inner) = ignore.enter(&path, &matches);
                let perhaps =
                    ignored && node.kind == NodeKind::Directory && ignore.may_contain_included(&path);
                if !perhaps {
                    return !ignored;
                }
                match self.read(&path, inner) {
                    Ok(below) => !below.is_empty(),
                    Err(error) => {
                        failed.get_or_insert(error);
                        false
                    }
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        listing.matches = matches;
        Ok(listing)
    }

    /// Opens below the root without leaving it and without following links.
    fn open_at(&self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let path: &[u8] = if path.is_empty() { b"." } else { path };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        loop {
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // A rename elsewhere in the tree made the kernel unsure; it asks to be asked again.
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                // A kernel, or a sandbox, without openat2.
                Err(rustix::io::Errno::NOSYS) => {
                    let opened =
                        rustix::fs::openat(&self.root, path, flags | OFlags::NOFOLLOW, Mode::empty());
                    return opened.map_err(io::Error::from);
                }
                opened => return opened.map_err(io::Error::from),
            }
        }
    }
}

/// Unpacks an archive, compressed or not, that is given as a build context into a fresh directory.
pub fn unpack_archive(input: impl io::Read, directory: &Path) -> Result<(), ContextError> {
    let options = oci::layer::UnpackOptions::plain(oci::layer::OverlayForm::User, Default::default());
    oci::layer::unpack(input, directory, &options)?;
    Ok(())
}

fn io_error(action: &'static str, path: &[u8], source: io::Error) -> ContextError {
    ContextError::Io { action, path: shown(path), source }
}

/// A path as messages show it.
fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}
