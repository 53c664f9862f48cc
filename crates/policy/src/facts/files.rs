//! Committed files: their names.

use std::collections::BTreeSet;

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

/// Requirement files that hold digests, which makes pip ask for one of every package.
pub(super) fn hashed_requirements(files: &dyn Files) -> BTreeSet<String> {
    let named = files.list().iter().filter(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.contains("requirement") && (name.ends_with(".txt") || name.ends_with(".lock"))
    });
    let hashed = named.filter(|path| {
        let bytes = files.read(path).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains("--hash=")
    });
    hashed.cloned().collect()
}
