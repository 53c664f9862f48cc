//! Signatures of the store.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::layer::{Compression, OverlayForm};
use crate::record::{Key, Record};
use crate::store::{Batch, NewBuild, StoreError};
use crate::tree::PathIndex;
use crate::{
    Descriptor, DiffId, Digest, ImageConfig, ImageIndex, LayerId, Manifest, Platform, Raw, Reference,
};

/// A store, open. Shared by the threads of a process; several processes may open the same one.
pub struct Store {
    root: PathBuf,
    form: OverlayForm,
}

/// A new blob while it is written; it vanishes unless finished.
pub struct BlobWriter<'a> {
    _store: &'a Store,
}

/// A directory for one step, on the store's file system: `upper/` and `work/` for an overlay, and room for other things.
/// It is removed when dropped.
pub struct WorkDir {
    path: PathBuf,
}

/// A layer of the store.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it is.
    pub id: LayerId,
    /// Its directory, an overlay lower; nobody may change it.
    pub directory: PathBuf,
    /// What is in it.
    pub index: Arc<PathIndex>,
}

/// A layer's blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerBlob {
    /// Of the uncompressed tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub descriptor: Descriptor,
}

/// The result of a step that ran before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedStep {
    /// Its record, a blob.
    pub record: Digest,
    /// The layer that it made.
    pub layer: Option<LayerId>,
}

/// A name and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The name, with a tag and without a digest.
    pub reference: Reference,
    /// Manifest or image index.
    pub image: Descriptor,
}

/// An image as a list of images shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSummary {
    /// Manifest or image index.
    pub image: Descriptor,
    /// The configuration's digest, Docker's image id; for an index, the index's own.
    pub id: Digest,
    /// All names it has.
    pub tags: Vec<Reference>,
    /// `created` of its configuration.
    pub created: Option<String>,
    /// Bytes of its blobs.
    pub size: u64,
    /// The platforms it is for.
    pub platforms: Vec<Platform>,
}

/// An image for one platform, with its documents.
#[derive(Clone, Debug)]
pub struct Image {
    /// Of the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Raw<Manifest>,
    /// The configuration.
    pub config: Raw<ImageConfig>,
}

/// What a manifest's digest names.
#[derive(Clone, Debug)]
pub enum Document {
    /// One image.
    Manifest(Raw<Manifest>),
    /// One image for several platforms.
    Index(Raw<ImageIndex>),
}

/// What collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Blobs removed.
    pub blobs: u64,
    /// Layers removed.
    pub layers: u64,
    /// Step results forgotten.
    pub steps: u64,
    /// Files and directories that belonged to nothing.
    pub orphans: u64,
    /// Bytes freed.
    pub freed: u64,
    /// Bytes that remain.
    pub kept: u64,
}

/// What verification found; clean when there is no finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Blobs read.
    pub blobs: u64,
    /// Layers read.
    pub layers: u64,
    /// What is wrong, one line each.
    pub findings: Vec<String>,
    /// Files that belong to nothing; collection removes them.
    pub orphans: Vec<PathBuf>,
}

#[allow(missing_docs, unused_variables, reason = "signatures first; the bodies follow")]
impl Store {
    pub fn open(root: &Path, form: OverlayForm) -> Result<Store, StoreError> {
        todo!()
    }
    pub fn root(&self) -> &Path {
        &self.root
    }
    pub fn form(&self) -> OverlayForm {
        self.form
    }
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        todo!()
    }
    pub fn blob_writer(&self) -> Result<BlobWriter<'_>, StoreError> {
        todo!()
    }
    /// Takes a blob in, and refuses it unless digest and size are as announced.
    pub fn import_blob(&self, input: &mut dyn Read, announced: &Descriptor) -> Result<(), StoreError> {
        todo!()
    }
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        todo!()
    }
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        todo!()
    }
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        todo!()
    }
    /// A small blob, verified.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        todo!()
    }
    pub fn work_dir(&self) -> Result<WorkDir, StoreError> {
        todo!()
    }
    /// Makes the work directory's `upper` a layer. The same layer twice is one.
    pub fn commit_layer(&self, work: WorkDir, index: PathIndex) -> Result<LayerId, StoreError> {
        todo!()
    }
    pub fn layer(&self, id: &LayerId) -> Result<Option<Layer>, StoreError> {
        todo!()
    }
    /// The blob that [`Store::pack_layer`] made of a layer; never one that was imported, whose tar may have another form.
    pub fn layer_blob(
        &self,
        id: &LayerId,
        compression: Compression,
    ) -> Result<Option<LayerBlob>, StoreError> {
        todo!()
    }
    /// The layer's blob; made now if it is not there yet.
    pub fn pack_layer(
        &self,
        id: &LayerId,
        compression: Compression,
        level: Option<u32>,
        threads: usize,
    ) -> Result<LayerBlob, StoreError> {
        todo!()
    }
    pub fn layer_by_diff_id(&self, diff_id: &DiffId) -> Result<Option<LayerId>, StoreError> {
        todo!()
    }
    pub fn layer_by_blob(&self, blob: &Digest) -> Result<Option<(LayerId, DiffId)>, StoreError> {
        todo!()
    }
    /// Unpacks a layer's blob, which is in the store, unless that was done before.
    pub fn import_layer(
        &self,
        blob: &Descriptor,
        expected: Option<&DiffId>,
    ) -> Result<(LayerId, DiffId), StoreError> {
        todo!()
    }
    pub fn step(&self, key: &Key) -> Result<Option<CachedStep>, StoreError> {
        todo!()
    }
    pub fn record(&self, digest: &Digest) -> Result<Record, StoreError> {
        todo!()
    }
    /// Stores the record as a blob.
    pub fn put_record(&self, record: &Record) -> Result<Digest, StoreError> {
        todo!()
    }
    /// One `syncfs`, one transaction: all blobs and layers of this process so far, and the batch.
    pub fn sync_and_commit(&self, batch: &Batch) -> Result<(), StoreError> {
        todo!()
    }
    /// The image that a name, a digest, or the beginning of an id means.
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, StoreError> {
        todo!()
    }
    pub fn resolve_reference(&self, reference: &Reference) -> Result<Option<Descriptor>, StoreError> {
        todo!()
    }
    pub fn document(&self, digest: &Digest) -> Result<Document, StoreError> {
        todo!()
    }
    /// The image for a platform: of an index the manifest that serves it best.
    pub fn image(&self, digest: &Digest, platform: &Platform) -> Result<Option<Image>, StoreError> {
        todo!()
    }
    pub fn tag(&self, reference: &Reference, image: &Digest) -> Result<(), StoreError> {
        todo!()
    }
    /// Whether there was such a tag.
    pub fn untag(&self, reference: &Reference) -> Result<bool, StoreError> {
        todo!()
    }
    /// Forgets an image and all its tags, which it returns.
    pub fn remove_image(&self, image: &Digest) -> Result<Vec<Reference>, StoreError> {
        todo!()
    }
    pub fn tags(&self) -> Result<Vec<Tag>, StoreError> {
        todo!()
    }
    pub fn images(&self) -> Result<Vec<ImageSummary>, StoreError> {
        todo!()
    }
    /// Newest first.
    pub fn builds(&self, limit: usize) -> Result<Vec<NewBuild>, StoreError> {
        todo!()
    }
    pub fn build(&self, id_prefix: &str) -> Result<Option<NewBuild>, StoreError> {
        todo!()
    }
    /// Where a build's logs are written while it runs.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }
    /// A place for caches that may vanish at any time: stat caches of contexts, cache mounts.
    pub fn cache_dir(&self, name: &str) -> Result<PathBuf, StoreError> {
        todo!()
    }
    /// Removes what neither a tag nor a step result within `budget` bytes needs. `None`: all step results stay.
    pub fn gc(&self, budget: Option<u64>) -> Result<GcReport, StoreError> {
        todo!()
    }
    /// Reads everything and compares it with what its names say.
    pub fn verify(&self, threads: usize) -> Result<VerifyReport, StoreError> {
        todo!()
    }
}

#[allow(missing_docs, reason = "signatures first; the bodies follow")]
impl WorkDir {
    pub fn path(&self) -> &Path {
        &self.path
    }
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }
}

#[allow(missing_docs, reason = "signatures first; the bodies follow")]
impl BlobWriter<'_> {
    pub fn finish(self) -> Result<(Digest, u64), StoreError> {
        todo!()
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        todo!()
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
