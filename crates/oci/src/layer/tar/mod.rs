//! Reading tar archives, entry by entry, as they stream by: ustar, pax, GNU, star and the old form, sparse files included.
//! (POSIX.1-2017 pax, "ustar Interchange Format", "pax Extended Header"; GNU tar manual, "Basic Tar Format", "Sparse Formats")
//!
//! The archive may be anybody's: every size is bounded, nothing is allocated because a header says so, and no name is
//! fit to be a path before somebody checked it.

mod header;
mod pax;
mod reader;
mod sparse;

#[cfg(test)]
mod tests;

pub use reader::{TarReader, fuzz_tar};

/// One entry of an archive, as the archive says it: nothing is checked, nothing is safe to use as a path yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// The name, `./` and trailing `/` included.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: TarKind,
    /// Where a link points.
    pub link: Vec<u8>,
    /// `0o7777`.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name, often empty.
    pub user: Vec<u8>,
    /// Group's name, often empty.
    pub group: Vec<u8>,
    /// Seconds since 1970, rounded down, and within what file systems can say (1901 to 2446).
    pub mtime: i64,
    /// Bytes of content, after holes are filled.
    pub size: u64,
    /// Whether there are holes.
    pub sparse: bool,
    /// Device numbers.
    pub device: (u32, u32),
    /// Extended attributes, by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarKind {
    /// A regular file.
    File,
    /// Another name of an earlier file.
    Hardlink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A type that is not known.
    Other(u8),
}

/// A tar's block.
const BLOCK: usize = 512;

/// Longer names, pax headers and sparse maps than this are refused, as Go's reader does.
const SPECIAL_LIMIT: u64 = 1 << 20;

/// Times outside are moved to the nearest one that ext4 can say; otherwise an entry would differ from its file.
fn clamp_time(seconds: i64) -> i64 {
    const FIRST: i64 = -(1 << 31);
    const LAST: i64 = 0x3_7fff_ffff;
    seconds.clamp(FIRST, LAST)
}
