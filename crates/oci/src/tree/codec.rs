//! How one entry is written in a path index: numbers as LEB128, byte strings with their length in front.

use crate::Digest;
use crate::digest::Algorithm;
use crate::tree::{Entry, Kind};

const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;
const HARDLINK: u8 = 3;
const CHAR_DEVICE: u8 = 4;
const BLOCK_DEVICE: u8 = 5;
const FIFO: u8 = 6;
const WHITEOUT: u8 = 7;
const OPAQUE_DIRECTORY: u8 = 8;
const FILE_SHA512: u8 = 9;

/// A place in bytes that nobody has vouched for: every read may find nothing.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn number32(&mut self) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    put_number(out, string.len() as u64);
    out.extend_from_slice(string);
}

/// Small magnitudes of both signs become small numbers.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

pub(super) fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    put_string(out, &entry.path);
    match &entry.kind {
        Kind::Directory { opaque: false } => out.push(DIRECTORY),
        Kind::Directory { opaque: true } => out.push(OPAQUE_DIRECTORY),
        Kind::File { digest } => {
            out.push(if digest.algorithm() == Algorithm::Sha256 { FILE } else { FILE_SHA512 });
            out.extend_from_slice(digest.as_bytes());
            put_number(out, entry.size);
        }
        Kind::Symlink { target } => {
            out.push(SYMLINK);
            put_string(out, target);
        }
        Kind::Hardlink { to } => {
            out.push(HARDLINK);
            put_string(out, to);
        }
        Kind::CharDevice { major, minor } => {
            out.push(CHAR_DEVICE);
            put_number(out, u64::from(*major));
            put_number(out, u64::from(*minor));
        }
        Kind::BlockDevice { major, minor } => {
            out.push(BLOCK_DEVICE);
            put_number(out, u64::from(*major));
            put_number(out, u64::from(*minor));
        }
        Kind::Fifo => out.push(FIFO),
        Kind::Whiteout => out.push(WHITEOUT),
    }
    put_number(out, u64::from(entry.mode));
    put_number(out, u64::from(entry.uid));
    put_number(out, u64::from(entry.gid));
    put_number(out, zigzag(entry.mtime));
    put_number(out, entry.xattrs.len() as u64);
    for (name, value) in &entry.xattrs {
        put_string(out, name);
        put_string(out, value);
    }
}

pub(super) fn read_path<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    cursor.string()
}

pub(super) fn read_entry(cursor: &mut Cursor<'_>) -> Option<Entry> {
    let path = cursor.string()?.to_vec();
    let mut size = 0;
    let kind = match cursor.byte()? {
        DIRECTORY => Kind::Directory { opaque: false },
        OPAQUE_DIRECTORY => Kind::Directory { opaque: true },
        tag @ (FILE | FILE_SHA512) => {
            let digest = Digest::from_bytes(cursor.take(if tag == FILE { 32 } else { 64 })?)?;
            size = cursor.number()?;
            Kind::File { digest }
        }
        SYMLINK => Kind::Symlink { target: cursor.string()?.to_vec() },
        HARDLINK => Kind::Hardlink { to: cursor.string()?.to_vec() },
        CHAR_DEVICE => Kind::CharDevice { major: cursor.number32()?, minor: cursor.number32()? },
        BLOCK_DEVICE => Kind::BlockDevice { major: cursor.number32()?, minor: cursor.number32()? },
        FIFO => Kind::Fifo,
        WHITEOUT => Kind::Whiteout,
        _ => return None,
    };
    let (mode, uid, gid) = (cursor.number32()?, cursor.number32()?, cursor.number32()?);
    let mtime = unzigzag(cursor.number()?);
    let mut xattrs = Vec::new();
    for _ in 0..cursor.number()? {
        xattrs.push((cursor.string()?.to_vec(), cursor.string()?.to_vec()));
    }
    Some(Entry { path, kind, mode, uid, gid, mtime, size, xattrs })
}
