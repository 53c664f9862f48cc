//! What an ordered list of layers shows together, as a mounted root would: whiteouts, opaque directories, links.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use crate::Digest;
use crate::digest::Hasher;
use crate::tree::codec::{put_number, put_string};
use crate::tree::path::{file_name, parent, shown};
use crate::tree::{Entry, Kind, PathIndex, Way};

/// As many links as the kernel follows in one path.
pub(crate) const LINK_LIMIT: usize = 40;

/// The merged view of some layers. It remembers where directories are, and may be shared by threads.
pub struct View {
    layers: Vec<Arc<PathIndex>>,
    /// For a directory's path: the layers that show something in it, the top one first. None: it is no directory.
    directories: RwLock<HashMap<Vec<u8>, Arc<[usize]>>>,
}

/// Where a path leads when symbolic links are followed inside the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The path without links. Components that do not exist are kept as asked for.
    pub path: Vec<u8>,
    /// What is there, and the number of the layer that has it; `None` when nothing is there.
    pub found: Option<(usize, Entry)>,
}

/// A path that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// More links than the kernel follows.
    #[error("`{0}` goes through too many symbolic links")]
    TooManyLinks(String),
    /// A file in the middle of a path.
    #[error("`{0}` is not a directory")]
    NotADirectory(String),
}

impl View {
    /// The view of these layers, bottom first.
    pub fn new(layers: Vec<Arc<PathIndex>>) -> View {
        View { layers, directories: RwLock::default() }
    }

    /// The layers, bottom first.
    pub fn layers(&self) -> &[Arc<PathIndex>] {
        &self.layers
    }

    /// What is at this path, without following a link at its end or in its middle, and the number of the layer that has
    /// it. A hard link is shown as the file that it is a name of; a directory as the uppermost layer has it.
    pub fn lookup(&self, path: &[u8]) -> Option<(usize, Entry)> {
        let Some(directory) = parent(path) else {
            let top = self.layers.len().checked_sub(1)?;
            return Some((top, shown_entry(&self.layers[top], self.layers[top].get(b"")?)?));
        };
        for &layer in self.layers_of(directory).iter() {
            if let Some(entry) = self.layers[layer].get(path) {
                return Some((layer, shown_entry(&self.layers[layer], entry)?));
            }
        }
        None
    }

    /// What is in this directory, by name; nothing if it is no directory.
    pub fn list(&self, directory: &[u8]) -> Vec<(usize, Entry)> {
        let layers = self.layers_of(directory);
        if let &[only] = &*layers {
            let index = &self.layers[only];
            return index.children(directory).filter_map(|e| Some((only, shown_entry(index, e)?))).collect();
        }
        let mut names: BTreeMap<Vec<u8>, Option<(usize, Entry)>> = BTreeMap::new();
        for &layer in layers.iter() {
            for entry in self.layers[layer].children(directory) {
                let name = file_name(&entry.path);
                if !names.contains_key(name) {
                    let name = name.to_vec();
                    names.insert(name, shown_entry(&self.layers[layer], entry).map(|entry| (layer, entry)));
                }
            }
        }
        names.into_values().flatten().collect()
    }

    /// Follows links inside the root: absolute ones start at it, `..` stops at it. A link at the end is followed only if asked.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Resolved, ViewError> {
        let mut way = Way::new(path, LINK_LIMIT);
        while let Some(place) = way.next_place() {
            match self.lookup(&place).map(|(_, entry)| entry.kind) {
                Some(Kind::Symlink { target }) if follow_last || !way.is_last() => {
                    if !way.follow(&target) {
                        return Err(ViewError::TooManyLinks(shown(path)));
                    }
                }
                None | Some(Kind::Directory { .. }) => way.enter(place),
                Some(_) if way.is_last() => way.enter(place),
                Some(_) => return Err(ViewError::NotADirectory(shown(&place))),
            }
        }
        let path = way.end();
        let found = self.lookup(&path);
        Ok(Resolved { path, found })
    }

    /// Everything at and below this path, directories before what is in them, in index order.
    pub fn walk(&self, prefix: &[u8]) -> impl Iterator<Item = (usize, Entry)> + '_ {
        let mut stack: Vec<(usize, Entry)> = self.lookup(prefix).into_iter().collect();
        std::iter::from_fn(move || {
            let next = stack.pop()?;
            if next.1.is_directory() {
                stack.extend(self.list(&next.1.path).into_iter().rev());
            }
            Some(next)
        })
    }

    /// A digest of a subtree: names relative to it, kinds, modes, owners, content, extended attributes, and times, those
    /// after `epoch` as `epoch`; `None` for `epoch` leaves times out. `None` when nothing is there.
    pub fn digest_of(&self, path: &[u8], epoch: Option<i64>) -> Option<Digest> {
        let mut hasher = Hasher::default();
        hasher.update(b"kapok subtree 1\n");
        let mut buffer = Vec::with_capacity(256);
        let mut any = false;
        for (_, entry) in self.walk(path) {
            any = true;
            buffer.clear();
            describe(&mut buffer, &entry, path.len(), epoch);
            hasher.update(&buffer);
        }
        any.then(|| hasher.finish())
    }

    /// The layers that show something in this directory, the top one first.
    fn layers_of(&self, directory: &[u8]) -> Arc<[usize]> {
        if let Some(known) = self.directories.read().unwrap_or_else(|e| e.into_inner()).get(directory) {
            return known.clone();
        }
        // Ancestors first, from the root down, so that depth costs no recursion.
        let mut layers: Arc<[usize]> = (0..self.layers.len()).rev().collect();
        let mut at = 0;
        loop {
            layers = self.narrow(&directory[..at], &layers);
            if at == directory.len() || layers.is_empty() {
                break;
            }
            let from = if at == 0 { 0 } else { at + 1 };
            at = directory[from..]
                .iter()
                .position(|b| *b == b'/')
                .map_or(directory.len(), |slash| from + slash);
        }
        let mut known = self.directories.write().unwrap_or_else(|e| e.into_inner());
        known.insert(directory.to_vec(), layers.clone());
        layers
    }

    /// Of the layers that show something in the parent, those that show something in this directory.
    fn narrow(&self, directory: &[u8], layers: &[usize]) -> Arc<[usize]> {
        let mut showing = Vec::new();
        for &layer in layers {
            match self.layers[layer].get(directory).map(|entry| entry.kind) {
                None => {}
                Some(Kind::Directory { opaque: false }) => showing.push(layer),
                Some(Kind::Directory { opaque: true }) => {
                    showing.push(layer);
                    break;
                }
                Some(_) => break,
            }
        }
        showing.into()
    }
}

/// An entry as the merged root shows it: whiteouts not at all, hard links as their file.
fn shown_entry(index: &PathIndex, entry: Entry) -> Option<Entry> {
    match entry.kind {
        Kind::Whiteout => None,
        Kind::Directory { .. } => Some(Entry { kind: Kind::Directory { opaque: false }, ..entry }),
        Kind::Hardlink { to } => Some(Entry { path: entry.path, ..index.get(&to)? }),
        _ => Some(entry),
    }
}

fn describe(out: &mut Vec<u8>, entry: &Entry, prefix: usize, epoch: Option<i64>) {
    let name = &entry.path[prefix..];
    put_string(out, name.strip_prefix(b"/").unwrap_or(name));
    match &entry.kind {
        Kind::Directory { .. } => out.push(b'd'),
        Kind::File { digest } => {
            out.push(b'f');
            put_string(out, digest.as_bytes());
            put_number(out, entry.size);
        }
        Kind::Symlink { target } => {
            out.push(b'l');
            put_string(out, target);
        }
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            out.push(if matches!(entry.kind, Kind::CharDevice { .. }) { b'c' } else { b'b' });
            put_number(out, u64::from(*major));
            put_number(out, u64::from(*minor));
        }
        Kind::Fifo => out.push(b'p'),
        // The merged root shows neither.
        Kind::Hardlink { .. } | Kind::Whiteout => out.push(b'?'),
    }
    for number in [entry.mode, entry.uid, entry.gid] {
        put_number(out, u64::from(number));
    }
    if let Some(epoch) = epoch {
        out.extend_from_slice(&entry.mtime.min(epoch).to_le_bytes());
    }
    put_number(out, entry.xattrs.len() as u64);
    for (name, value) in &entry.xattrs {
        put_string(out, name);
        put_string(out, value);
    }
}
