//! What ADD fetches from elsewhere: files behind URLs and git repositories.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci::Digest;
use oci::digest::{Algorithm, Hasher};
use oci::record::Intake;

use super::CopyError;
use crate::fetch::{Fetch, Fetched};

/// A download larger than this is an accident: no layer could hold it.
const LARGEST_DOWNLOAD: u64 = 256 << 30;

/// How often a download is tried that the network broke.
const ATTEMPTS: usize = 3;

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
    Run(#[source] io::Error),
}

/// A file that was downloaded.
#[derive(Debug)]
pub struct Download {
    /// Where it lies.
    pub file: PathBuf,
    /// The digest of its content.
    pub digest: Digest,
    /// `Last-Modified`, in seconds since 1970.
    pub mtime: Option<i64>,
}

/// Downloads a file and checks it. The intake says what came from where.
pub fn download(
    fetch: &dyn Fetch,
    url: &str,
    checksum: Option<&Digest>,
    file: &Path,
) -> Result<(Download, Intake), CopyError> {
    let algorithm = checksum.map_or(Algorithm::Sha256, Digest::algorithm);
    let mut attempt = 1;
    let (fetched, digest) = loop {
        match attempt_download(fetch, url, algorithm, file) {
            Err(CopyError::Fetch(error)) if error.retryable() && attempt < ATTEMPTS => attempt += 1,
            result => break result?,
        }
    };
    if let Some(expected) = checksum.filter(|expected| **expected != digest) {
        return Err(CopyError::Checksum { url: url.to_owned(), expected: *expected, actual: digest });
    }
    let from = (fetched.final_url != url && !fetched.final_url.is_empty()).then(|| fetched.final_url.clone());
    let intake =
        Intake { url: url.to_owned(), digest: Some(digest), size: fetched.size, from, ..Intake::default() };
    Ok((Download { file: file.to_owned(), digest, mtime: fetched.last_modified }, intake))
}

fn attempt_download(
    fetch: &dyn Fetch,
    url: &str,
    algorithm: Algorithm,
    file: &Path,
) -> Result<(Fetched, Digest), CopyError> {
    let refused = |source| CopyError::Io { action: "write", path: file.display().to_string(), source };
    let mut out = Hashing { file: File::create(file).map_err(refused)?, hasher: Hasher::new(algorithm) };
    let fetched = fetch.fetch(url, &mut out, LARGEST_DOWNLOAD)?;
    Ok((fetched, out.hasher.finish()))
}

struct Hashing {
    file: File,
    hasher: Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
