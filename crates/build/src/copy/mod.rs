//! COPY, ADD and WORKDIR, carried out without a sandbox: an overlay upper is written directly.
//!
//! ```text
//!   action ── gather ──> Gathered ── digest ──> part of the step's key
//!                           └─────── apply ───> upper
//! ```
//! Gathering finds what is selected, and downloads; nothing is copied before the cache has been asked. What the result
//! looks like is what BuildKit's `COPY` and `ADD` make, down to the owner of a directory made on the way.

mod apply;
mod archive;
mod attributes;
mod digest;
mod error;
mod gather;
mod remote;
mod select;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;
mod upper;
pub mod users;

use std::path::Path;

use oci::Digest;
use oci::layer::OverlayForm;

use crate::fetch::Fetch;
use crate::plan::TreeSource;
use crate::plan::git::GitReference;

pub use apply::{copy_path, workdir};
pub use error::CopyError;
pub use gather::{Gathered, gather};
pub use remote::GitError;
pub use tree::{Snapshot, Tree};

/// Who knows where sources are.
pub trait Sources: Sync {
    /// The tree that a plan names.
    fn tree(&self, source: &TreeSource) -> Result<Tree<'_>, CopyError>;
    /// For URLs.
    fn fetch(&self) -> &dyn Fetch;
    /// Writes the tree of a git repository, or the directory of it that the reference names, into a fresh directory,
    /// and answers with the commit.
    fn git(&self, reference: &GitReference, keep_git_dir: bool, directory: &Path)
    -> Result<String, GitError>;
}

/// Where a step writes.
pub struct Target<'a> {
    /// What is below.
    pub parent: &'a Snapshot,
    /// An empty directory. What is unpacked stands beside it for a while.
    pub upper: &'a Path,
    /// How whiteouts and opaque directories are marked.
    pub form: OverlayForm,
    /// What new directories have as their time: seconds since 1970.
    pub epoch: i64,
    /// How many threads copy.
    pub threads: usize,
}

/// What carrying out an action said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The digest of one path of a tree and everything below it, for a bind mount; nothing where there is nothing. Links on
/// the way are followed.
pub fn digest_of(tree: Tree<'_>, path: &str, epoch: i64) -> Result<Option<Digest>, CopyError> {
    let path = tree.resolve(path.as_bytes(), true)?;
    let Some(root) = tree.lookup(&path)? else { return Ok(None) };
    let selected = gather::select(tree, root, Vec::new(), &select::Filter::default())?;
    let mut digest = digest::SelectionDigest::new(epoch);
    digest.selection(tree, &selected, false)?;
    Ok(Some(digest.finish()))
}

/// A path as messages show it.
fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path).trim_start_matches('/'))
}
