//! The path index of a layer: its entries, sorted, in a form that is read without being parsed.
//!
//! ```text
//!   "kapokpi1"  count: u32  crc32 of what follows: u32  bytes of all files: u64
//!   count x { offset of the record: u32, number of the first entry after the subtree: u32 }
//!   records, in the order of the paths
//! ```
//! All numbers are little-endian. A directory comes right before what is in it, so a subtree is a range; `get` is a
//! binary search over the table. The same entries make the same bytes: their digest is the layer's identity.

use std::sync::{Arc, OnceLock};

use crate::tree::codec::{self, Cursor};
use crate::tree::path::{self, compare, is_within};
use crate::tree::{Entry, Kind};
use crate::{Digest, LayerId};

const MAGIC: &[u8; 8] = b"kapokpi1";
const HEADER: usize = 24;
const ROW: usize = 8;

/// Everything about one layer except its files' bytes; sorted by path. Cheap to clone.
#[derive(Clone)]
pub struct PathIndex(Arc<Inner>);

struct Inner {
    bytes: Vec<u8>,
    count: usize,
    id: OnceLock<LayerId>,
}

/// Bytes that are no path index, or entries that make none.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not the format, or another version of it, or damaged since it was written.
    #[error("the path index is damaged: {0}")]
    Damaged(&'static str),
    /// An entry that cannot be in one.
    #[error("`{path}` cannot be in a path index: {why}")]
    BadEntry {
        /// Its path.
        path: String,
        /// The reason.
        why: &'static str,
    },
}

impl PathIndex {
    /// The index of these entries, in any order. The root is added if it is not among them. What has no meaning is set
    /// to one value: the root's time, a whiteout's owner, a link's mode; another name of a file gets the file's mode, owner and time.
    pub fn build(mut entries: Vec<Entry>) -> Result<PathIndex, IndexError> {
        if !entries.iter().any(|entry| entry.path.is_empty()) {
            entries.push(Entry::implied_directory(b""));
        }
        entries.sort_by(|a, b| compare(&a.path, &b.path));
        let ends = subtree_ends(&entries)?;
        settle(&mut entries)?;
        write(&entries, &ends)
    }

    /// The index of the layer that changes nothing.
    pub fn empty() -> PathIndex {
        // One root always makes an index.
        PathIndex::build(Vec::new()).unwrap_or_else(|_| PathIndex::from_bytes(Vec::new(), 0))
    }

    /// Takes the encoded form. The frame and the check sum are verified here, so that damage is found; an entry that
    /// somebody wrote wrongly is found by [`check`](PathIndex::check), and is otherwise as if it were not there.
    pub fn decode(bytes: Vec<u8>) -> Result<PathIndex, IndexError> {
        let damaged = |why| Err(IndexError::Damaged(why));
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return damaged("it does not begin like one");
        }
        let count = u32_at(&bytes, 8) as usize;
        if count == 0 || (bytes.len() - HEADER) / ROW < count {
            return damaged("it is cut off");
        }
        if crc32fast::hash(&bytes[16..]) != u32_at(&bytes, 12) {
            return damaged("its check sum is wrong");
        }
        Ok(PathIndex::from_bytes(bytes, count))
    }

    fn from_bytes(bytes: Vec<u8>, count: usize) -> PathIndex {
        PathIndex(Arc::new(Inner { bytes, count, id: OnceLock::new() }))
    }

    /// The encoded form: the same entries make the same bytes.
    pub fn encode(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The layer's identity.
    pub fn id(&self) -> LayerId {
        *self.0.id.get_or_init(|| LayerId(Digest::of(&self.0.bytes)))
    }

    /// Whether the layer changes nothing: it has but an ordinary root.
    pub fn is_empty_layer(&self) -> bool {
        self.len() == 1 && self.entry(0).is_some_and(|root| root == Entry::implied_directory(b""))
    }

    /// How many entries there are, the root among them.
    pub fn len(&self) -> usize {
        self.0.count
    }

    /// Whether there is no entry at all; never, for every index has a root.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all files together; of a file with several names once.
    pub fn total_size(&self) -> u64 {
        self.0.bytes.get(16..HEADER).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// The entry at exactly this path.
    pub fn get(&self, path: &[u8]) -> Option<Entry> {
        self.position(path).and_then(|number| self.entry(number))
    }

    /// Whether there is an entry at exactly this path.
    pub fn contains(&self, path: &[u8]) -> bool {
        self.position(path).is_some()
    }

    /// What is directly in this directory, in order.
    pub fn children(&self, directory: &[u8]) -> impl Iterator<Item = Entry> + '_ {
        let range = self.position(directory).map(|number| (number + 1, self.end(number)));
        let (mut next, end) = range.unwrap_or((0, 0));
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let entry = self.entry(next);
            next = self.end(next);
            entry
        })
    }

    /// This path and everything below it, in order.
    pub fn subtree(&self, path: &[u8]) -> impl Iterator<Item = Entry> + '_ {
        let range = self.position(path).map_or(0..0, |number| number..self.end(number));
        range.filter_map(|number| self.entry(number))
    }

    /// All entries in order, the root first.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.len()).filter_map(|number| self.entry(number))
    }

    /// Reads every entry and checks order, structure and links: the encoded form is exactly what [`build`](PathIndex::build) writes.
    pub fn check(&self) -> Result<(), IndexError> {
        let entries: Vec<Entry> = self.iter().collect();
        if entries.len() != self.len() {
            return Err(IndexError::Damaged("an entry cannot be read"));
        }
        match PathIndex::build(entries)? == *self {
            true => Ok(()),
            false => Err(IndexError::Damaged("it is not in the normal form")),
        }
    }

    fn position(&self, path: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match compare(self.path_of(middle)?, path) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn row(&self, number: usize) -> (usize, usize) {
        let at = HEADER + number * ROW;
        (u32_at(&self.0.bytes, at) as usize, u32_at(&self.0.bytes, at + 4) as usize)
    }

    /// The number of the first entry after the subtree of this one; always forwards, whatever the bytes say.
    fn end(&self, number: usize) -> usize {
        self.row(number).1.clamp(number + 1, self.len().max(number + 1))
    }

    fn record(&self, number: usize) -> Cursor<'_> {
        let start = HEADER + self.len() * ROW + self.row(number).0;
        Cursor::new(self.0.bytes.get(start..).unwrap_or_default())
    }

    fn path_of(&self, number: usize) -> Option<&[u8]> {
        codec::read_path(&mut self.record(number))
    }

    fn entry(&self, number: usize) -> Option<Entry> {
        codec::read_entry(&mut self.record(number))
    }
}

impl PartialEq for PathIndex {
    fn eq(&self, other: &PathIndex) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for PathIndex {}

impl std::fmt::Debug for PathIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Checks paths and structure of sorted entries, and finds where each one's subtree ends.
fn subtree_ends(entries: &[Entry]) -> Result<Vec<u32>, IndexError> {
    let mut ends = vec![0u32; entries.len()];
    let mut open: Vec<usize> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let bad = |why| Err(bad_entry(&entry.path, why));
        if !path::is_clean(&entry.path) {
            return bad("it is not a plain relative path");
        }
        while let Some(&top) = open.last() {
            if entries[top].path == entry.path {
                return bad("it is there twice");
            }
            if is_within(&entry.path, &entries[top].path) {
                break;
            }
            ends[top] = number as u32;
            open.pop();
        }
        match (open.last(), path::parent(&entry.path)) {
            (None, None) if entry.is_directory() => {}
            (None, None) => return bad("the root is a directory"),
            (Some(&top), Some(parent)) if entries[top].path == parent && entries[top].is_directory() => {}
            _ => return bad("what it lies in is no directory of the layer"),
        }
        open.push(number);
    }
    for top in open {
        ends[top] = entries.len() as u32;
    }
    Ok(ends)
}

/// Gives fields that have no meaning their one value, and checks links.
fn settle(entries: &mut [Entry]) -> Result<(), IndexError> {
    for number in 0..entries.len() {
        entries[number].xattrs.sort();
        if let Kind::Hardlink { to } = &entries[number].kind {
            let target = entries[..number].binary_search_by(|entry| compare(&entry.path, to));
            let Some(target) =
                target.ok().map(|at| entries[at].clone()).filter(|t| matches!(t.kind, Kind::File { .. }))
            else {
                return Err(bad_entry(&entries[number].path, "it is a link to no earlier file of the layer"));
            };
            let entry = &mut entries[number];
            (entry.mode, entry.uid, entry.gid, entry.mtime) =
                (target.mode, target.uid, target.gid, target.mtime);
            entry.xattrs.clear();
        }
        let entry = &mut entries[number];
        if !matches!(entry.kind, Kind::File { .. }) {
            entry.size = 0;
        }
        match entry.kind {
            Kind::Whiteout => *entry = Entry::whiteout(&entry.path),
            // Linux has no modes of symbolic links; archives state all sorts.
            Kind::Symlink { .. } => entry.mode = 0o777,
            _ if entry.path.is_empty() => entry.mtime = 0,
            _ => {}
        }
        if entry.mode > 0o7777 {
            return Err(bad_entry(&entry.path, "its mode has more than permission bits"));
        }
    }
    Ok(())
}

fn write(entries: &[Entry], ends: &[u32]) -> Result<PathIndex, IndexError> {
    let mut records = Vec::with_capacity(entries.len() * 96);
    let mut bytes = vec![0u8; HEADER];
    bytes.reserve(entries.len() * (ROW + 96));
    let mut total = 0u64;
    for (entry, end) in entries.iter().zip(ends) {
        let offset = u32::try_from(records.len())
            .map_err(|_| bad_entry(&entry.path, "the layer has too many entries"))?;
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&end.to_le_bytes());
        codec::write_entry(&mut records, entry);
        total = total.saturating_add(entry.size);
    }
    bytes.extend_from_slice(&records);
    let count = u32::try_from(entries.len()).map_err(|_| bad_entry(b"", "the layer has too many entries"))?;
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&count.to_le_bytes());
    bytes[16..HEADER].copy_from_slice(&total.to_le_bytes());
    let sum = crc32fast::hash(&bytes[16..]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    Ok(PathIndex::from_bytes(bytes, entries.len()))
}

fn bad_entry(path: &[u8], why: &'static str) -> IndexError {
    IndexError::BadEntry { path: path::shown(path), why }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Reads arbitrary bytes as a path index and asks it everything.
pub fn fuzz_index(data: &[u8]) {
    let mut data = data.to_vec();
    if data.len() > HEADER {
        // Otherwise the check sum would keep every other mutation out.
        let sum = crc32fast::hash(&data[16..]);
        data[12..16].copy_from_slice(&sum.to_le_bytes());
    }
    let Ok(index) = PathIndex::decode(data) else { return };
    let entries: Vec<Entry> = index.iter().collect();
    let _ = index.children(b"").count();
    for entry in &entries {
        let _ = index.children(&entry.path).count();
        let found = index.get(&entry.path);
        assert!(index.check().is_err() || found.as_ref() == Some(entry));
    }
    if index.check().is_ok() {
        assert_eq!(PathIndex::build(entries).ok(), Some(index));
    }
}
