//! A registry's content in memory: for tests, and for registries that live as long as their process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use oci::{Descriptor, Digest};

use super::storage::{
    BlobReader, Blobs, FinishError, ManifestEntry, NewBlob, Page, Repositories, StorageError,
};
use crate::Repository;

/// Blobs and repositories in memory.
#[derive(Debug, Default)]
pub struct Memory {
    blobs: Arc<Mutex<BTreeMap<Digest, Bytes>>>,
    repositories: Mutex<BTreeMap<Repository, Content>>,
}

#[derive(Debug, Default)]
struct Content {
    blobs: BTreeSet<Digest>,
    manifests: BTreeMap<Digest, ManifestEntry>,
    tags: BTreeMap<String, Digest>,
}

impl Memory {
    /// Nothing in it.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// All blobs, whichever repository they are in.
    pub fn blobs(&self) -> Vec<(Digest, Bytes)> {
        lock(&self.blobs).iter().map(|(digest, bytes)| (*digest, bytes.clone())).collect()
    }

    fn content<T>(&self, repository: &Repository, look: impl FnOnce(&Content) -> T) -> Option<T> {
        lock(&self.repositories).get(repository).map(look)
    }

    fn change<T>(&self, repository: &Repository, change: impl FnOnce(&mut Content) -> T) -> T {
        change(lock(&self.repositories).entry(repository.clone()).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Blobs for Memory {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        Ok(lock(&self.blobs).get(digest).map(|bytes| bytes.len() as u64))
    }

    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn BlobReader>>, StorageError> {
        Ok(lock(&self.blobs).get(digest).map(|bytes| Box::new(bytes.clone()) as Box<dyn BlobReader>))
    }

    fn create(&self) -> Result<Box<dyn NewBlob>, StorageError> {
        Ok(Box::new(NewInMemory { blobs: self.blobs.clone(), bytes: Vec::new() }))
    }
}

impl BlobReader for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}

struct NewInMemory {
    blobs: Arc<Mutex<BTreeMap<Digest, Bytes>>>,
    bytes: Vec<u8>,
}

impl NewBlob for NewInMemory {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>, expected: &Digest) -> Result<u64, FinishError> {
        let found = Digest::of_with(expected.algorithm(), &self.bytes);
        if found != *expected {
            return Err(FinishError::WrongDigest { expected: *expected, found });
        }
        let size = self.bytes.len() as u64;
        lock(&self.blobs).insert(found, self.bytes.into());
        Ok(size)
    }
}

impl Repositories for Memory {
    fn exists(&self, repository: &Repository) -> Result<bool, StorageError> {
        Ok(lock(&self.repositories).contains_key(repository))
    }

    fn list(&self, page: &Page) -> Result<Vec<String>, StorageError> {
        Ok(page.of(lock(&self.repositories).keys().map(Repository::as_str)))
    }

    fn has_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool, StorageError> {
        Ok(self.content(repository, |content| content.blobs.contains(blob)).unwrap_or(false))
    }

    fn add_blob(&self, repository: &Repository, blob: &Digest) -> Result<(), StorageError> {
        self.change(repository, |content| content.blobs.insert(*blob));
        Ok(())
    }

    fn remove_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool, StorageError> {
        Ok(self.change(repository, |content| content.blobs.remove(blob)))
    }

    fn holders(&self, blob: &Digest, limit: usize) -> Result<Vec<Repository>, StorageError> {
        let all = lock(&self.repositories);
        let holders = all.iter().filter(|(_, content)| content.blobs.contains(blob));
        Ok(holders.take(limit).map(|(name, _)| name.clone()).collect())
    }

    fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<ManifestEntry>, StorageError> {
        Ok(self.content(repository, |content| content.manifests.get(digest).cloned()).flatten())
    }

    fn put_manifest(
        &self,
        repository: &Repository,
        entry: &ManifestEntry,
        tags: &[String],
    ) -> Result<(), StorageError> {
        self.change(repository, |content| {
            let digest = entry.descriptor.digest;
            content.manifests.insert(digest, entry.clone());
            content.tags.extend(tags.iter().map(|tag| (tag.clone(), digest)));
        });
        Ok(())
    }

    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, StorageError> {
        Ok(self.change(repository, |content| {
            content.tags.retain(|_, named| named != digest);
            content.manifests.remove(digest).is_some()
        }))
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, StorageError> {
        let find = |content: &Content| {
            let about = content.manifests.values().filter(|entry| entry.subject.as_ref() == Some(subject));
            about.map(|entry| entry.descriptor.clone()).collect()
        };
        Ok(self.content(repository, find).unwrap_or_default())
    }

    fn tag(&self, repository: &Repository, tag: &str) -> Result<Option<Digest>, StorageError> {
        Ok(self.content(repository, |content| content.tags.get(tag).copied()).flatten())
    }

    fn untag(&self, repository: &Repository, tag: &str) -> Result<bool, StorageError> {
        Ok(self.change(repository, |content| content.tags.remove(tag)).is_some())
    }

    fn tags(&self, repository: &Repository, page: &Page) -> Result<Vec<String>, StorageError> {
        let tags = |content: &Content| page.of(content.tags.keys().map(String::as_str));
        Ok(self.content(repository, tags).unwrap_or_default())
    }
}

impl Page {
    /// This part of a sorted list.
    pub(super) fn of<'a>(&self, sorted: impl Iterator<Item = &'a str>) -> Vec<String> {
        let after = self.after.as_deref();
        let rest = sorted.skip_while(|name| after.is_some_and(|after| *name <= after));
        rest.take(self.limit).map(str::to_owned).collect()
    }
}
