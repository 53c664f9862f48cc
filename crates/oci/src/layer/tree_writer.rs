//! Writes a tree entry by entry, and keeps a model of it: links are followed in the model, never by the kernel.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, mkdirat, readlinkat, statat, unlinkat};
use rustix::io::Errno;

use crate::layer::cursor::{DirCursor, failed};
use crate::layer::node_writer::NodeWriter;
use crate::layer::{TreeError, UnpackError, UnpackOptions, xattr};
use crate::remove::remove_tree_at;
use crate::tree::path::{parent, shown};
use crate::tree::{Entry, Kind, LINK_LIMIT, PathIndex, Way};

/// A tree that is being written.
pub(super) struct TreeWriter<'a> {
    options: &'a UnpackOptions,
    cursor: DirCursor,
    nodes: BTreeMap<Key, Node>,
    /// How many files were made; names of one file share its number.
    files: usize,
    write: NodeWriter,
}

/// A path with NUL for `/`: ordered like a path index, so that a subtree is a range.
type Key = Vec<u8>;

struct Node {
    entry: Entry,
    /// For a file: which one it is.
    file: usize,
}

/// What stands at a path.
enum Found {
    Nothing,
    Directory,
    Symlink(Vec<u8>),
    Other,
}

fn key(path: &[u8]) -> Key {
    path.iter().map(|b| if *b == b'/' { 0 } else { *b }).collect()
}

impl<'a> TreeWriter<'a> {
    pub(super) fn new(directory: &Path, options: &'a UnpackOptions) -> Result<TreeWriter<'a>, UnpackError> {
        let cursor = DirCursor::new(directory).map_err(failed("open", b""))?;
        let write = NodeWriter::new(options.existing);
        let mut writer = TreeWriter { options, cursor, nodes: BTreeMap::new(), files: 0, write };
        if !options.existing {
            // An archive need not describe its root; one that was made with care does.
            writer.insert(Entry::implied_directory(b""));
        }
        Ok(writer)
    }

    /// The real path of a directory that is to hold something: links on the way are followed inside the tree, and what
    /// is missing is made, owned by root with mode 755, as Docker does.
    pub(super) fn directory_for(&mut self, path: &[u8]) -> Result<Vec<u8>, UnpackError> {
        self.resolve_directory(path, true)
    }

    /// The same for the place that a link points to: there nothing is made.
    pub(super) fn directory_for_link(&mut self, path: &[u8]) -> Result<Vec<u8>, UnpackError> {
        self.resolve_directory(path, false)
    }

    fn resolve_directory(&mut self, path: &[u8], make: bool) -> Result<Vec<u8>, UnpackError> {
        if self.nodes.get(&key(path)).is_some_and(|node| node.entry.is_directory()) {
            return Ok(path.to_vec());
        }
        let refused = |why| UnpackError::Refused { path: shown(path), why };
        let mut way = Way::new(path, LINK_LIMIT);
        while let Some(next) = way.next_place() {
            match self.find(&next)? {
                Found::Directory => way.enter(next),
                Found::Symlink(target) => {
                    if !way.follow(&target) {
                        return Err(refused("it goes through too many symbolic links"));
                    }
                }
                Found::Nothing if make => {
                    if next.len() > self.options.limits.path_length {
                        return Err(refused("its path is too long"));
                    }
                    let (uid, gid) = self.options.owner.unwrap_or((0, 0));
                    self.put_directory(Entry { uid, gid, ..Entry::implied_directory(&next) })?;
                    way.enter(next);
                }
                Found::Nothing => way.enter(next),
                Found::Other => return Err(refused("it would lie in something that is no directory")),
            }
        }
        Ok(way.end())
    }

    /// A directory: new, or with new attributes.
    pub(super) fn put_directory(&mut self, mut entry: Entry) -> Result<(), UnpackError> {
        let path = entry.path.clone();
        match self.find(&path)? {
            Found::Directory => {
                if let Some(Node { entry: Entry { kind: Kind::Directory { opaque: true }, .. }, .. }) =
                    self.nodes.get(&key(&path))
                {
                    entry.kind = Kind::Directory { opaque: true };
                }
                self.insert(entry);
                return Ok(());
            }
            Found::Symlink(_)
                if self.options.keep_directory_symlinks && self.leads_to_directory(&path)? =>
            {
                return Ok(());
            }
            _ => {}
        }
        if self.clear(&path)? {
            // Something was deleted here before: what lower layers have inside stays hidden.
            entry.kind = Kind::Directory { opaque: true };
        }
        let (parent, name) = self.cursor.locate(&path).map_err(failed("open", &path))?;
        // Its own mode comes at the end: until then it must be possible to write into it.
        mkdirat(parent, &name, Mode::RWXU).map_err(failed("make", &path))?;
        self.insert(entry);
        Ok(())
    }

    /// A regular file, with its content.
    pub(super) fn put_file(
        &mut self,
        entry: Entry,
        content: &mut dyn Read,
        sparse: bool,
    ) -> Result<(), UnpackError> {
        self.clear(&entry.path)?;
        let entry = self.write.file(&mut self.cursor, entry, content, sparse)?;
        self.files += 1;
        self.insert(entry);
        Ok(())
    }

    /// A link, a device or a pipe.
    pub(super) fn put_other(&mut self, entry: Entry) -> Result<(), UnpackError> {
        self.clear(&entry.path)?;
        self.write.other(&mut self.cursor, &entry)?;
        self.insert(entry);
        Ok(())
    }

    /// Another name of what is at `target`; says whether that is something that can have one. What is no regular file
    /// gets a copy: the layer says the same.
    pub(super) fn put_link(&mut self, path: &[u8], target: &[u8]) -> Result<bool, UnpackError> {
        if path == target {
            return Ok(self.nodes.contains_key(&key(path)));
        }
        let Some(node) = self.nodes.get(&key(target)) else { return Ok(false) };
        let (entry, file) = (Entry { path: path.to_vec(), ..node.entry.clone() }, node.file);
        match entry.kind {
            Kind::Directory { .. } | Kind::Whiteout => return Ok(false),
            Kind::File { .. } => {}
            _ => return self.put_other(entry).map(|()| true),
        }
        // The target may lie in what the link replaces.
        self.clear(path)?;
        if !self.nodes.contains_key(&key(target)) {
            return Ok(false);
        }
        self.write.link(&mut self.cursor, path, target)?;
        self.nodes.insert(key(path), Node { entry, file });
        Ok(true)
    }

    /// A whiteout. What the same archive brings itself is not deleted by it, only what is below. (OCI image
    /// specification, "Whiteouts": they apply to lower layers only)
    pub(super) fn hide(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        match self.nodes.get(&key(path)).map(|node| &node.entry.kind) {
            Some(Kind::Directory { .. }) => self.make_opaque(path),
            Some(_) => Ok(()),
            None => self.put_other(Entry::whiteout(path)),
        }
    }

    /// A directory that hides what is below it.
    pub(super) fn make_opaque(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        if let Some(node) = self.nodes.get_mut(&key(path)) {
            node.entry.kind = Kind::Directory { opaque: true };
        }
        Ok(())
    }

    /// Gives directories their attributes, the deepest first, and makes the index.
    pub(super) fn finish(mut self) -> Result<PathIndex, UnpackError> {
        let form = self.options.form;
        for node in self.nodes.values().rev().filter(|node| node.entry.is_directory()) {
            let path = &node.entry.path;
            let handle =
                self.cursor.open(path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed("open", path))?;
            if node.entry.kind == (Kind::Directory { opaque: true }) {
                xattr::set(&handle, form.opaque().as_bytes(), b"y").map_err(failed("mark", path))?;
            }
            self.write.attributes(&handle, &node.entry)?;
        }
        let mut first: HashMap<usize, Vec<u8>> = HashMap::new();
        let mut entries: Vec<Entry> = Vec::with_capacity(self.nodes.len());
        for Node { mut entry, file } in self.nodes.into_values() {
            if matches!(entry.kind, Kind::File { .. }) {
                match first.get(&file) {
                    Some(to) => entry.kind = Kind::Hardlink { to: to.clone() },
                    None => drop(first.insert(file, entry.path.clone())),
                }
            }
            entries.push(entry);
        }
        if self.options.existing {
            add_missing_parents(&mut entries);
        }
        PathIndex::build(entries).map_err(|error| TreeError::from(error).into())
    }

    fn insert(&mut self, entry: Entry) {
        self.nodes.insert(key(&entry.path), Node { entry, file: self.files });
    }

    fn find(&mut self, path: &[u8]) -> Result<Found, UnpackError> {
        if let Some(node) = self.nodes.get(&key(path)) {
            return Ok(match &node.entry.kind {
                Kind::Directory { .. } => Found::Directory,
                Kind::Symlink { target } => Found::Symlink(target.clone()),
                Kind::Whiteout => Found::Nothing,
                _ => Found::Other,
            });
        }
        if path.is_empty() {
            return Ok(Found::Directory);
        }
        if !self.options.existing {
            return Ok(Found::Nothing);
        }
        Ok(match self.stat(path)? {
            None => Found::Nothing,
            Some(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Found::Directory,
                FileType::Symlink => {
                    let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
                    Found::Symlink(
                        readlinkat(parent, &name, Vec::new()).map_err(failed("read", path))?.into_bytes(),
                    )
                }
                _ => Found::Other,
            },
        })
    }

    fn stat(&mut self, path: &[u8]) -> Result<Option<Stat>, UnpackError> {
        let located = self.cursor.locate(path);
        let stat = located.and_then(|(parent, name)| Ok(statat(parent, &name, AtFlags::SYMLINK_NOFOLLOW)?));
        match stat {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("look at", path)(error).into()),
        }
    }

    /// Whether a link leads to a directory of the tree; nothing is made on the way.
    fn leads_to_directory(&mut self, path: &[u8]) -> Result<bool, UnpackError> {
        match self.resolve_directory(path, false) {
            Ok(target) => Ok(matches!(self.find(&target)?, Found::Directory)),
            Err(UnpackError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes room at a path; says whether a whiteout was there.
    fn clear(&mut self, path: &[u8]) -> Result<bool, UnpackError> {
        let from = key(path);
        let known = self.nodes.remove(&from);
        if known.is_none() && !self.options.existing {
            return Ok(false);
        }
        let was_whiteout = known.as_ref().is_some_and(|node| node.entry.kind == Kind::Whiteout);
        if known.is_none_or(|node| node.entry.is_directory()) {
            let inside: Vec<Key> = self
                .nodes
                .range([&from[..], &[0]].concat()..[&from[..], &[1]].concat())
                .map(|(k, _)| k.clone())
                .collect();
            for key in inside {
                self.nodes.remove(&key);
            }
            self.cursor.forget(path);
            let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
            remove_tree_at(parent, &name).map_err(failed("remove", path))?;
            return Ok(false);
        }
        let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
        match unlinkat(parent, &name, AtFlags::empty()) {
            // A device that could not be made is in the model only.
            Ok(()) | Err(Errno::NOENT) => Ok(was_whiteout),
            Err(error) => Err(failed("remove", path)(error).into()),
        }
    }
}

/// An index has all directories on the way; those that were there before are described as nobody described them.
fn add_missing_parents(entries: &mut Vec<Entry>) {
    let mut known: std::collections::HashSet<Vec<u8>> =
        entries.iter().map(|entry| entry.path.clone()).collect();
    for number in 0..entries.len() {
        let mut path = entries[number].path.clone();
        while let Some(directory) = parent(&path).map(<[u8]>::to_vec) {
            if !known.insert(directory.clone()) {
                break;
            }
            entries.push(Entry::implied_directory(&directory));
            path = directory;
        }
    }
}
