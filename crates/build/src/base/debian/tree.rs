//! The tree that packages are unpacked into, several at once.
//!
//! Packages come from a signed archive, yet nothing they contain is followed out of the tree: every path is resolved by
//! the kernel with the tree as root (openat2(2), `RESOLVE_IN_ROOT`). A directory in a package may be a symbolic link in
//! the tree, and stays one: with a merged /usr, `/lib/x` goes to `/usr/lib/x`. Which package brought what is kept, so
//! that the result depends on the packages and not on which thread came first.

use md5::{Digest as _, Md5};
use oci::layer::UnpackError;
use oci::layer::tar::{TarEntry, TarKind, TarReader};
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// A tree that is being filled.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    /// By the inode of the directory and the name in it: the package that brought what is there.
    owners: Mutex<HashMap<(u64, Vec<u8>), usize>>,
}

/// What a package brought.
#[derive(Debug, Default)]
pub struct Brought {
    /// All its paths in the package's order, from `/.` on, as dpkg lists them.
    pub paths: Vec<Vec<u8>>,
    /// MD5 of the files that were asked for, in hexadecimal.
    pub md5: BTreeMap<Vec<u8>, String>,
    /// Its directories, whose owner, mode and time are set when everything is in.
    directories: Vec<Directory>,
    /// The latest time of any of its entries.
    pub newest: i64,
    /// Paths that this package took from another, by that package's number.
    pub taken: Vec<(usize, Vec<u8>)>,
}

#[derive(Debug)]
struct Directory {
    path: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
}

/// Why a package could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The archive is broken.
    #[error("cannot read the package's files")]
    Archive(#[from] UnpackError),
    /// The disk or the kernel refuses.
    #[error("cannot write `/{path}`")]
    Write {
        /// Where in the tree.
        path: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// A path that leads out of the tree, or none.
    #[error("`{0}` is not a path inside a package")]
    Path(String),
    /// Packages bring no devices, pipes or sockets.
    #[error("`/{0}` is neither file, directory nor link")]
    Kind(String),
    /// Two packages bring the same file, and neither says that it replaces the other.
    #[error("`/{path}` is also in another package")]
    Clash {
        /// Where in the tree.
        path: String,
        /// The other package's number, if it is known.
        other: Option<usize>,
    },
}

/// Which MD5 sums the database needs of a package.
pub enum Sums<'a> {
    /// Of these paths only: its configuration files.
    Of(&'a dyn Fn(&[u8]) -> bool),
    /// Of all files: the package does not bring a list.
    All,
}

/// Directory that entries go into: the last one stays open, since entries of a directory follow one another.
struct Parent {
    path: Vec<u8>,
    fd: OwnedFd,
    inode: u64,
}

/// Where an entry goes.
struct Place<'a> {
    parent: &'a Parent,
    name: &'a OsStr,
    path: &'a [u8],
}

/// Who unpacks: a package's number, and whether one package replaces files of another.
pub struct Unpacking<'a> {
    /// This package.
    pub number: usize,
    /// `(a, b)`: files of `b` may be replaced by those of `a`.
    pub replaces: &'a dyn Fn(usize, usize) -> bool,
}

impl Tree {
    /// Opens an existing, empty directory.
    pub fn open(directory: &Path) -> Result<Self, TreeError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::openat(CWD, directory, flags, Mode::empty()).map_err(|errno| failed(b"", errno))?;
        Ok(Self { root, owners: Mutex::default() })
    }

    /// Makes a symbolic link that belongs to no package, and the directory where it leads.
    pub fn link_directory(&self, name: &str, target: &str) -> Result<(), TreeError> {
        fs::symlinkat(target, &self.root, name).map_err(|errno| failed(name.as_bytes(), errno))?;
        self.directory(target.as_bytes()).map(drop)
    }

    /// Unpacks a package's files.
    pub fn unpack<R: Read>(
        &self,
        tar: &mut TarReader<R>,
        who: &Unpacking<'_>,
        sums: &Sums<'_>,
    ) -> Result<Brought, TreeError> {
        let mut brought = Brought::default();
        let mut parent = None;
        let mut buffer = vec![0; 256 << 10];
        while let Some(entry) = tar.next_entry()? {
            let path = clean(&entry.name)?;
            brought.newest = brought.newest.max(entry.mtime);
            if entry.kind == TarKind::Directory {
                self.enter(&entry, &path, &mut brought)?;
                continue;
            }
            let Some(name) = path.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty()) else {
                return Err(TreeError::Kind(show(&path)));
            };
            let parent = self.parent(&mut parent, &path[..path.len() - name.len()])?;
            let place = Place { parent, name: OsStr::from_bytes(name), path: &path };
            let placed = match entry.kind {
                TarKind::File => {
                    let wanted = match sums {
                        Sums::All => true,
                        Sums::Of(wanted) => wanted(&path),
                    };
                    let file = self.put(&place, who, &mut brought, || create_file(&place))?;
                    if let Some(file) = &file {
                        let md5 = fill_file(tar, &entry, file, &mut buffer, wanted)
                            .map_err(|source| TreeError::Write { path: show(&path), source })?;
                        brought.md5.extend(md5.map(|md5| (path.clone(), md5)));
                    }
                    file.is_some()
                }
                TarKind::Symlink => {
                    self.put(&place, who, &mut brought, || make_link(&entry, &place))?.is_some()
                }
                TarKind::Hardlink => {
                    self.put(&place, who, &mut brought, || self.make_hard_link(&entry, &place))?.is_some()
                }
                _ => return Err(TreeError::Kind(show(&path))),
            };
            if placed {
                brought.paths.push(listed(&path));
            }
        }
        Ok(brought)
    }

    /// Gives every directory its owner, mode and time: those of the first package that brought it.
    pub fn finish(&self, packages: &[&Brought]) -> Result<(), TreeError> {
        let mut done = HashSet::new();
        for directory in packages.iter().flat_map(|brought| &brought.directories) {
            let fd = self.resolve(&directory.path).map_err(|errno| failed(&directory.path, errno))?;
            let stat = fs::fstat(&fd).map_err(|errno| failed(&directory.path, errno))?;
            if done.insert(stat.st_ino) {
                set_metadata(&fd, directory).map_err(|errno| failed(&directory.path, errno))?;
            }
        }
        Ok(())
    }

    fn enter(&self, entry: &TarEntry, path: &[u8], brought: &mut Brought) -> Result<(), TreeError> {
        self.directory(path)?;
        brought.paths.push(listed(path));
        brought.directories.push(Directory {
            path: path.to_vec(),
            mode: entry.mode,
            owner: (entry.uid, entry.gid),
            mtime: entry.mtime,
        });
        Ok(())
    }

    fn parent<'p>(&self, last: &'p mut Option<Parent>, path: &[u8]) -> Result<&'p Parent, TreeError> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        if last.as_ref().is_none_or(|last| last.path != path) {
            let fd = self.directory(path)?;
            let inode = fs::fstat(&fd).map_err(|errno| failed(path, errno))?.st_ino;
            *last = Some(Parent { path: path.to_vec(), fd, inode });
        }
        last.as_ref().ok_or_else(|| TreeError::Path(show(path)))
    }

    /// Opens a directory, making what is missing of it.
    fn directory(&self, path: &[u8]) -> Result<OwnedFd, TreeError> {
        match self.resolve(path) {
            Err(Errno::NOENT) => {}
            done => return done.map_err(|errno| failed(path, errno)),
        }
        let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (above, name) = (&path[..cut], path[cut..].strip_prefix(b"/").unwrap_or(&path[cut..]));
        let above = self.directory(above)?;
        match fs::mkdirat(&above, OsStr::from_bytes(name), Mode::from_raw_mode(0o755)) {
            // Another package had the same idea.
            Ok(()) | Err(Errno::EXIST) => self.resolve(path).map_err(|errno| failed(path, errno)),
            Err(errno) => Err(failed(path, errno)),
        }
    }

    fn resolve(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(path) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fs::openat2(
            &self.root,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// Makes something in the name of this package. Nothing is made when what another package brought stays. All
    /// making is under one lock, so that of two packages with the same path each sees what the other did.
    fn put<T>(
        &self,
        place: &Place<'_>,
        who: &Unpacking<'_>,
        brought: &mut Brought,
        make: impl FnOnce() -> Result<T, TreeError>,
    ) -> Result<Option<T>, TreeError> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (place.parent.inode, place.name.as_bytes().to_vec());
        match owners.get(&key).copied() {
            None => {}
            Some(other) if (who.replaces)(who.number, other) => {
                brought.taken.push((other, listed(place.path)));
                fs::unlinkat(&place.parent.fd, place.name, AtFlags::empty())
                    .map_err(|errno| failed(place.path, errno))?;
            }
            Some(other) if (who.replaces)(other, who.number) => return Ok(None),
            Some(other) => return Err(TreeError::Clash { path: show(place.path), other: Some(other) }),
        }
        let made = make()?;
        owners.insert(key, who.number);
        Ok(Some(made))
    }

    fn make_hard_link(&self, entry: &TarEntry, place: &Place<'_>) -> Result<(), TreeError> {
        let target = clean(&entry.link)?;
        let cut = target.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let above = self.directory(target[..cut].strip_suffix(b"/").unwrap_or(b""))?;
        let from = OsStr::from_bytes(&target[cut..]);
        fs::linkat(&above, from, &place.parent.fd, place.name, AtFlags::empty())
            .map_err(|errno| failed(place.path, errno))
    }
}

fn create_file(place: &Place<'_>) -> Result<File, TreeError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::openat(&place.parent.fd, place.name, flags, Mode::from_raw_mode(0o600));
    fd.map(File::from).map_err(|errno| failed(place.path, errno))
}

/// Writes a file's content and gives it its owner, mode and time. Its MD5, if wanted.
fn fill_file<R: Read>(
    tar: &mut TarReader<R>,
    entry: &TarEntry,
    mut file: &File,
    buffer: &mut [u8],
    wanted: bool,
) -> io::Result<Option<String>> {
    let mut md5 = wanted.then(Md5::new);
    loop {
        let read = match tar.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all(&buffer[..read])?;
        if let Some(md5) = &mut md5 {
            md5.update(&buffer[..read]);
        }
    }
    if (entry.uid, entry.gid) != (0, 0) {
        fs::fchown(file, Some(fs::Uid::from_raw(entry.uid)), Some(fs::Gid::from_raw(entry.gid)))?;
    }
    fs::fchmod(file, Mode::from_raw_mode(entry.mode & 0o7777))?;
    fs::futimens(file, &times(entry.mtime))?;
    Ok(md5.map(|md5| md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn make_link(entry: &TarEntry, place: &Place<'_>) -> Result<(), TreeError> {
    let target = OsStr::from_bytes(&entry.link);
    let at = &place.parent.fd;
    match fs::symlinkat(target, at, place.name) {
        Ok(()) => {}
        // One of the links of the merged /usr, which newer packages bring themselves.
        Err(Errno::EXIST) if leads_to(place, target) => return Ok(()),
        Err(Errno::EXIST) => return Err(TreeError::Clash { path: show(place.path), other: None }),
        Err(errno) => return Err(failed(place.path, errno)),
    }
    let (uid, gid) = (fs::Uid::from_raw(entry.uid), fs::Gid::from_raw(entry.gid));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    fs::chownat(at, place.name, Some(uid), Some(gid), flags)
        .and_then(|()| fs::utimensat(at, place.name, &times(entry.mtime), flags))
        .map_err(|errno| failed(place.path, errno))
}

fn leads_to(place: &Place<'_>, target: &OsStr) -> bool {
    let there = fs::readlinkat(&place.parent.fd, place.name, Vec::new());
    there.is_ok_and(|there| there.as_bytes() == target.as_bytes())
}

/// For an open directory.
fn set_metadata(at: impl AsFd, directory: &Directory) -> Result<(), Errno> {
    let (uid, gid) = (fs::Uid::from_raw(directory.owner.0), fs::Gid::from_raw(directory.owner.1));
    fs::chownat(&at, ".", Some(uid), Some(gid), AtFlags::empty())?;
    fs::chmodat(&at, ".", Mode::from_raw_mode(directory.mode & 0o7777), AtFlags::empty())?;
    fs::utimensat(&at, ".", &times(directory.mtime), AtFlags::empty())
}

fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// `./usr/bin/` to `usr/bin`; the root to nothing.
fn clean(name: &[u8]) -> Result<Vec<u8>, TreeError> {
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(TreeError::Path(show(name))),
            part if part.contains(&0) || part.len() > 255 => return Err(TreeError::Path(show(name))),
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    Ok(path)
}

/// A path as dpkg lists it.
fn listed(path: &[u8]) -> Vec<u8> {
    if path.is_empty() { b"/.".to_vec() } else { [b"/", path].concat() }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().take(300).collect()
}

fn failed(path: &[u8], errno: Errno) -> TreeError {
    TreeError::Write { path: show(path), source: errno.into() }
}
