//! From a layer's directory to its path index.

use std::path::Path;

use crate::layer::{OverlayForm, TreeError};
use crate::tree::PathIndex;

/// What a directory holds.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// Its path index.
    pub index: PathIndex,
    /// Private keys and keystores among its files, by path.
    pub keys: Vec<PrivateKey>,
}

/// A file that holds a private key or is a keystore: it is named, never touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrivateKey {
    /// Its path.
    pub path: Vec<u8>,
    /// What it is, in words: `ssh host key`.
    pub what: &'static str,
}

/// The path index of an overlay directory: the upper of a step, or an unpacked layer.
pub fn index_directory(directory: &Path, form: OverlayForm, threads: usize) -> Result<PathIndex, TreeError> {
    scan_directory(directory, form, threads).map(|scanned| scanned.index)
}

/// The path index and the private keys of an overlay directory. Files are read by `threads` threads.
pub fn scan_directory(_directory: &Path, _form: OverlayForm, _threads: usize) -> Result<Scanned, TreeError> {
    todo!()
}
