//! From a layer's directory and index to its tar.

use std::io::Write;
use std::path::Path;

use crate::layer::{Compression, TreeError};
use crate::tree::PathIndex;
use crate::{DiffId, Digest};

/// Writes the layer's tar: the same index makes the same bytes.
pub fn write_tar(_directory: &Path, _index: &PathIndex, _out: &mut dyn Write) -> Result<(), TreeError> {
    todo!()
}

/// A layer's tar, compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLayer {
    /// Of the tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub digest: Digest,
    /// Bytes of the blob.
    pub size: u64,
}

/// Writes the layer's tar, compressed, and knows both digests afterwards.
pub fn pack_layer(
    _directory: &Path,
    _index: &PathIndex,
    _compression: Compression,
    _level: Option<u32>,
    _threads: usize,
    _out: &mut dyn Write,
) -> Result<PackedLayer, TreeError> {
    todo!()
}
