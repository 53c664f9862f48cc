//! The files in which images travel: OCI image layouts and Docker's archives.

use std::io::{Read, Write};
use std::path::Path;

use crate::store::{Store, StoreError};
use crate::{Digest, Reference};

/// An archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive is not what it should be.
    #[error("the archive is no image: {0}")]
    Malformed(String),
    /// A platform could not be chosen: Docker's archives hold one.
    #[error("a docker archive holds one platform, and `{0}` has several")]
    SeveralPlatforms(Digest),
    /// The system refused something.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: std::path::PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the archive")]
    Output(#[source] std::io::Error),
    /// The archive could not be read.
    #[error(transparent)]
    Unpack(#[from] crate::layer::UnpackError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image that an archive brought into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Manifest or index.
    pub digest: Digest,
    /// The names that the archive gives it.
    pub references: Vec<Reference>,
}

/// One image to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Manifest or index.
    pub digest: Digest,
    /// The names it gets in the archive.
    pub references: Vec<Reference>,
}

/// Reads an OCI layout or a docker archive, as a tar (compressed or not), into the store. Tags are for the caller to set.
pub fn load(_input: &mut dyn Read, _store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    todo!()
}

/// Reads an OCI layout that is a directory into the store.
pub fn load_layout(_directory: &Path, _store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    todo!()
}

/// Writes an OCI layout as a directory; one that is there already is added to.
pub fn save_layout(_directory: &Path, _images: &[Export], _store: &Store) -> Result<(), ArchiveError> {
    todo!()
}

/// Writes an OCI layout as a tar.
pub fn save_oci(_out: &mut dyn Write, _images: &[Export], _store: &Store) -> Result<(), ArchiveError> {
    todo!()
}

/// Writes a docker archive, which every Docker loads, as a tar.
pub fn save_docker(_out: &mut dyn Write, _images: &[Export], _store: &Store) -> Result<(), ArchiveError> {
    todo!()
}
