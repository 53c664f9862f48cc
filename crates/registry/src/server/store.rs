//! The store as a registry's content.
//!
//! What a push brings is in the store's repositories. Beside it, whatever the store has tagged can be pulled by its
//! familiar name, and only pulled: `debian` and `library/debian` are `docker.io/library/debian`, `ghcr.io/a/b` is itself.

use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use oci::store::{BlobWriter, Document, RepositoryManifest, Store, StoreError};
use oci::{Descriptor, Digest, Reference};

use super::storage::{
    BlobReader, Blobs, FinishError, ManifestEntry, NewBlob, Page, Repositories, StorageError,
};
use crate::Repository;

/// What a server looked up or received stays out of collection's reach for one to two of these.
const GENERATION: Duration = Duration::from_secs(3600);

/// A store that is served.
///
/// The store leases everything that a process uses until the process ends, and a server may run for a year: so the store
/// is opened anew from time to time, and the leases of the time before last end.
pub struct StoreContent {
    generations: RwLock<Generations>,
    generation: Duration,
}

struct Generations {
    current: Arc<Store>,
    /// Uploads and pushes that began under it may still run.
    _previous: Option<Arc<Store>>,
    since: Instant,
}

impl StoreContent {
    /// Serves this store.
    pub fn new(store: Arc<Store>) -> StoreContent {
        StoreContent::with_generation(store, GENERATION)
    }

    pub(super) fn with_generation(store: Arc<Store>, generation: Duration) -> StoreContent {
        let generations = Generations { current: store, _previous: None, since: Instant::now() };
        StoreContent { generations: RwLock::new(generations), generation }
    }

    fn store(&self) -> Result<Arc<Store>, StorageError> {
        {
            let now = self.generations.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            if now.since.elapsed() < self.generation {
                return Ok(now.current.clone());
            }
        }
        let mut now = self.generations.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if now.since.elapsed() >= self.generation {
            // What is only in the old one's memory must be in the catalog before the new one is asked.
            now.current.commit(&Default::default()).map_err(failed("sync the store"))?;
            let next =
                Store::open(now.current.root(), now.current.form()).map_err(failed("open the store"))?;
            now._previous = Some(std::mem::replace(&mut now.current, Arc::new(next)));
            now.since = Instant::now();
        }
        Ok(now.current.clone())
    }
}

fn failed(action: &'static str) -> impl Fn(StoreError) -> StorageError {
    move |error| StorageError::new(action, error)
}

impl Blobs for StoreContent {
    fn size(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        let store = self.store()?;
        if !store.has_blob(digest).map_err(failed("look for a blob"))? {
            return Ok(None);
        }
        match store.blob_size(digest) {
            Err(StoreError::NoBlob(_)) => Ok(None),
            other => other.map(Some).map_err(failed("look at a blob")),
        }
    }

    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn BlobReader>>, StorageError> {
        let store = self.store()?;
        match store.open_blob(digest) {
            Err(StoreError::NoBlob(_)) => Ok(None),
            Err(error) => Err(StorageError::new("open a blob", error)),
            Ok(file) => {
                let size = file.metadata().map_err(|error| StorageError::new("look at a blob", error))?.len();
                Ok(Some(Box::new(StoredBlob { file, size })))
            }
        }
    }

    fn create(&self) -> Result<Box<dyn NewBlob>, StorageError> {
        let writer = BlobWriter::new(self.store()?).map_err(failed("begin a blob"))?;
        Ok(Box::new(writer))
    }
}

struct StoredBlob {
    file: std::fs::File,
    size: u64,
}

impl BlobReader for StoredBlob {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

impl NewBlob for BlobWriter<Arc<Store>> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_all(bytes).map_err(|error| StorageError::new("write a blob", error))
    }

    fn finish(self: Box<Self>, expected: &Digest) -> Result<u64, FinishError> {
        match self.finish_as(expected) {
            Ok(size) => Ok(size),
            Err(StoreError::WrongDigest { expected, found }) => {
                Err(FinishError::WrongDigest { expected, found })
            }
            Err(error) => Err(StorageError::new("finish a blob", error).into()),
        }
    }
}

impl Repositories for StoreContent {
    fn exists(&self, repository: &Repository) -> Result<bool, StorageError> {
        let store = self.store()?;
        let pushed = store.has_repository(repository.as_str()).map_err(failed("look for a repository"))?;
        Ok(pushed || !Local::of(&store, repository)?.is_empty())
    }

    fn list(&self, page: &Page) -> Result<Vec<String>, StorageError> {
        let store = self.store()?;
        let after = page.after.as_deref().unwrap_or_default();
        let mut names = store.repositories(after, page.limit).map_err(failed("list the repositories"))?;
        let tags = store.tags().map_err(failed("list the names of images"))?;
        let local = tags.into_iter().map(|tag| tag.reference.familiar_name());
        names.extend(local.filter(|name| name.as_str() > after && name.parse::<Repository>().is_ok()));
        names.sort();
        names.dedup();
        names.truncate(page.limit);
        Ok(names)
    }

    fn has_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool, StorageError> {
        let store = self.store()?;
        let there =
            store.repository_has_blob(repository.as_str(), blob).map_err(failed("look for a blob"))?;
        Ok(there || Local::of(&store, repository)?.has_blob(blob)?)
    }

    fn add_blob(&self, repository: &Repository, blob: &Digest) -> Result<(), StorageError> {
        self.store()?.add_repository_blob(repository.as_str(), blob).map_err(failed("add a blob"))
    }

    fn remove_blob(&self, repository: &Repository, blob: &Digest) -> Result<bool, StorageError> {
        self.store()?.remove_repository_blob(repository.as_str(), blob).map_err(failed("remove a blob"))
    }

    fn holders(&self, blob: &Digest, limit: usize) -> Result<Vec<Repository>, StorageError> {
        let found = self.store()?.repositories_with_blob(blob, limit).map_err(failed("look for a blob"))?;
        Ok(found.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<ManifestEntry>, StorageError> {
        let store = self.store()?;
        let found =
            store.repository_manifest(repository.as_str(), digest).map_err(failed("look for a manifest"))?;
        match found {
            Some(RepositoryManifest { descriptor, subject, depth }) => {
                Ok(Some(ManifestEntry { descriptor, subject, depth }))
            }
            None => Local::of(&store, repository)?.manifest(digest),
        }
    }

    fn put_manifest(
        &self,
        repository: &Repository,
        entry: &ManifestEntry,
        tags: &[String],
    ) -> Result<(), StorageError> {
        let ManifestEntry { descriptor, subject, depth } = entry.clone();
        let manifest = RepositoryManifest { descriptor, subject, depth };
        let put = self.store()?.put_repository_manifest(repository.as_str(), &manifest, tags);
        put.map_err(failed("add a manifest"))
    }

    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, StorageError> {
        let removed = self.store()?.remove_repository_manifest(repository.as_str(), digest);
        removed.map_err(failed("remove a manifest"))
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, StorageError> {
        let found = self.store()?.repository_referrers(repository.as_str(), subject);
        found.map_err(failed("list referrers"))
    }

    fn tag(&self, repository: &Repository, tag: &str) -> Result<Option<Digest>, StorageError> {
        let store = self.store()?;
        match store.repository_tag(repository.as_str(), tag).map_err(failed("look for a tag"))? {
            Some(digest) => Ok(Some(digest)),
            None => Ok(Local::of(&store, repository)?.tag(tag)),
        }
    }

    fn untag(&self, repository: &Repository, tag: &str) -> Result<bool, StorageError> {
        self.store()?.remove_repository_tag(repository.as_str(), tag).map_err(failed("remove a tag"))
    }

    fn tags(&self, repository: &Repository, page: &Page) -> Result<Vec<String>, StorageError> {
        let store = self.store()?;
        let after = page.after.as_deref().unwrap_or_default();
        let own = store.repository_tags(repository.as_str(), after, page.limit);
        let mut tags = own.map_err(failed("list tags"))?;
        let local = Local::of(&store, repository)?;
        tags.extend(local.tags().filter(|tag| *tag > after).map(str::to_owned));
        tags.sort();
        tags.dedup();
        tags.truncate(page.limit);
        Ok(tags)
    }
}

/// What the store itself has under a name.
struct Local<'a> {
    store: &'a Store,
    tags: Vec<(String, Descriptor)>,
}

impl Local<'_> {
    fn of<'a>(store: &'a Store, repository: &Repository) -> Result<Local<'a>, StorageError> {
        let Ok(reference) = repository.as_str().parse::<Reference>() else {
            return Ok(Local { store, tags: Vec::new() });
        };
        let name = reference.name();
        let all = store.tags().map_err(failed("list the names of images"))?;
        let mine = all.into_iter().filter(|tag| tag.reference.name() == name);
        let tags = mine.filter_map(|tag| Some((tag.reference.tag()?.to_owned(), tag.image))).collect();
        Ok(Local { store, tags })
    }

    fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(|(tag, _)| tag.as_str())
    }

    fn tag(&self, wanted: &str) -> Option<Digest> {
        self.tags.iter().find(|(tag, _)| tag == wanted).map(|(_, image)| image.digest)
    }

    fn manifest(&self, wanted: &Digest) -> Result<Option<ManifestEntry>, StorageError> {
        for (_, image) in &self.tags {
            if image.digest == *wanted {
                let depth = u32::from(image.is_index());
                return Ok(Some(ManifestEntry { descriptor: image.clone(), subject: None, depth }));
            }
            if let Some(Document::Index(index)) = self.document(image)? {
                let entry = index.value().manifests.iter().find(|entry| entry.digest == *wanted);
                if let Some(entry) = entry
                    && self.store.has_blob(wanted).map_err(failed("look for a manifest"))?
                {
                    let descriptor = Descriptor::new(&entry.media_type, entry.digest, entry.size);
                    return Ok(Some(ManifestEntry { descriptor, subject: None, depth: 0 }));
                }
            }
        }
        Ok(None)
    }

    fn has_blob(&self, wanted: &Digest) -> Result<bool, StorageError> {
        for (_, image) in &self.tags {
            let names = match self.document(image)? {
                Some(Document::Index(index)) => {
                    let mut named = false;
                    for entry in &index.value().manifests {
                        named = named || self.names(entry, wanted)?;
                    }
                    named
                }
                Some(Document::Manifest(_)) => self.names(image, wanted)?,
                None => false,
            };
            if names {
                return self.store.has_blob(wanted).map_err(failed("look for a blob"));
            }
        }
        Ok(false)
    }

    fn names(&self, manifest: &Descriptor, wanted: &Digest) -> Result<bool, StorageError> {
        let Some(Document::Manifest(manifest)) = self.document(manifest)? else { return Ok(false) };
        let manifest = manifest.value();
        Ok(manifest.config.digest == *wanted || manifest.layers.iter().any(|layer| layer.digest == *wanted))
    }

    /// A document; none if it is not here: an index may name images for machines that nobody has.
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Document>, StorageError> {
        match self.store.document(&descriptor.digest) {
            Ok(document) => Ok(Some(document)),
            Err(StoreError::NoBlob(_)) => Ok(None),
            Err(error) => Err(StorageError::new("read a manifest", error)),
        }
    }
}
