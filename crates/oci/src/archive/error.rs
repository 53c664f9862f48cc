//! What goes wrong with archives.

use std::io;
use std::path::PathBuf;

use crate::Digest;
use crate::layer::UnpackError;
use crate::store::StoreError;

/// An archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive is not what it should be.
    #[error("the archive is no image: {0}")]
    Malformed(String),
    /// A file is not what its name says.
    #[error("`{name}` of the archive has the digest {found}")]
    WrongDigest {
        /// The file.
        name: String,
        /// What it is.
        found: Digest,
    },
    /// A document speaks of something that the archive lacks.
    #[error("the archive lacks `{0}`, which its documents name")]
    Incomplete(String),
    /// A platform could not be chosen: Docker's archives hold one.
    #[error("a docker archive holds one platform, and `{0}` has several")]
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
