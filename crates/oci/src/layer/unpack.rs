//! From an archive that anybody may have written to a directory.

use std::io::Read;
use std::path::Path;

use crate::layer::{OverlayForm, UnpackError};
use crate::tree::PathIndex;

/// What is more than any honest archive holds.
#[derive(Clone, Debug)]
pub struct UnpackLimits {
    /// Bytes of the uncompressed archive.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of one path.
    pub path_length: usize,
    /// Components of one path.
    pub path_depth: usize,
}

/// What names that begin with `.wh.` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// The archive is an image layer: they delete. (OCI image specification, "Whiteouts")
    Delete,
    /// The archive is any archive: they are files like others.
    Plain,
}

/// How to unpack.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// The form of the directory that is written.
    pub form: OverlayForm,
    /// What `.wh.` names mean.
    pub whiteouts: Whiteouts,
    /// The directory already holds something, which stays unless an entry replaces it.
    pub existing: bool,
    /// A directory in the archive does not replace a symbolic link to a directory: what is in it goes where the link leads.
    pub keep_directory_symlinks: bool,
    /// Every entry gets this owner instead of its own.
    pub owner: Option<(u32, u32)>,
    /// Bounds.
    pub limits: UnpackLimits,
}

/// Unpacks an image layer, compressed or not, into a fresh directory.
pub fn unpack_tar(
    input: impl Read,
    directory: &Path,
    form: OverlayForm,
    limits: &UnpackLimits,
) -> Result<PathIndex, UnpackError> {
    unpack(input, directory, &UnpackOptions::layer(form, limits.clone()))
}

/// Unpacks an archive, compressed or not. The index is that of the entries that the archive brought.
pub fn unpack(
    _input: impl Read,
    _directory: &Path,
    _options: &UnpackOptions,
) -> Result<PathIndex, UnpackError> {
    todo!()
}

impl UnpackOptions {
    /// For an image layer.
    pub fn layer(form: OverlayForm, limits: UnpackLimits) -> UnpackOptions {
        UnpackOptions {
            form,
            whiteouts: Whiteouts::Delete,
            existing: false,
            keep_directory_symlinks: false,
            owner: None,
            limits,
        }
    }

    /// For an archive that somebody gave: ADD, a build context on stdin.
    pub fn plain(form: OverlayForm, limits: UnpackLimits) -> UnpackOptions {
        UnpackOptions { whiteouts: Whiteouts::Plain, ..UnpackOptions::layer(form, limits) }
    }
}

impl Default for UnpackLimits {
    fn default() -> UnpackLimits {
        UnpackLimits { bytes: 256 << 30, entries: 8 << 20, path_length: 4096, path_depth: 1024 }
    }
}
