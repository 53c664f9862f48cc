//! Reading tar archives, entry by entry: ustar, pax, GNU and the old form.
//! (POSIX.1-2017 pax, "ustar Interchange Format", "pax Header Block"; GNU tar manual, "Basic Tar Format")

use std::io::Read;

use crate::layer::{UnpackError, UnpackLimits};

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
    /// Seconds since 1970, rounded down.
    pub mtime: i64,
    /// Bytes of content, after holes are filled.
    pub size: u64,
    /// Device numbers.
    pub device: (u32, u32),
    /// Extended attributes.
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

/// Reads an archive as it streams by. After [`next_entry`](TarReader::next_entry) the reader itself is the entry's content.
pub struct TarReader<R> {
    input: R,
}

impl<R: Read> TarReader<R> {
    /// A reader of an uncompressed archive.
    pub fn new(input: R, _limits: &UnpackLimits) -> TarReader<R> {
        TarReader { input }
    }

    /// The next entry; what is left of the last one's content is skipped. `None` at the end of the archive.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, UnpackError> {
        todo!()
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.input.read(buffer)
    }
}

/// Reads arbitrary bytes as an archive.
pub fn fuzz_tar(data: &[u8]) {
    let mut reader = TarReader::new(data, &UnpackLimits::default());
    while let Ok(Some(_)) = reader.next_entry() {}
}
