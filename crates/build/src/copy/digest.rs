//! The digest of a selection: a part of the step's key.

use oci::Digest;
use oci::digest::Hasher;

use super::CopyError;
use super::select::Selected;
use super::tree::{Item, ItemKind, Origin, Tree};
use crate::context::Node;

/// Takes in selections, each exactly as far as it can change the result.
pub struct SelectionDigest {
    hasher: Hasher,
    epoch: i64,
    buffer: Vec<u8>,
}

impl SelectionDigest {
    /// Nothing yet. Times after `epoch` do not reach the image, so they count as `epoch`.
    pub fn new(epoch: i64) -> SelectionDigest {
        let mut hasher = Hasher::default();
        hasher.update(b"kapok selection 1\n");
        SelectionDigest { hasher, epoch, buffer: Vec::with_capacity(512) }
    }

    /// Takes in something that has no tree: a label and bytes.
    pub fn text(&mut self, label: &str, bytes: &[u8]) {
        self.buffer.clear();
        string(&mut self.buffer, label.as_bytes());
        string(&mut self.buffer, bytes);
        self.hasher.update(&self.buffer);
    }

    /// Takes in a selection. `contents` says that of a directory only what is in it is copied.
    pub fn selection(
        &mut self,
        tree: Tree<'_>,
        selected: &Selected,
        contents: bool,
    ) -> Result<(), CopyError> {
        let items = || std::iter::once(&selected.root).chain(selected.below.iter().map(|below| &below.item));
        let mut digests = contents_of(tree, items())?.into_iter();
        self.text("selection", &selected.name);
        let whole = !(contents && selected.root.is_directory());
        self.item(b"", &selected.root, whole, false, &mut digests);
        for below in &selected.below {
            self.item(&below.path, &below.item, true, below.implied, &mut digests);
            if let Some(first) = below.same_as {
                self.text("name of", &selected.below[first].path);
            }
        }
        Ok(())
    }

    fn item(
        &mut self,
        path: &[u8],
        item: &Item,
        attributes: bool,
        implied: bool,
        digests: &mut impl Iterator<Item = Digest>,
    ) {
        let out = &mut self.buffer;
        out.clear();
        string(out, path);
        match &item.kind {
            ItemKind::File => {
                out.push(b'f');
                string(
                    out,
                    digests.next().map(|digest| digest.as_bytes().to_vec()).unwrap_or_default().as_slice(),
                );
            }
            ItemKind::Directory => out.push(if implied { b'D' } else { b'd' }),
            ItemKind::Symlink(target) => {
                out.push(b'l');
                string(out, target);
            }
            ItemKind::CharDevice(major, minor) | ItemKind::BlockDevice(major, minor) => {
                out.push(if matches!(item.kind, ItemKind::CharDevice(..)) { b'c' } else { b'b' });
                out.extend_from_slice(&major.to_le_bytes());
                out.extend_from_slice(&minor.to_le_bytes());
            }
            ItemKind::Fifo => out.push(b'p'),
        }
        if attributes {
            for number in [item.mode, item.uid, item.gid] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            out.extend_from_slice(&item.mtime.map_or(i64::MAX, |mtime| mtime.min(self.epoch)).to_le_bytes());
            out.extend_from_slice(&(item.xattrs.len() as u64).to_le_bytes());
            for (name, value) in &item.xattrs {
                string(out, name);
                string(out, value);
            }
        }
        self.hasher.update(&self.buffer);
    }

    /// The digest of all of it.
    pub fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

/// The digests of the files among some items, in order.
fn contents_of<'i>(tree: Tree<'_>, items: impl Iterator<Item = &'i Item>) -> Result<Vec<Digest>, CopyError> {
    let files = items.filter(|item| item.kind == ItemKind::File);
    match tree {
        Tree::Context(context) => {
            let files: Vec<(&[u8], Node)> = files
                .filter_map(|item| match &item.origin {
                    Origin::Context(node) => Some((item.path.as_slice(), *node)),
                    _ => None,
                })
                .collect();
            Ok(context.digests(&files)?)
        }
        _ => Ok(files
            .map(|item| match &item.origin {
                Origin::Layer(_, Some((digest, _))) => *digest,
                _ => Digest::of(b""),
            })
            .collect()),
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}
