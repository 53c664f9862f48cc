//! What goes wrong in a store.

use std::io;
use std::path::PathBuf;

use crate::layer::{TreeError, UnpackError};
use crate::manifest::DocumentError;
use crate::tree::IndexError;
use crate::{Digest, LayerId};

/// An operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store's place cannot hold one.
    #[error("the store cannot be in `{path}`: {why}")]
    Unsuitable {
        /// Where it was to be.
        path: PathBuf,
        /// The reason, in words for the user.
        why: &'static str,
    },
    /// Written by a newer Kapok.
    #[error("the store in `{path}` has format {found}, this Kapok knows {known}")]
    Format {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: i64,
        /// What this program writes.
        known: i64,
    },
    /// A root's store opened by a user, or the other way round.
    #[error("the store in `{path}` was made by {made_by}, and cannot be used otherwise")]
    OtherForm {
        /// Where.
        path: PathBuf,
        /// `root` or `an ordinary user`.
        made_by: &'static str,
    },
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
    /// The catalog failed.
    #[error("the store's catalog failed")]
    Catalog(#[source] rusqlite::Error),
    /// A blob that should be there is not.
    #[error("the store has no blob {0}")]
    NoBlob(Digest),
    /// A layer that should be there is not.
    #[error("the store has no layer {0}")]
    NoLayer(LayerId),
    /// Bytes that are not what their digest says.
    #[error("the content has the digest {found}, not {expected}")]
    WrongDigest {
        /// What was announced.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// More or fewer bytes than announced.
    #[error("{digest} has {found} bytes, not {expected}")]
    WrongSize {
        /// Of what.
        digest: Digest,
        /// What was announced.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A manifest, index or configuration cannot be read.
    #[error("{digest} cannot be read")]
    Document {
        /// Which.
        digest: Digest,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// Several images begin with this id.
    #[error("`{0}` is the beginning of several image ids")]
    Ambiguous(String),
    /// A name for nothing.
    #[error("the store has no image `{0}`")]
    NoImage(String),
    /// A layer's directory failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A layer's archive failed.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A layer's index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        StoreError::Catalog(error)
    }
}

/// Says what was tried where.
pub(super) fn io<E: Into<io::Error>>(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(E) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::Io { action, path, source: error.into() }
}
