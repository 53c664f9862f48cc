//! What a server keeps its content in: blobs behind one trait, so that an object store can take their place, and
//! repositories behind another.

use std::error::Error;
use std::fmt;
use std::io;

use oci::{Descriptor, Digest};

use crate::Repository;

/// Something that storage could not do.
#[derive(Debug)]
pub struct StorageError {
    action: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl StorageError {
    /// `action` completes "cannot …".
    pub fn new(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StorageError {
        StorageError { action, source: source.into() }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.action)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A blob that cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The bytes are not what their digest says. They are gone.
    #[error("the content has the digest {found}, not {expected}")]
    WrongDigest {
        /// What was announced.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Blobs by digest. Calls may block; the server makes them from threads that may.
pub trait Blobs: Send + Sync {
    /// A blob's size in bytes, if it is there.
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StorageError>;
    /// A blob for reading, if it is there.
    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn BlobReader>>, StorageError>;
    /// A new blob.
    fn create(&self) -> Result<Box<dyn NewBlob>, StorageError>;
}

/// A blob that is being read.
pub trait BlobReader: Send + Sync {
    /// How many bytes it has.
    fn size(&self) -> u64;
    /// Reads from `offset`; fewer bytes than the buffer has only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A blob that is being written. Dropped before it is finished, it leaves nothing.
pub trait NewBlob: Send {
    /// Takes more bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError>;
    /// Makes it a blob if its digest is `expected`; how many bytes it has.
    fn finish(self: Box<Self>, expected: &Digest) -> Result<u64, FinishError>;
}

/// A manifest or image index of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Media type, digest and size; annotations and artifact type as a list of referrers shows them.
    pub descriptor: Descriptor,
    /// The manifest that this one speaks about.
    pub subject: Option<Digest>,
    /// How many manifests are below each other: 0 for an image, 1 for an index of images.
    pub depth: u32,
}

/// Part of a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what sorts after this.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Which repository has which blobs, manifests and tags.
///
/// What is added here is kept from collection from then on: a manifest with all that it needs until it is deleted, a
/// blob for as long as a push may take ([`Repositories::collect`]).
pub trait Repositories: Send + Sync {
    /// Whether anything was ever pushed to the repository.
    fn exists(&self, repository: &Repository) -> Result<bool, StorageError>;
    /// Names of repositories, sorted.
    fn list(&self, page: &Page) -> Result<Vec<String>, StorageError>;

    /// Whether a blob is in the repository. The answer keeps it there for as long as a push may take.
    fn has_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool, StorageError>;
    /// Puts a blob, which is in [`Blobs`], into the repository.
    fn add_blob(&self, repository: &Repository, blob: &Digest) -> Result<(), StorageError>;
    /// Takes a blob out of the repository; whether it was there.
    fn remove_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool, StorageError>;
    /// Some repositories that have the blob.
    fn holders(&self, blob: &Digest, limit: usize) -> Result<Vec<Repository>, StorageError>;

    /// A manifest of the repository.
    fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<ManifestEntry>, StorageError>;
    /// Adds a manifest, whose bytes are in [`Blobs`], and lets tags name it, in one step.
    fn put_manifest(
        &self,
        repository: &Repository,
        entry: &ManifestEntry,
        tags: &[String],
    ) -> Result<(), StorageError>;
    /// Removes a manifest and the tags that name it; whether it was there.
    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, StorageError>;
    /// Manifests that speak about `subject`, in a stable order.
    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, StorageError>;

    /// What a tag names.
    fn tag(&self, repository: &Repository, tag: &str) -> Result<Option<Digest>, StorageError>;
    /// Removes a tag; whether it was there.
    fn untag(&self, repository: &Repository, tag: &str) -> Result<bool, StorageError>;
    /// Tags of the repository, sorted.
    fn tags(&self, repository: &Repository, page: &Page) -> Result<Vec<String>, StorageError>;
}
