//! The path index of a layer: its entries, sorted, in a form that is read without being parsed.

use std::sync::Arc;

use crate::LayerId;
use crate::tree::Entry;

/// Everything about one layer except its files' bytes; sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathIndex {
    bytes: Arc<[u8]>,
}

/// Bytes that are no path index, or entries that make none.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not the format, or another version of it.
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
    /// The index of these entries, in any order. The root is added if it is not among them.
    pub fn build(_entries: Vec<Entry>) -> Result<PathIndex, IndexError> {
        todo!()
    }

    /// The index of the layer that changes nothing.
    pub fn empty() -> PathIndex {
        todo!()
    }

    /// Takes the encoded form; only its frame is checked here, not every entry.
    pub fn decode(_bytes: Vec<u8>) -> Result<PathIndex, IndexError> {
        todo!()
    }

    /// The encoded form: the same entries make the same bytes.
    pub fn encode(&self) -> &[u8] {
        &self.bytes
    }

    /// The layer's identity.
    pub fn id(&self) -> LayerId {
        todo!()
    }

    /// Whether the layer changes nothing.
    pub fn is_empty_layer(&self) -> bool {
        todo!()
    }

    /// How many entries there are, the root among them.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there is no entry at all; never, for every index has a root.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all files together.
    pub fn total_size(&self) -> u64 {
        todo!()
    }

    /// The entry at exactly this path.
    pub fn get(&self, _path: &[u8]) -> Option<Entry> {
        todo!()
    }

    /// What is directly in this directory, in order.
    pub fn children(&self, _directory: &[u8]) -> impl Iterator<Item = Entry> + '_ {
        std::iter::empty()
    }

    /// All entries in order, the root first.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        std::iter::empty()
    }

    /// Reads every entry and checks order, structure and links.
    pub fn check(&self) -> Result<(), IndexError> {
        todo!()
    }
}

/// Reads arbitrary bytes as a path index and asks it everything.
pub fn fuzz_index(data: &[u8]) {
    if let Ok(index) = PathIndex::decode(data.to_vec()) {
        let _ = index.check();
    }
}
