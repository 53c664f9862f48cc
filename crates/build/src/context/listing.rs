//! One directory of a context: names and what `stat` says about them, in one piece of memory.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use dockerfile::ignore::ParentMatches;
use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxFlags, major, makedev, minor, statx};

use super::{ContextError, io_error};

/// Bytes for one `getdents64`: some hundred names.
const BUFFER: usize = 32 << 10;

/// What something in a context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What `stat` says about something in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits, 07777.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// By which it is known again.
    pub stamp: Stamp,
}

/// The parts of `stat` that change when a file is written or replaced. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The file system.
    pub device: u64,
    /// The file.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its content changed.
    pub modified: i64,
    /// When it changed at all.
    pub changed: i64,
}

impl Node {
    /// When its content changed, in seconds since 1970.
    pub fn mtime(&self) -> i64 {
        self.stamp.modified.div_euclid(1_000_000_000)
    }
}

/// What is in a directory, sorted by name.
#[derive(Debug, Default)]
pub struct Listing {
    names: Vec<u8>,
    children: Vec<(Range<u32>, Node)>,
    /// What the ignore file said about the directory, for those below.
    pub(super) matches: ParentMatches,
}

impl Listing {
    /// Names and nodes, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Node)> + '_ {
        self.children.iter().map(|(range, node)| (self.name(range), node))
    }

    /// The node of a name.
    pub fn get(&self, name: &[u8]) -> Option<&Node> {
        let at = self.children.binary_search_by(|(range, _)| self.name(range).cmp(name));
        at.ok().map(|at| &self.children[at].1)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Keeps those that `keep` says.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], &Node) -> bool) {
        let names = std::mem::take(&mut self.names);
        self.children.retain(|(range, node)| keep(&names[range.start as usize..range.end as usize], node));
        self.names = names;
    }

    fn name(&self, range: &Range<u32>) -> &[u8] {
        &self.names[range.start as usize..range.end as usize]
    }
}

/// Reads an open directory.
pub(super) fn read(directory: &OwnedFd) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = match statx(directory, name, flags(), StatxFlags::BASIC_STATS) {
            Ok(stat) => stat,
            // It was removed meanwhile: then it is not there.
            Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let start = offset(listing.names.len())?;
        listing.names.extend_from_slice(name.to_bytes());
        let end = offset(listing.names.len())?;
        listing.children.push((start..end, node(&stat)));
    }
    let Listing { names, children, .. } = &mut listing;
    let name = |range: &Range<u32>| &names[range.start as usize..range.end as usize];
    children.sort_unstable_by(|a, b| name(&a.0).cmp(name(&b.0)));
    Ok(listing)
}

fn offset(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| io::Error::other("the directory has too many names"))
}

/// What the root of a context is.
pub(super) fn stat_root(root: &OwnedFd) -> Result<Node, ContextError> {
    stat(root).map_err(|source| io_error("read", b"", source))
}

/// What an open file is.
pub(super) fn stat_file(file: &File) -> io::Result<Node> {
    stat(file)
}

fn stat(file: impl AsFd) -> io::Result<Node> {
    let stat = statx(file, c"", flags() | AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    Ok(node(&stat))
}

fn flags() -> AtFlags {
    AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT
}

fn node(stat: &Statx) -> Node {
    let mode = u32::from(stat.stx_mode);
    let rdev = makedev(stat.stx_rdev_major, stat.stx_rdev_minor);
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => NodeKind::Directory,
        FileType::Symlink => NodeKind::Symlink,
        FileType::CharacterDevice => NodeKind::CharDevice(major(rdev), minor(rdev)),
        FileType::BlockDevice => NodeKind::BlockDevice(major(rdev), minor(rdev)),
        FileType::Fifo => NodeKind::Fifo,
        FileType::Socket => NodeKind::Socket,
        FileType::RegularFile | FileType::Unknown => NodeKind::File,
    };
    let nanos =
        |seconds: i64, nanos: u32| seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos));
    Node {
        kind,
        mode: mode & 0o7777,
        links: stat.stx_nlink,
        stamp: Stamp {
            device: makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            size: stat.stx_size,
            modified: nanos(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: nanos(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        },
    }
}
