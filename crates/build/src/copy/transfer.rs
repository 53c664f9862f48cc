//! Writing what was selected into the upper: directories and links at once, files with several threads.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dockerfile::mode::Mode;
use oci::tree;
use rustix::fs::{CWD, FileType, makedev};
use rustix::io::Errno;

use super::attributes::{Attributes, apply_file, apply_special, apply_symlink};
use super::select::Selected;
use super::tree::{Item, ItemKind, Origin, Tree};
use super::upper::{Existing, Upper};
use super::{CopyError, shown};
use crate::context::NodeKind;

/// How copied things look in the end.
pub struct Finish {
    /// `--chown`.
    pub owner: Option<(u32, u32)>,
    /// `--chmod`.
    pub mode: Option<Mode>,
    /// What later times become.
    pub epoch: i64,
    /// How many threads copy.
    pub threads: usize,
}

impl Finish {
    /// The mode of directories that have to be made on the way: an octal `--chmod` holds for them too.
    pub fn directory_mode(&self) -> u32 {
        match self.mode {
            Some(Mode::Octal(mode)) => mode & 0o777,
            _ => 0o755,
        }
    }

    /// What an item will have.
    pub fn attributes(&self, item: &Item) -> Attributes {
        let mut attributes = Attributes::of_item(item, self.epoch);
        (attributes.uid, attributes.gid) = self.owner.unwrap_or((attributes.uid, attributes.gid));
        if let Some(mode) = &self.mode {
            attributes.mode = mode.apply(attributes.mode, item.is_directory());
        }
        attributes
    }
}

/// A file to copy.
struct Job<'s> {
    item: &'s Item,
    to: PathBuf,
    path: Vec<u8>,
}

/// Copies a selection to a destination that is resolved. With `contents`, a directory's content goes into the
/// destination; without, the directory becomes the destination if nothing is there.
pub fn transfer(
    upper: &mut Upper<'_>,
    tree: Tree<'_>,
    selected: &Selected,
    destination: &[u8],
    contents: bool,
    finish: &Finish,
) -> Result<(), CopyError> {
    let there = upper.look(destination)?;
    let is_directory = there == Some(Existing { kind: ItemKind::Directory });
    if !selected.root.is_directory() {
        let destination =
            if is_directory { tree::join(destination, &selected.name) } else { destination.to_vec() };
        let above = tree::parent(&destination).unwrap_or_default().to_vec();
        upper.make_all(&above, finish.directory_mode(), finish.owner)?;
        let mut jobs = Vec::new();
        place(upper, &selected.root, &destination, finish, &mut jobs)?;
        return copy_files(tree, &jobs, finish);
    }
    match there {
        Some(_) if is_directory => upper.copy_up(destination)?,
        Some(_) => return Err(CopyError::DirectoryOverOther { path: shown(destination) }),
        None if contents => upper.make_all(destination, finish.directory_mode(), finish.owner)?,
        None => {
            let above = tree::parent(destination).unwrap_or_default().to_vec();
            upper.make_all(&above, finish.directory_mode(), finish.owner)?;
            upper.make(destination, finish.attributes(&selected.root))?;
        }
    }
    below(upper, tree, selected, destination, finish)
}

fn below(
    upper: &mut Upper<'_>,
    tree: Tree<'_>,
    selected: &Selected,
    destination: &[u8],
    finish: &Finish,
) -> Result<(), CopyError> {
    let mut jobs = Vec::new();
    let mut links = Vec::new();
    for below in &selected.below {
        let to = tree::join(destination, &below.path);
        match (&below.item.kind, below.same_as) {
            (ItemKind::Directory, _) => directory(upper, &below.item, &to, below.implied, finish)?,
            (_, Some(first)) => links.push((tree::join(destination, &selected.below[first].path), to)),
            _ => place(upper, &below.item, &to, finish, &mut jobs)?,
        }
    }
    copy_files(tree, &jobs, finish)?;
    for (first, path) in links {
        upper.make_room(&path)?;
        std::fs::hard_link(upper.on_disk(&first), upper.on_disk(&path))
            .map_err(|error| CopyError::io("link", &path, error))?;
    }
    Ok(())
}

/// A directory inside a copied one. Where it exists it becomes like the source's; one that only leads to something
/// selected gets the source's mode and keeps its owner.
fn directory(
    upper: &mut Upper<'_>,
    item: &Item,
    to: &[u8],
    implied: bool,
    finish: &Finish,
) -> Result<(), CopyError> {
    let attributes = finish.attributes(item);
    match upper.look(to)?.map(|existing| existing.kind) {
        None => upper.make(to, attributes),
        Some(ItemKind::Directory) => {
            upper.copy_up(to)?;
            upper.set(to, |own| match implied {
                true => own.mode = item.mode,
                false => *own = attributes,
            });
            Ok(())
        }
        Some(_) => Err(CopyError::DirectoryOverOther { path: shown(to) }),
    }
}

/// Makes what is no directory, or takes note of a file to copy.
fn place<'s>(
    upper: &mut Upper<'_>,
    item: &'s Item,
    path: &[u8],
    finish: &Finish,
    jobs: &mut Vec<Job<'s>>,
) -> Result<(), CopyError> {
    upper.make_room(path)?;
    let to = upper.on_disk(path);
    let attributes = || finish.attributes(item);
    let made = match &item.kind {
        ItemKind::File => {
            jobs.push(Job { item, to, path: path.to_vec() });
            return Ok(());
        }
        ItemKind::Symlink(target) => rustix::fs::symlinkat(target.as_slice(), CWD, &to)
            .map_err(io::Error::from)
            .and_then(|()| apply_symlink(&to, &attributes())),
        ItemKind::Fifo => node(&to, FileType::Fifo, 0).and_then(|()| apply_special(&to, &attributes())),
        ItemKind::CharDevice(0, 0) => {
            let why = "a character device 0:0 means a deletion in a layer";
            return Err(CopyError::Unsupported { path: shown(path), why });
        }
        ItemKind::CharDevice(major, minor) => node(&to, FileType::CharacterDevice, makedev(*major, *minor))
            .and_then(|()| apply_special(&to, &attributes())),
        ItemKind::BlockDevice(major, minor) => node(&to, FileType::BlockDevice, makedev(*major, *minor))
            .and_then(|()| apply_special(&to, &attributes())),
        ItemKind::Directory => return Ok(()),
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let why = "only root can make device nodes";
            Err(CopyError::Unsupported { path: shown(path), why })
        }
        made => made.map_err(|error| CopyError::io("create", path, error)),
    }
}

fn node(path: &Path, kind: FileType, device: u64) -> io::Result<()> {
    Ok(rustix::fs::mknodat(CWD, path, kind, rustix::fs::Mode::from_raw_mode(0o600), device)?)
}

fn copy_files(tree: Tree<'_>, jobs: &[Job<'_>], finish: &Finish) -> Result<(), CopyError> {
    /// Below this, starting a thread costs more than it saves.
    const JOBS_FOR_A_THREAD: usize = 16;
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = copy_file(tree, job, finish) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                next.store(jobs.len(), Ordering::Relaxed);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..finish.threads.min(jobs.len().div_ceil(JOBS_FOR_A_THREAD)).max(1) {
            scope.spawn(work);
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn copy_file(tree: Tree<'_>, job: &Job<'_>, finish: &Finish) -> Result<(), CopyError> {
    let refused = |error| CopyError::io("write", &job.path, error);
    let mut to = create(&job.to).map_err(refused)?;
    let is_socket = matches!(job.item.origin, Origin::Context(node) if node.kind == NodeKind::Socket);
    if !is_socket {
        let mut from = tree.open(job.item)?;
        copy_content(&mut from, &mut to).map_err(refused)?;
        tree.check_unchanged(job.item, &from)?;
    }
    apply_file(&to, &finish.attributes(job.item))
        .map_err(|error| CopyError::io("set attributes of", &job.path, error))
}

/// Copies what is left of a file. The kernel can do it alone, even without copying where the file system shares blocks;
/// for a small file, asking it costs more than it saves.
fn copy_content(from: &mut File, to: &mut File) -> io::Result<()> {
    const SMALL: usize = 32 << 10;
    let mut buffer = [0; SMALL];
    let mut length = 0;
    while length < SMALL {
        match from.read(&mut buffer[length..]) {
            Ok(0) => return to.write_all(&buffer[..length]),
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    copy_large(from, to)
}

/// Copies a file from its start, without what it has as holes.
fn copy_large(from: &mut File, to: &mut File) -> io::Result<()> {
    use rustix::fs::SeekFrom::{Data, Hole};
    let mut at = 0;
    loop {
        let data = match rustix::fs::seek(&*from, Data(at)) {
            Ok(data) => data,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            // The file system does not know of holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) if at == 0 => {
                from.seek(SeekFrom::Start(0))?;
                return io::copy(from, to).map(drop);
            }
            Err(error) => return Err(error.into()),
        };
        let hole = rustix::fs::seek(&*from, Hole(data))?;
        from.seek(SeekFrom::Start(data))?;
        to.seek(SeekFrom::Start(data))?;
        if io::copy(&mut Read::by_ref(from).take(hole - data), to)? < hole - data {
            // It has become shorter, which is noticed by whoever compares it with what it was.
            break;
        }
        at = hole;
    }
    to.set_len(from.metadata()?.len())
}

/// A new file that nobody else can read yet.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    /// Copies a file of this length that has data at these places.
    #[track_caller]
    fn check(length: u64, data: &[(u64, &[u8])]) {
        let (mut from, mut to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.set_len(length).unwrap();
        for (at, bytes) in data {
            from.write_all_at(bytes, *at).unwrap();
        }
        copy_content(&mut from, &mut to).unwrap();
        let (mut original, mut copy) = (vec![0; length as usize], Vec::new());
        from.read_exact_at(&mut original, 0).unwrap();
        to.seek(SeekFrom::Start(0)).unwrap();
        to.read_to_end(&mut copy).unwrap();
        assert!(original == copy, "{length} bytes, {data:?}");
        let blocks = |file: &File| file.metadata().unwrap().blocks();
        assert!(blocks(&to) <= blocks(&from) + 8, "{} blocks, {} in the copy", blocks(&from), blocks(&to));
    }

    #[test]
    fn holes_stay_holes() {
        check(0, &[]);
        check(100, &[(3, b"x")]);
        check(1 << 20, &[]);
        check(1 << 20, &[(0, b"beginning")]);
        check(1 << 20, &[(500_000, b"middle"), ((1 << 20) - 3, b"end")]);
        check(70_000, &[(0, &[7; 70_000])]);
    }
}
