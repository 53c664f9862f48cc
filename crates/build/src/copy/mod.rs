//! COPY, ADD and WORKDIR, carried out without a sandbox: an overlay upper is written directly.
//!
//! ```text
//!   action ── gather ──> Gathered ── digest ──> part of the step's key
//!                           └─────── apply ───> upper
//! ```
//! Gathering finds what is selected, and downloads; nothing is copied before the cache has been asked.

use std::path::{Path, PathBuf};

use oci::Digest;
use oci::layer::OverlayForm;
use oci::record::Intake;
use oci::tree::View;

use crate::context::{Context, ContextError};
use crate::fetch::{Fetch, FetchError};
use crate::plan::git::GitReference;
use crate::plan::{CopyAction, TreeSource, WorkdirAction};

pub mod users;

/// What the layers below a step show, and where their files lie.
pub struct Snapshot {
    /// The merged view.
    pub view: View,
    /// The layers' directories, bottom first.
    pub directories: Vec<PathBuf>,
}

/// A tree that files are copied from.
#[derive(Clone, Copy)]
pub enum Tree<'a> {
    /// A build context. Its files belong to root.
    Context(&'a Context),
    /// A stage or an image.
    Snapshot(&'a Snapshot),
    /// Nothing.
    Empty,
}

/// Who knows where sources are.
pub trait Sources: Sync {
    /// The tree that a plan names.
    fn tree(&self, source: &TreeSource) -> Result<Tree<'_>, CopyError>;
    /// For URLs.
    fn fetch(&self) -> &dyn Fetch;
    /// Writes the tree of a git repository into a fresh directory and answers with the commit.
    fn git(&self, reference: &GitReference, keep_git_dir: bool, directory: &Path)
    -> Result<String, GitError>;
}

/// A git repository could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Git said no.
    #[error("git {action} failed for `{remote}`: {message}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// The repository.
        remote: String,
        /// Git's last words.
        message: String,
    },
    /// Git could not be started, or its work directory not be used.
    #[error("cannot run git")]
    Run(#[source] std::io::Error),
}

/// What a COPY or ADD selects, all of it at hand.
pub struct Gathered<'a> {
    action: &'a CopyAction,
    intakes: Vec<Intake>,
}

/// Where a step writes.
pub struct Target<'a> {
    /// What is below.
    pub parent: &'a Snapshot,
    /// An empty directory.
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

/// Finds what an action selects; downloads go below `scratch`, a directory that lives as long as the result.
pub fn gather<'a>(
    action: &'a CopyAction,
    sources: &'a dyn Sources,
    scratch: &Path,
) -> Result<Gathered<'a>, CopyError> {
    let _ = (sources, scratch);
    Ok(Gathered { action, intakes: Vec::new() })
}

impl Gathered<'_> {
    /// What was downloaded.
    pub fn intakes(&self) -> &[Intake] {
        &self.intakes
    }

    /// The digest of exactly what is selected: names, kinds, modes, owners, content, and times as far as they reach
    /// the image. Where it lies does not count.
    pub fn digest(&self, epoch: i64) -> Result<Digest, CopyError> {
        let _ = (self.action, epoch);
        todo!()
    }

    /// Writes it into an upper.
    pub fn apply(&self, target: &Target<'_>) -> Result<Applied, CopyError> {
        let _ = target;
        todo!()
    }
}

/// Creates a working directory.
pub fn workdir(action: &WorkdirAction, target: &Target<'_>) -> Result<Applied, CopyError> {
    let _ = (action, target);
    todo!()
}

/// The digest of one path of a tree, for a bind mount; nothing where there is nothing.
pub fn digest_of(tree: Tree<'_>, path: &str, epoch: i64) -> Result<Option<Digest>, CopyError> {
    let _ = (tree, path, epoch);
    todo!()
}

/// Why something cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source is not there.
    #[error("`{path}` is not in {tree}")]
    NotFound {
        /// The source as written.
        path: String,
        /// The tree, in words.
        tree: String,
        /// What may help.
        hint: Option<String>,
    },
    /// A build context could not be read.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A download failed.
    #[error("cannot download a source of ADD")]
    Fetch(#[from] FetchError),
    /// A repository could not be had.
    #[error("cannot fetch a source of ADD")]
    Git(#[from] GitError),
}
