//! From a layer's directory to its path index.
//!
//! One thread walks and asks for every entry's attributes once; then several read and digest the files.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat, major, minor, readlinkat, statat};

use crate::digest::Hasher;
use crate::layer::cursor::{DirCursor, failed};
use crate::layer::overlay::keeps_xattr;
use crate::layer::{OverlayForm, TreeError, keys, xattr};
use crate::tree::path::{join, shown};
use crate::tree::{Entry, Kind, PathIndex};

/// What a thread takes at a time, so that neighbours in a directory stay with one thread.
const PORTION: usize = 32;

/// What a directory holds.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// Its path index.
    pub index: PathIndex,
    /// Private keys and keystores among its files, by path.
    pub keys: Vec<PrivateKey>,
}

/// A file that holds a private key or is a keystore: it is named, never touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrivateKey {
    /// Its path.
    pub path: Vec<u8>,
    /// What it is, in words: `ssh host key`.
    pub what: &'static str,
}

/// The path index of an overlay directory: the upper of a step, or an unpacked layer. Files are read by `threads` threads.
pub fn index_directory(directory: &Path, form: OverlayForm, threads: usize) -> Result<PathIndex, TreeError> {
    scan_directory(directory, form, threads).map(|scanned| scanned.index)
}

/// The path index and the private keys of an overlay directory. Sockets are left out, as every tar does.
pub fn scan_directory(directory: &Path, form: OverlayForm, threads: usize) -> Result<Scanned, TreeError> {
    scan_directory_unless(directory, form, threads, &AtomicBool::new(false))
}

/// [`scan_directory`] that ends early, with [`TreeError::Stopped`], soon after `stop` was set.
pub fn scan_directory_unless(
    directory: &Path,
    form: OverlayForm,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Scanned, TreeError> {
    let mut found = walk(directory, form)?;
    let mut keys = Vec::new();
    for (number, read) in read_files(directory, form, threads, stop, &found.entries, &found.files)? {
        let entry = &mut found.entries[number];
        if read.whiteout {
            *entry = Entry::whiteout(&entry.path);
            continue;
        }
        if let Some(what) = read.key {
            keys.push(PrivateKey { path: entry.path.clone(), what });
        }
        entry.kind = Kind::File { digest: read.digest };
        entry.xattrs = read.xattrs;
    }
    keys.sort();
    Ok(Scanned { index: PathIndex::build(found.entries)?, keys })
}

/// Entries in order; those of regular files still lack their digest and attributes.
struct Found {
    entries: Vec<Entry>,
    /// Numbers of the entries that are to be read.
    files: Vec<usize>,
}

fn walk(directory: &Path, form: OverlayForm) -> Result<Found, TreeError> {
    let mut cursor = DirCursor::new(directory).map_err(failed("open", b""))?;
    let mut found = Found { entries: Vec::new(), files: Vec::new() };
    let mut links: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    let root = stat_of(&mut cursor, b"")?;
    let mut todo: Vec<(Vec<u8>, Stat)> = vec![(Vec::new(), root)];
    while let Some((path, stat)) = todo.pop() {
        let Some(kind) = kind_of(&mut cursor, &path, &stat)? else { continue };
        let mut entry = Entry {
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: stat.st_mtime,
            ..Entry::implied_directory(&path)
        };
        match &mut entry.kind {
            Kind::Directory { opaque } => {
                let handle =
                    cursor.open(&path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed("open", &path))?;
                (*opaque, entry.xattrs) =
                    directory_xattrs(&handle, form).map_err(failed("read attributes of", &path))?;
                todo.extend(children(handle, &path)?);
            }
            Kind::File { .. } => {
                entry.size = stat.st_size as u64;
                match links.get(&(stat.st_dev, stat.st_ino)) {
                    Some(first) => entry.kind = Kind::Hardlink { to: first.clone() },
                    None => {
                        if stat.st_nlink > 1 {
                            links.insert((stat.st_dev, stat.st_ino), path);
                        }
                        found.files.push(found.entries.len());
                    }
                }
            }
            _ => {}
        }
        found.entries.push(entry);
    }
    Ok(found)
}

/// What an entry is; `None` for a socket, which no layer holds.
fn kind_of(cursor: &mut DirCursor, path: &[u8], stat: &Stat) -> Result<Option<Kind>, TreeError> {
    let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
    Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory { opaque: false },
        // The digest comes when the file is read.
        FileType::RegularFile => Kind::File { digest: crate::Digest::Sha256([0; 32]) },
        FileType::Symlink => {
            let (parent, name) = cursor.locate(path).map_err(failed("open", path))?;
            let target = readlinkat(parent, &name, Vec::new()).map_err(failed("read", path))?;
            Kind::Symlink { target: target.into_bytes() }
        }
        FileType::CharacterDevice if (major, minor) == (0, 0) => Kind::Whiteout,
        FileType::CharacterDevice => Kind::CharDevice { major, minor },
        FileType::BlockDevice => Kind::BlockDevice { major, minor },
        FileType::Fifo => Kind::Fifo,
        _ => return Ok(None),
    }))
}

pub(super) fn stat_of(cursor: &mut DirCursor, path: &[u8]) -> Result<Stat, TreeError> {
    let (parent, name) = cursor.locate(path).map_err(failed("open", path))?;
    statat(parent, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("look at", path))
}

/// What is in a directory, the last name first: a stack that is filled with them gives the first one first.
fn children(handle: OwnedFd, path: &[u8]) -> Result<Vec<(Vec<u8>, Stat)>, TreeError> {
    let mut found = Vec::new();
    for name in names_in(&handle).map_err(failed("list", path))? {
        let child = join(path, &name);
        if name.starts_with(b".wh.") {
            let why = "names that begin with `.wh.` mean deletion there";
            return Err(TreeError::Unrepresentable { path: shown(&child), why });
        }
        check_length(&child)?;
        let stat =
            statat(&handle, &name[..], AtFlags::SYMLINK_NOFOLLOW).map_err(failed("look at", &child))?;
        found.push((child, stat));
    }
    Ok(found)
}

/// No program that takes paths can reach what has a longer one (Linux, PATH_MAX), so nobody could unpack the layer.
pub(super) fn check_length(path: &[u8]) -> Result<(), TreeError> {
    const LIMIT: usize = 4095;
    match path.len() > LIMIT {
        true => {
            Err(TreeError::Unrepresentable { path: shown(path), why: "its path has more than 4,095 bytes" })
        }
        false => Ok(()),
    }
}

/// The names in a directory, the last one first.
pub(super) fn names_in(handle: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut buffer = [mem::MaybeUninit::uninit(); 32 * 1024];
    let mut entries = rustix::fs::RawDir::new(handle, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

/// Extended attributes that a layer keeps, as names and values.
type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Whether a directory is opaque, and its attributes that a layer keeps.
fn directory_xattrs(handle: &OwnedFd, form: OverlayForm) -> io::Result<(bool, Xattrs)> {
    let names = xattr::names(handle)?;
    let opaque = names.iter().any(|name| name == form.opaque().as_bytes())
        && xattr::get(handle, form.opaque().as_bytes())?.as_deref() == Some(b"y");
    Ok((opaque, kept(handle, &names)?))
}

fn kept(handle: &OwnedFd, names: &[Vec<u8>]) -> io::Result<Xattrs> {
    let mut xattrs = Vec::new();
    for name in names.iter().filter(|name| keeps_xattr(name)) {
        if let Some(value) = xattr::get(handle, name)? {
            xattrs.push((name.clone(), value));
        }
    }
    Ok(xattrs)
}

/// What reading a file told.
struct ReadFile {
    digest: crate::Digest,
    xattrs: Xattrs,
    key: Option<&'static str>,
    whiteout: bool,
}

fn read_files(
    directory: &Path,
    form: OverlayForm,
    threads: usize,
    stop: &AtomicBool,
    entries: &[Entry],
    files: &[usize],
) -> Result<Vec<(usize, ReadFile)>, TreeError> {
    let next = AtomicUsize::new(0);
    let failed_already = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(files.len()));
    let work = || -> Result<(), TreeError> {
        let mut cursor = DirCursor::new(directory).map_err(failed("open", b""))?;
        let mut buffer = vec![0u8; 128 * 1024];
        let mut mine = Vec::new();
        while !failed_already.load(Ordering::Relaxed) {
            let from = next.fetch_add(PORTION, Ordering::Relaxed);
            let Some(portion) = files.get(from..files.len().min(from + PORTION)).filter(|p| !p.is_empty())
            else {
                break;
            };
            for &number in portion {
                match read_file(&mut cursor, &entries[number], form, stop, &mut buffer) {
                    Ok(read) => mine.push((number, read)),
                    Err(error) => {
                        failed_already.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
        results.lock().unwrap_or_else(|e| e.into_inner()).append(&mut mine);
        Ok(())
    };
    let threads = threads.clamp(1, files.len().div_ceil(PORTION).max(1));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut outcome = work();
        for other in others {
            outcome = outcome.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        outcome
    })?;
    Ok(results.into_inner().unwrap_or_else(|e| e.into_inner()))
}

fn read_file(
    cursor: &mut DirCursor,
    entry: &Entry,
    form: OverlayForm,
    stop: &AtomicBool,
    buffer: &mut [u8],
) -> Result<ReadFile, TreeError> {
    let path = &entry.path;
    let handle = cursor.open(path, OFlags::RDONLY).map_err(failed("open", path))?;
    let stat = fstat(&handle).map_err(failed("look at", path))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(TreeError::Changed { path: shown(path) });
    }
    let names = xattr::names(&handle).map_err(failed("read attributes of", path))?;
    let whiteout = entry.size == 0 && names.iter().any(|name| name == form.whiteout().as_bytes());
    let xattrs = kept(&handle, &names).map_err(failed("read attributes of", path))?;
    let mut hasher = Hasher::default();
    let (mut size, mut key) = (0u64, None);
    loop {
        let count = match rustix::io::read(&handle, &mut *buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(failed("read", path)(error)),
        };
        if size == 0 {
            key = keys::classify(path, &buffer[..count]);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(TreeError::Stopped);
        }
        size += count as u64;
        hasher.update(&buffer[..count]);
    }
    if size != entry.size {
        return Err(TreeError::Changed { path: shown(path) });
    }
    Ok(ReadFile { digest: hasher.finish(), xattrs, key, whiteout })
}
