//! Layers between their forms, and archives that somebody made to do harm.

mod forms;
mod normalising;
mod scanning;
mod unpacking;

use super::tar_write::{Header, pad, write_end, write_header};
use super::*;
use crate::tree::{Entry, Kind, PathIndex};

/// Owners, devices and trusted attributes need root; whoever runs the tests as a user is told.
pub(crate) fn is_root() -> bool {
    let root = may_be_trusted();
    if !root {
        eprintln!("skipped: needs root, and a file system with trusted attributes");
    }
    root
}

/// Root of a user namespace, or of a container without privileges, may not write trusted attributes.
pub(crate) fn may_be_trusted() -> bool {
    let file = tempfile::tempfile().unwrap();
    rustix::process::geteuid().is_root() && xattr::set(&file, b"trusted.kapok", b"1").is_ok()
}

/// An archive in the making.
#[derive(Default)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    pub(crate) fn add(mut self, name: &str, type_flag: u8, link: &str, content: &[u8]) -> Archive {
        let header = Header {
            name: name.as_bytes(),
            type_flag,
            link: link.as_bytes(),
            mode: if type_flag == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_000_000_000,
            size: content.len() as u64,
            device: (1, 3),
            xattrs: &[],
        };
        self.put(&header, content);
        self
    }

    pub(super) fn put(&mut self, header: &Header<'_>, content: &[u8]) {
        write_header(&mut self.0, header).unwrap();
        self.0.extend_from_slice(content);
        pad(&mut self.0, content.len() as u64).unwrap();
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Archive {
        self.add(name, b'0', "", content.as_bytes())
    }

    pub(super) fn dir(self, name: &str) -> Archive {
        self.add(name, b'5', "", b"")
    }

    pub(super) fn symlink(self, name: &str, target: &str) -> Archive {
        self.add(name, b'2', target, b"")
    }

    pub(super) fn hardlink(self, name: &str, target: &str) -> Archive {
        self.add(name, b'1', target, b"")
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        write_end(&mut self.0).unwrap();
        self.0
    }
}

/// A tree as text: one line an entry.
pub(super) fn print(index: &PathIndex) -> String {
    let line = |entry: Entry| {
        let kind = match entry.kind {
            Kind::File { .. } => format!("{} bytes", entry.size),
            Kind::Directory { opaque: false } => "directory".to_owned(),
            Kind::Directory { opaque: true } => "opaque directory".to_owned(),
            Kind::Symlink { target } => format!("-> {}", String::from_utf8_lossy(&target)),
            Kind::Hardlink { to } => format!("= {}", String::from_utf8_lossy(&to)),
            Kind::CharDevice { major, minor } => format!("c {major}:{minor}"),
            Kind::BlockDevice { major, minor } => format!("b {major}:{minor}"),
            Kind::Fifo => "fifo".to_owned(),
            Kind::Whiteout => "whiteout".to_owned(),
        };
        format!("{:04o} /{} {kind}\n", entry.mode, String::from_utf8_lossy(&entry.path))
    };
    index.iter().map(line).collect()
}

pub(super) fn plain(name: &'static str, type_flag: u8) -> Header<'static> {
    Header {
        name: name.as_bytes(),
        type_flag,
        link: b"",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size: 0,
        device: (0, 0),
        xattrs: &[],
    }
}
