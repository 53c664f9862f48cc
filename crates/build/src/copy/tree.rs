//! Trees that files are copied from, whatever they are made of: one way to look, list and open.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use oci::Digest;
use oci::tree::{self, Entry, Kind, View};

use super::CopyError;
use crate::context::{Context, Node, NodeKind};

/// What the layers below a step show, and where their files lie.
pub struct Snapshot {
    /// The merged view.
    pub view: View,
    /// The layers' directories, bottom first.
    pub directories: Vec<PathBuf>,
}

/// A tree that files are copied from.
#[derive(Clone, Copy)]
pub enum Tree<'a> {
    /// A build context. Its files belong to root, and have no extended attributes.
    Context(&'a Context),
    /// A stage or an image.
    Snapshot(&'a Snapshot),
    /// Nothing.
    Empty,
}

/// As many links as are followed on one path.
const LINK_LIMIT: usize = 255;

/// Something in a tree.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its path in the tree: relative, empty for the root.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: ItemKind,
    /// Permission bits, 07777.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Seconds since 1970; nothing where it says nothing about the content.
    pub mtime: Option<i64>,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// For a file with several names, what they have in common.
    pub link: Option<LinkKey>,
    /// By what it is found and known again.
    pub origin: Origin,
}

/// What something in a tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// The identity of a file with several names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkKey {
    /// Device and inode of a context's file.
    Inode(u64, u64),
    /// Layer and path of a snapshot's file.
    Path(usize, Vec<u8>),
}

/// Where an item comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A context.
    Context(Node),
    /// A layer of a snapshot; of a file, the digest of its content and its size.
    Layer(usize, Option<(Digest, u64)>),
    /// Nowhere: the root of a tree with nothing in it.
    Nowhere,
}

impl Item {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == ItemKind::Directory
    }
}

impl Snapshot {
    /// A file's content, links followed; nothing where there is no such file.
    pub fn read_file(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let Ok(resolved) = self.view.resolve(path.as_bytes(), true) else { return Ok(None) };
        match resolved.found {
            Some((layer, Entry { kind: Kind::File { .. }, path, .. })) => {
                std::fs::read(self.file_path(layer, &path)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn file_path(&self, layer: usize, path: &[u8]) -> PathBuf {
        self.directories[layer].join(std::ffi::OsStr::from_bytes(path))
    }
}

impl<'a> Tree<'a> {
    /// What is at a path; no link is followed. The root is always there.
    pub fn lookup(self, path: &[u8]) -> Result<Option<Item>, CopyError> {
        let found = match self {
            Tree::Context(context) => match context.lookup(path)? {
                Some(node) => Some(of_node(context, path.to_vec(), node)?),
                None => None,
            },
            Tree::Snapshot(snapshot) => snapshot.view.lookup(path).map(|found| of_entry(snapshot, found)),
            Tree::Empty => None,
        };
        Ok(found.or_else(|| path.is_empty().then(empty_root)))
    }

    /// What is in a directory, sorted by name.
    pub fn list(self, directory: &[u8]) -> Result<Vec<Item>, CopyError> {
        match self {
            Tree::Context(context) => {
                let listing = context.list(directory)?;
                listing
                    .iter()
                    .map(|(name, node)| of_node(context, tree::join(directory, name), *node))
                    .collect()
            }
            Tree::Snapshot(snapshot) => {
                let entries = snapshot.view.list(directory).into_iter();
                Ok(entries.map(|found| of_entry(snapshot, found)).collect())
            }
            Tree::Empty => Ok(Vec::new()),
        }
    }

    /// Gets ready for a walk of everything below a directory.
    pub fn prefetch(self, directory: &[u8]) -> Result<(), CopyError> {
        match self {
            Tree::Context(context) => Ok(context.prefetch(directory)?),
            _ => Ok(()),
        }
    }

    /// Where a path leads, links followed inside the tree; with `last`, one at the end too.
    pub fn resolve(self, path: &[u8], last: bool) -> Result<Vec<u8>, CopyError> {
        resolve(path, last, &mut |path| Ok(self.lookup(path)?.map(|item| item.kind)))
    }

    /// Opens a file for reading.
    pub fn open(self, item: &Item) -> Result<File, CopyError> {
        match (self, &item.origin) {
            (Tree::Context(context), _) => Ok(context.open_file(&item.path)?),
            (Tree::Snapshot(snapshot), Origin::Layer(layer, _)) => {
                let path = snapshot.file_path(*layer, &item.path);
                File::open(&path).map_err(|source| CopyError::io("open", &item.path, source))
            }
            _ => Err(CopyError::io("open", &item.path, io::ErrorKind::NotFound.into())),
        }
    }

    /// Fails if an open file is not what it was when it was found.
    pub fn check_unchanged(self, item: &Item, file: &File) -> Result<(), CopyError> {
        match (self, &item.origin) {
            (Tree::Context(context), Origin::Context(node)) => {
                Ok(context.check_unchanged(&item.path, node, file)?)
            }
            _ => Ok(()),
        }
    }

    /// What messages call it.
    pub fn describe(self) -> &'static str {
        match self {
            Tree::Context(_) => "the build context",
            Tree::Snapshot(_) => "the stage or image that is copied from",
            Tree::Empty => "`scratch`, which is empty",
        }
    }
}

/// Says what is at a path.
type Look<'l> = dyn FnMut(&[u8]) -> Result<Option<ItemKind>, CopyError> + 'l;

/// Follows links inside a root: absolute ones start at it, `..` stops at it. What does not exist stays as it is.
pub fn resolve(path: &[u8], last: bool, look: &mut Look<'_>) -> Result<Vec<u8>, CopyError> {
    let mut way = tree::Way::new(path, LINK_LIMIT);
    while let Some(next) = way.next_place() {
        match look(&next)? {
            Some(ItemKind::Symlink(target)) if last || !way.is_last() => {
                if !way.follow(&target) {
                    return Err(CopyError::TooManyLinks { path: super::shown(path) });
                }
            }
            _ => way.enter(next),
        }
    }
    Ok(way.end())
}

fn empty_root() -> Item {
    Item {
        path: Vec::new(),
        kind: ItemKind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: None,
        xattrs: Vec::new(),
        link: None,
        origin: Origin::Nowhere,
    }
}

/// Times in a context say when somebody checked it out or saved a file, not what is in it: they stay out, so that the
/// same content gives the same layer on every machine. A socket is nothing without its program and becomes an empty file, as BuildKit has it.
fn of_node(context: &Context, path: Vec<u8>, node: Node) -> Result<Item, CopyError> {
    let kind = match node.kind {
        NodeKind::File | NodeKind::Socket => ItemKind::File,
        NodeKind::Directory => ItemKind::Directory,
        NodeKind::Symlink => ItemKind::Symlink(context.read_link(&path)?),
        NodeKind::CharDevice(major, minor) => ItemKind::CharDevice(major, minor),
        NodeKind::BlockDevice(major, minor) => ItemKind::BlockDevice(major, minor),
        NodeKind::Fifo => ItemKind::Fifo,
    };
    let several = node.links > 1 && kind == ItemKind::File;
    Ok(Item {
        mtime: None,
        link: several.then_some(LinkKey::Inode(node.stamp.device, node.stamp.inode)),
        path,
        kind,
        mode: node.mode,
        uid: 0,
        gid: 0,
        xattrs: Vec::new(),
        origin: Origin::Context(node),
    })
}

fn of_entry(snapshot: &Snapshot, (layer, entry): (usize, Entry)) -> Item {
    let (kind, content) = match entry.kind {
        Kind::File { digest } => (ItemKind::File, Some((digest, entry.size))),
        Kind::Symlink { target } => (ItemKind::Symlink(target), None),
        Kind::CharDevice { major, minor } => (ItemKind::CharDevice(major, minor), None),
        Kind::BlockDevice { major, minor } => (ItemKind::BlockDevice(major, minor), None),
        Kind::Fifo => (ItemKind::Fifo, None),
        // A view shows neither whiteouts nor names of other files.
        Kind::Directory { .. } | Kind::Hardlink { .. } | Kind::Whiteout => (ItemKind::Directory, None),
    };
    let link = match kind {
        ItemKind::File => match snapshot.view.layers()[layer].get(&entry.path).map(|raw| raw.kind) {
            Some(Kind::Hardlink { to }) => Some(LinkKey::Path(layer, to)),
            _ => Some(LinkKey::Path(layer, entry.path.clone())),
        },
        _ => None,
    };
    Item {
        path: entry.path,
        kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: Some(entry.mtime),
        xattrs: entry.xattrs,
        link,
        origin: Origin::Layer(layer, content),
    }
}
