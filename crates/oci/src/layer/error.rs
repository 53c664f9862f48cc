//! What goes wrong between a layer's forms.

use std::io;

use crate::tree::IndexError;

/// A directory could not be read, treated, indexed or written as a tar.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The system refused something.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where, relative to the layer's root.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Something that a layer cannot hold.
    #[error("`{path}` cannot be in a layer: {why}")]
    Unrepresentable {
        /// Where.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// A file is not what the index says: somebody changed it meanwhile.
    #[error("`{path}` changed while it was read")]
    Changed {
        /// Where.
        path: String,
    },
    /// Somebody said that it is not wanted any more.
    #[error("the layer is not wanted any more")]
    Stopped,
    /// The output could not be written.
    #[error("cannot write the layer's tar")]
    Output(#[source] io::Error),
    /// The entries make no index.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// An archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive could not be read: truncated, damaged, or its source failed.
    #[error("cannot read the archive")]
    Input(#[source] io::Error),
    /// Bytes that are no tar.
    #[error("the archive is damaged at byte {offset}: {why}")]
    Malformed {
        /// Where in the uncompressed archive.
        offset: u64,
        /// The reason.
        why: &'static str,
    },
    /// An entry that would harm: it leaves the tree, or says what only overlayfs may say.
    #[error("the archive's `{path}` is refused: {why}")]
    Refused {
        /// The entry's name.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// More than any honest archive holds.
    #[error("the archive has more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// The directory could not be written.
    #[error(transparent)]
    Tree(#[from] TreeError),
}
