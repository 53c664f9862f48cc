//! The files in which images travel: OCI image layouts and Docker's archives.
//!
//! An OCI layout is a directory or a tar of one: `oci-layout`, `index.json`, `blobs/`. (OCI image specification, "Image
//! Layout") Docker's archive is a tar with `manifest.json`. What is written here as Docker's archive is both at once, as
//! BuildKit's is: every Docker loads it, and so do tools that know OCI only.
//!
//! What comes in is anybody's: names are keys of a map and never paths, every blob is digested while it is read, and
//! what a document speaks of must be there.

mod docker;
mod layout;
mod load;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::layer::UnpackError;
use crate::store::StoreError;
use crate::{Digest, Reference};

pub use docker::save_docker;
pub use layout::{load_layout, save_layout, save_layout_as, save_oci};
pub use load::load;

/// An archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No `index.json` and no `manifest.json`.
    #[error("the archive is no image: it has neither `index.json` nor `manifest.json`")]
    NoImage,
    /// A document that cannot be read.
    #[error("`{name}` of the archive is malformed")]
    Document {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A document that is larger than any honest one.
    #[error("`{0}` of the archive is too large")]
    TooLarge(String),
    /// A document speaks of something that is not there.
    #[error("the archive lacks `{0}`")]
    Lacking(String),
    /// Bytes that are not what they are called.
    #[error("`{name}` of the archive has the digest {found}")]
    WrongDigest {
        /// What it is called.
        name: String,
        /// What it is.
        found: Digest,
    },
    /// Layers and configuration do not belong together.
    #[error("the archive's image has {layers} layers, its configuration speaks of {diff_ids}")]
    LayerCount {
        /// Layers.
        layers: usize,
        /// Diff ids.
        diff_ids: usize,
    },
    /// Docker's archives hold one platform.
    #[error("a docker archive holds one platform, and {0} has several")]
    SeveralPlatforms(Digest),
    /// The system refused something.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the archive")]
    Output(#[source] io::Error),
    /// The archive could not be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image that an archive brought into the store. Its names are for the caller to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Manifest or index.
    pub digest: Digest,
    /// The names that the archive gives it, as far as they are whole references.
    pub references: Vec<Reference>,
    /// The names as they stand there: a layout often has a tag alone.
    pub names: Vec<String>,
}

/// One image to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Manifest or index.
    pub digest: Digest,
    /// The names it gets in the archive.
    pub references: Vec<Reference>,
}

fn failed(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Io { action, path, source }
}
