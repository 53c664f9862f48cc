//! Images on their way out of a store, or from one registry to another.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use oci::store::{Document, Store, StoreError};
use oci::{Descriptor, Digest, Reference};

use super::config::{Place, push_place};
use super::error::{PullError, PushError, RequestError};
use super::image::{Kind, Parts, read};
use super::manifests::{RemoteManifest, kind_of};
use super::parallel::for_each;
use super::pull::Platforms;
use super::uploads::{Sent, Source};
use super::{Client, Progress, Transfer};
use crate::{Repository, TagOrDigest};

/// How deep indexes may be nested.
const DEEPEST: usize = 4;

/// What a push may make use of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Repositories of the same registry that may have some of the blobs: those of the bases.
    pub mount_from: Vec<Repository>,
    /// For copies: manifests that speak about the image go along.
    pub with_referrers: bool,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What the reference names now.
    pub top: Descriptor,
    /// Bytes of blobs that were sent; not those that the registry had.
    pub sent: u64,
}

/// Where the blobs of a push come from.
enum Origin<'a> {
    Store(&'a Store),
    Place(&'a Place),
}

impl Client {
    /// Pushes blobs of the store, ahead of the manifest that will name them; the bytes that were sent. A blob that the
    /// store lacks is no error if the registry has it.
    pub fn push_blobs(
        &self,
        store: &Store,
        blobs: &[Descriptor],
        repository: &Reference,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<u64, PushError> {
        let place = push_place(&self.inner.registries, repository)?;
        self.send_blobs(&Origin::Store(store), &place, blobs, options, progress)
    }

    /// Pushes an image or index of the store: blobs first, several at once, what names them last.
    pub fn push(
        &self,
        store: &Store,
        image: &Digest,
        reference: &Reference,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, PushError> {
        let place = push_place(&self.inner.registries, reference)?;
        let mut parts = Parts::default();
        collect(store, image, image, &mut parts, 0)?;
        self.send_parts(&Origin::Store(store), &place, &TagOrDigest::of(reference), &parts, options, progress)
    }

    /// Puts an artifact, whose blobs are in the store and whose manifest speaks about another, beside that one. It is
    /// found by [`Client::referrers`], also on registries that do not know referrers.
    pub fn push_referrer(
        &self,
        store: &Store,
        artifact: &Digest,
        reference: &Reference,
        progress: &dyn Progress,
    ) -> Result<Pushed, PushError> {
        let place = push_place(&self.inner.registries, reference)?;
        let mut parts = Parts::default();
        collect(store, artifact, artifact, &mut parts, 0)?;
        let sent =
            self.send_blobs(&Origin::Store(store), &place, &parts.blobs, &PushOptions::default(), progress)?;
        let top = parts.documents.last().ok_or(StoreError::NoBlob(*artifact))?;
        self.send_referrer(&place, top)?;
        Ok(Pushed { top: top.descriptor.clone(), sent })
    }

    /// Copies what a reference names to another, without keeping any of it here.
    pub fn copy(
        &self,
        from: &Reference,
        to: &Reference,
        platforms: &Platforms,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, PushError> {
        let target = push_place(&self.inner.registries, to)?;
        let (places, parts) = self.parts(from, platforms).map_err(Box::new)?;
        let source = places.first().unwrap_or(&target);
        let pushed = self.copy_parts(source, &target, &TagOrDigest::of(to), &parts, options, progress)?;
        if options.with_referrers {
            for document in &parts.documents {
                self.copy_referrers(source, &target, &document.descriptor.digest, options, progress)?;
            }
        }
        Ok(pushed)
    }

    fn copy_parts(
        &self,
        source: &Place,
        target: &Place,
        name: &TagOrDigest,
        parts: &Parts,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, PushError> {
        let mut options = options.clone();
        if source.registry == target.registry && source.repository != target.repository {
            options.mount_from.insert(0, source.repository.clone());
        }
        self.send_parts(&Origin::Place(source), target, name, parts, &options, progress)
    }

    fn copy_referrers(
        &self,
        source: &Place,
        target: &Place,
        subject: &Digest,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<(), PushError> {
        let found = self.runtime.wait(self.list_referrers(source, subject, None));
        let failed = |error| part(subject, source, error);
        for listed in found.map_err(failed)? {
            let name = TagOrDigest::Digest(listed.digest);
            let manifest = self.runtime.wait(self.get_manifest(source, &name)).map_err(failed)?;
            let mut parts = Parts::default();
            if let Kind::Manifest(read) = read(&listed.digest.to_string(), &manifest).map_err(Box::new)? {
                parts.add_blobs(read.value());
            }
            self.send_blobs(&Origin::Place(source), target, &parts.blobs, options, progress)?;
            self.send_referrer(target, &manifest)?;
        }
        Ok(())
    }

    /// All parts in the order in which a registry takes them. Should it have lost a blob meanwhile, once more.
    fn send_parts(
        &self,
        origin: &Origin<'_>,
        place: &Place,
        name: &TagOrDigest,
        parts: &Parts,
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, PushError> {
        let mut sent = self.send_blobs(origin, place, &parts.blobs, options, progress)?;
        if let Err(error) = self.send_documents(place, name, parts) {
            if !lost_blobs(&error) {
                return Err(error);
            }
            sent += self.send_blobs(origin, place, &parts.blobs, options, progress)?;
            self.send_documents(place, name, parts)?;
        }
        let top = parts.documents.last().map(|document| document.descriptor.clone());
        Ok(Pushed { top: top.unwrap_or_else(|| unreachable!("there is something to push")), sent })
    }

    fn send_documents(&self, place: &Place, name: &TagOrDigest, parts: &Parts) -> Result<(), PushError> {
        let last = parts.documents.len().saturating_sub(1);
        for (index, document) in parts.documents.iter().enumerate() {
            let by_digest = TagOrDigest::Digest(document.descriptor.digest);
            let name = if index == last { name } else { &by_digest };
            let put = self.runtime.wait(self.put_manifest(place, name, document));
            put.map_err(|error| part(name, place, error))?;
        }
        Ok(())
    }

    fn send_blobs(
        &self,
        origin: &Origin<'_>,
        place: &Place,
        blobs: &[Descriptor],
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<u64, PushError> {
        let bytes = AtomicU64::new(0);
        for_each(blobs, self.inner.parallel, |blob| -> Result<(), PushError> {
            let mut source = match origin {
                Origin::Place(from) => Source::Remote(from),
                Origin::Store(_) if blob.size == 0 => Source::Bytes(Bytes::new()),
                Origin::Store(store) => match store.open_blob(&blob.digest) {
                    // The registry may have it.
                    Err(StoreError::NoBlob(_)) => Source::Missing,
                    other => Source::File(other?),
                },
            };
            let mut report = |done| {
                progress.transfer(blob, Transfer::At(done));
                !progress.is_stopped()
            };
            let sending = self.send_blob(place, blob, &mut source, &options.mount_from, &mut report);
            let sent = self.runtime.wait(sending).map_err(|error| match error {
                RequestError::Store(StoreError::NoBlob(missing)) => {
                    PushError::Incomplete { image: blob.digest, missing }
                }
                error => part(&blob.digest, place, error),
            });
            match sent? {
                Sent::Uploaded => {
                    bytes.fetch_add(blob.size, Ordering::Relaxed);
                    progress.transfer(blob, Transfer::Done);
                }
                Sent::Existed | Sent::Mounted => progress.transfer(blob, Transfer::Skipped),
            }
            Ok(())
        })?;
        Ok(bytes.into_inner())
    }

    fn send_referrer(&self, place: &Place, manifest: &RemoteManifest) -> Result<(), PushError> {
        let digest = manifest.descriptor.digest;
        let unreadable = |source| PushError::Document { what: digest.to_string(), source };
        let raw = oci::Raw::<oci::Manifest>::parse(manifest.bytes.clone()).map_err(unreadable)?;
        let value = raw.value();
        let Some(subject) = &value.subject else {
            let name = TagOrDigest::Digest(digest);
            let put = self.runtime.wait(self.put_manifest(place, &name, manifest));
            return put.map(drop).map_err(|error| part(&digest, place, error));
        };
        let mut listed = manifest.descriptor.clone();
        listed.artifact_type = value.artifact_type.clone().or_else(|| Some(value.config.media_type.clone()));
        listed.annotations = value.annotations.clone();
        let put = self.runtime.wait(self.put_referrer(place, manifest, &subject.digest, &listed));
        put.map_err(|error| part(&digest, place, error))
    }
}

/// Everything of the store that belongs to a manifest or index.
fn collect(
    store: &Store,
    image: &Digest,
    digest: &Digest,
    parts: &mut Parts,
    depth: usize,
) -> Result<(), PushError> {
    let bytes = match store.read_blob(digest) {
        Err(StoreError::NoBlob(missing)) => return Err(PushError::Incomplete { image: *image, missing }),
        other => other?,
    };
    match store.document(digest)? {
        Document::Manifest(manifest) => parts.add_blobs(manifest.value()),
        Document::Index(index) if depth < DEEPEST => {
            for child in &index.value().manifests {
                if !parts.has(&child.digest) {
                    collect(store, image, &child.digest, parts, depth + 1)?;
                }
            }
        }
        Document::Index(_) => {
            let size = bytes.len() as u64;
            let source = oci::manifest::DocumentError::TooLarge { size };
            return Err(PushError::Document { what: digest.to_string(), source });
        }
    }
    let descriptor = Descriptor::new(&kind_of(&bytes, None), *digest, bytes.len() as u64);
    parts.add_document(RemoteManifest { descriptor, bytes });
    Ok(())
}

fn lost_blobs(error: &PushError) -> bool {
    let PushError::Part { source, .. } = error else { return false };
    matches!(&**source, RequestError::Status { status: 400 | 404, items, .. }
        if items.iter().any(|item| item.contains("MANIFEST_BLOB_UNKNOWN") || item.contains("BLOB_UNKNOWN")))
}

pub(super) fn part(what: &dyn Display, place: &Place, source: RequestError) -> PushError {
    PushError::Part { part: what.to_string(), place: place.to_string(), source: Box::new(source) }
}

impl From<PullError> for PushError {
    fn from(error: PullError) -> PushError {
        PushError::Source(Box::new(error))
    }
}
