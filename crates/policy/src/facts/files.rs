//! Committed files: their names.

pub use project::Files;

use super::Facts;

/// A file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedFile {
    /// Relative to the repository's root.
    pub path: String,
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    facts.files = files.list().iter().map(|path| CommittedFile { path: path.clone() }).collect();
}
