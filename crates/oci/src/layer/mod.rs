//! Layers in their three forms: an overlay directory, a path index, a tar; and the ways between them.
//!
//! ```text
//!   upper of a step ── normalise ── index_directory ──> PathIndex ── write_tar ──> tar ── Compressor ──> blob
//!   blob ── Decompressor ──> tar ── unpack_tar ──> directory + PathIndex
//! ```
//! A layer's directory is used as an overlay lower, so it says exactly what its tar says.

mod compress;
mod cursor;
mod decompress;
mod error;
mod keys;
mod node_writer;
mod normalise;
mod overlay;
mod pack;
mod rules;
mod scan;
pub(crate) mod tar_write;
mod tree_writer;
mod unpack;
mod xattr;

pub mod tar;

pub use compress::{Compression, Compressor};
pub use decompress::{Decompressor, Format, detect};
pub use error::{TreeError, UnpackError};
pub use normalise::{Normalised, normalise};
pub use overlay::{OverlayForm, keeps_xattr};
pub use pack::{PackedLayer, Packing, empty_diff_id, pack_layer, write_tar};
pub use rules::{Action, RULES, Rule, Rules};
pub use scan::{PrivateKey, Scanned, index_directory, scan_directory, scan_directory_unless};
pub use unpack::{UnpackLimits, UnpackOptions, Whiteouts, unpack, unpack_tar};

#[cfg(test)]
pub(crate) mod tests;
