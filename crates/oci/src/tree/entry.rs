//! One path of a layer and what is there.

use crate::Digest;

/// One path of a layer. Times are whole seconds: that is what a layer's tar says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root, bytes, without leading or trailing `/`; empty is the root itself.
    pub path: Vec<u8>,
    /// What is there.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits: `0o7777`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Last modification, seconds since 1970. Always 0 for the root and for whiteouts, which carry no time of their own.
    pub mtime: i64,
    /// Bytes of a file; 0 for everything else.
    pub size: u64,
    /// Extended attributes, sorted by name. Only `security.capability` and `user.*` are ever in a layer.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// The digest of its content.
        digest: Digest,
    },
    /// A directory.
    Directory {
        /// Whether it hides what lower layers have in it.
        opaque: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as written.
        target: Vec<u8>,
    },
    /// Another name of a file of the same layer. Of several names the first in order is the file.
    Hardlink {
        /// The file's path.
        to: Vec<u8>,
    },
    /// A character device.
    CharDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// Nothing: hides what lower layers have at this path.
    Whiteout,
}

impl Entry {
    /// A directory owned by root with mode 755, as made for a path whose parents nobody described.
    pub fn implied_directory(path: &[u8]) -> Entry {
        Entry {
            path: path.to_vec(),
            kind: Kind::Directory { opaque: false },
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: 0,
            xattrs: Vec::new(),
        }
    }

    /// A whiteout at this path.
    pub fn whiteout(path: &[u8]) -> Entry {
        Entry { kind: Kind::Whiteout, mode: 0, ..Entry::implied_directory(path) }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }
}
