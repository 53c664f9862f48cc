//! What an ordered list of layers shows together, as a mounted root would: whiteouts, opaque directories, links.

use std::sync::Arc;

use crate::Digest;
use crate::tree::{Entry, PathIndex};

/// The merged view of some layers.
pub struct View {
    layers: Vec<Arc<PathIndex>>,
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
        View { layers }
    }

    /// The layers, bottom first.
    pub fn layers(&self) -> &[Arc<PathIndex>] {
        &self.layers
    }

    /// What is at this path, without following a link at its end or in its middle. A hard link is shown as the file it is a name of.
    pub fn lookup(&self, _path: &[u8]) -> Option<(usize, Entry)> {
        todo!()
    }

    /// What is in this directory, by name; nothing if it is no directory.
    pub fn list(&self, _directory: &[u8]) -> Vec<(usize, Entry)> {
        todo!()
    }

    /// Follows links inside the root: absolute ones start at it, `..` stops at it. The last component's link is followed only if asked.
    pub fn resolve(&self, _path: &[u8], _follow_last: bool) -> Result<Resolved, ViewError> {
        todo!()
    }

    /// Everything at and below this path, parents before children, in index order.
    pub fn walk(&self, _prefix: &[u8]) -> impl Iterator<Item = (usize, Entry)> + '_ {
        std::iter::empty()
    }

    /// A digest of a subtree: names relative to it, kinds, modes, owners, content, times cut to `epoch`, extended attributes. `None` when nothing is there.
    pub fn digest_of(&self, _path: &[u8], _epoch: Option<i64>) -> Option<Digest> {
        todo!()
    }
}
