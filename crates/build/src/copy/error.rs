//! What goes wrong when files are copied.

use std::io;

use oci::Digest;

use super::remote::GitError;
use super::tree::{Item, ItemKind, Tree};
use crate::context::ContextError;
use crate::fetch::FetchError;

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
    /// The system refused something.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where, relative to the tree's root.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Links in a circle.
    #[error("`{path}` goes through too many symbolic links")]
    TooManyLinks {
        /// The path.
        path: String,
    },
    /// The destination is below something that is no directory.
    #[error("`{path}` is not a directory, so nothing can be copied below it")]
    NotADirectory {
        /// What is no directory.
        path: String,
    },
    /// A directory would take the place of something else.
    #[error("a directory cannot take the place of `{path}`, which is none")]
    DirectoryOverOther {
        /// The destination.
        path: String,
    },
    /// Something would take the place of a directory.
    #[error("a file cannot take the place of the directory `{path}`")]
    OtherOverDirectory {
        /// The destination.
        path: String,
    },
    /// A name in `--chown`, and nothing to look it up in.
    #[error("`{owner}` cannot be looked up: {why}")]
    NoUsers {
        /// The owner as written.
        owner: String,
        /// The reason.
        why: &'static str,
    },
    /// A pattern of `--exclude` or `--parents` that cannot be read.
    #[error("`{patterns}` is not a pattern")]
    Pattern {
        /// The patterns.
        patterns: String,
    },
    /// A download is not what `--checksum` says.
    #[error("`{url}` has the digest {actual}, not {expected}")]
    Checksum {
        /// Where it came from.
        url: String,
        /// The digest that the Dockerfile asks for.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// Something that a layer cannot hold, or this machine cannot make.
    #[error("`{path}` cannot be copied: {why}")]
    Unsupported {
        /// The thing.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// An archive could not be unpacked.
    #[error("cannot unpack `{path}`")]
    Archive {
        /// The archive.
        path: String,
        /// What is wrong with it.
        #[source]
        source: oci::layer::UnpackError,
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

impl CopyError {
    /// The system refused something at a path of a tree.
    pub(super) fn io(action: &'static str, path: &[u8], source: io::Error) -> CopyError {
        CopyError::Io { action, path: super::shown(path), source }
    }

    /// A source is not there; perhaps because the ignore file leaves it out.
    pub(super) fn not_found(tree: Tree<'_>, path: &str) -> CopyError {
        let path = path.trim_matches('/');
        let hint = match (tree, tree.lookup(path.as_bytes())) {
            (_, Ok(Some(Item { kind: ItemKind::Symlink(target), .. }))) => {
                let target = String::from_utf8_lossy(&target).into_owned();
                Some(format!("it is a symbolic link to `{target}`, which is not there"))
            }
            (Tree::Context(context), _) if context.is_left_out(path.as_bytes()) => {
                Some("it is there, but the ignore file leaves it out".to_owned())
            }
            _ => near(tree, path).map(|near| format!("did you mean `{near}`?")),
        };
        CopyError::NotFound { path: path.to_owned(), tree: tree.describe().to_owned(), hint }
    }

    /// Advice, where there is any.
    pub fn hint(&self) -> Option<&str> {
        match self {
            CopyError::NotFound { hint, .. } => hint.as_deref(),
            CopyError::Checksum { .. } => {
                Some("the file has changed upstream; if that is right, change `--checksum`")
            }
            _ => None,
        }
    }
}

/// The name beside a missing one that looks most like it.
fn near(tree: Tree<'_>, path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let beside = tree.list(directory.as_bytes()).ok()?;
    let names: Vec<&str> =
        beside.iter().filter_map(|item| std::str::from_utf8(oci::tree::file_name(&item.path)).ok()).collect();
    let found = dockerfile::suggest::nearest(name, names.iter().copied())?;
    Some(if directory.is_empty() { found.to_owned() } else { format!("{directory}/{found}") })
}
