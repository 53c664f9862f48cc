//! Committed files: their names, and the loader that they come through.

use std::io;

use super::Facts;

/// Files of a repository, handed in. Paths are relative to the repository's root, with `/`.
pub trait Files {
    /// All paths, sorted; what git ignores is left out.
    fn list(&self) -> &[String];
    /// A file's bytes; nothing where there is none.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;
}

/// A file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedFile {
    /// Relative to the repository's root.
    pub path: String,
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    facts.files = files.list().iter().map(|path| CommittedFile { path: path.clone() }).collect();
}
