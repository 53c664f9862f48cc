//! Images on their way into a store.

use std::io::{self, Write};

use oci::store::{Store, StoreError};
use oci::{Descriptor, ImageIndex, Platform, Raw, Reference};

use super::blobs::wrong_digest;
use super::config::{Place, pull_places};
use super::error::{PullError, RequestError};
use super::image::{Kind, Parts, RemoteImage, read};
use super::manifests::RemoteManifest;
use super::parallel::for_each;
use super::{Client, Progress, Transfer};
use crate::TagOrDigest;

/// Bytes of a configuration.
const CONFIG_LIMIT: u64 = oci::manifest::DOCUMENT_LIMIT;

/// How deep indexes may be nested.
const DEEPEST: usize = 4;

/// Which images of an index are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// The one that serves this platform best.
    One(Platform),
    /// All of them.
    All,
}

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// What the reference names: an index, or a manifest.
    pub top: Descriptor,
    /// The manifests whose parts are in the store now.
    pub manifests: Vec<Descriptor>,
}

impl Client {
    /// Finds the image for a platform, and fetches its documents; not its layers.
    pub fn image(&self, reference: &Reference, platform: &Platform) -> Result<RemoteImage, PullError> {
        let name = reference.familiar();
        let (places, top) = self.locate(reference)?;
        let (index, top) = match read(&name, &top)? {
            Kind::Manifest(_) => (None, top),
            Kind::Index(index) => {
                let chosen = choose(&name, index.value(), platform)?.clone();
                (Some(top), self.child(&name, &places, &chosen)?)
            }
        };
        let Kind::Manifest(manifest) = read(&name, &top)? else {
            let media_type = crate::Redacted::foreign(&top.descriptor.media_type);
            return Err(PullError::NoImage { reference: name, media_type });
        };
        let config = manifest.value().config.clone();
        if config.size > CONFIG_LIMIT {
            let source = oci::manifest::DocumentError::TooLarge { size: config.size };
            return Err(PullError::Document { what: config.digest.to_string(), source });
        }
        let bytes = self
            .at_places(&name, &places, &config, |place| self.runtime.wait(self.get_blob(place, &config)))?;
        let unreadable = |source| PullError::Document { what: config.digest.to_string(), source };
        let config = Raw::parse(bytes).map_err(unreadable)?;
        Ok(RemoteImage {
            reference: reference.clone(),
            index,
            descriptor: top.descriptor,
            manifest: *manifest,
            config,
            places,
        })
    }

    /// Puts an image's documents into the store: everything but its layers.
    pub fn store_documents(&self, image: &RemoteImage, store: &Store) -> Result<(), PullError> {
        let manifest = image.manifest.value();
        import(store, &manifest.config, image.config.bytes())?;
        import(store, &image.descriptor, image.manifest.bytes())?;
        if let Some(index) = &image.index {
            import(store, &index.descriptor, &index.bytes)?;
        }
        Ok(())
    }

    /// Fetches blobs of an image, which the store lacks, several at once.
    pub fn fetch(
        &self,
        image: &RemoteImage,
        blobs: &[Descriptor],
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<(), PullError> {
        self.fetch_blobs(&image.reference.familiar(), &image.places, blobs, store, progress)
    }

    /// Fetches blobs of a repository, which the store lacks, several at once; the reference's tag and digest are not
    /// looked at.
    pub fn fetch_from(
        &self,
        repository: &Reference,
        blobs: &[Descriptor],
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<(), PullError> {
        let Some(first) = blobs.first() else { return Ok(()) };
        // Mirrors for digests are meant: a blob is asked for by its own.
        let by_digest = repository.with_digest(first.digest);
        let places = pull_places(&self.inner.registries, &by_digest)?;
        self.fetch_blobs(&repository.familiar_name(), &places, blobs, store, progress)
    }

    /// Brings what a reference names into a store. It has no name there yet: see [`Store::tag`].
    pub fn pull(
        &self,
        reference: &Reference,
        platforms: &Platforms,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<Pulled, PullError> {
        match platforms {
            Platforms::One(platform) => {
                let image = self.image(reference, platform)?;
                self.fetch(&image, &image.manifest.value().layers, store, progress)?;
                self.store_documents(&image, store)?;
                Ok(Pulled { top: image.top().clone(), manifests: vec![image.descriptor] })
            }
            Platforms::All => {
                let (places, parts) = self.parts(reference, platforms)?;
                self.fetch_blobs(&reference.familiar(), &places, &parts.blobs, store, progress)?;
                for document in &parts.documents {
                    import(store, &document.descriptor, &document.bytes)?;
                }
                let mut all: Vec<Descriptor> =
                    parts.documents.iter().map(|document| document.descriptor.clone()).collect();
                let top =
                    all.last().cloned().unwrap_or_else(|| unreachable!("the reference names something"));
                all.retain(Descriptor::is_manifest);
                Ok(Pulled { top, manifests: all })
            }
        }
    }

    /// Everything that belongs to what a reference names. With one platform, only its manifest, without the index.
    pub(super) fn parts(
        &self,
        reference: &Reference,
        platforms: &Platforms,
    ) -> Result<(Vec<Place>, Parts), PullError> {
        let name = reference.familiar();
        let (places, mut top) = self.locate(reference)?;
        if let Platforms::One(platform) = platforms
            && let Kind::Index(index) = read(&name, &top)?
        {
            top = self.child(&name, &places, &choose(&name, index.value(), platform)?.clone())?;
        }
        let mut parts = Parts::default();
        self.collect(&name, &places, top, &mut parts, 0)?;
        Ok((places, parts))
    }

    fn collect(
        &self,
        name: &str,
        places: &[Place],
        document: RemoteManifest,
        parts: &mut Parts,
        depth: usize,
    ) -> Result<(), PullError> {
        match read(name, &document)? {
            Kind::Manifest(manifest) => parts.add_blobs(manifest.value()),
            Kind::Index(_) if depth >= DEEPEST => {
                let media_type = crate::Redacted::foreign("an index nested too deep");
                return Err(PullError::NoImage { reference: name.to_owned(), media_type });
            }
            Kind::Index(index) => {
                for child in &index.value().manifests {
                    if !parts.has(&child.digest) {
                        let child = self.child(name, places, child)?;
                        self.collect(name, places, child, parts, depth + 1)?;
                    }
                }
            }
        }
        parts.add_document(document);
        Ok(())
    }

    /// A manifest that an index names.
    fn child(&self, name: &str, places: &[Place], wanted: &Descriptor) -> Result<RemoteManifest, PullError> {
        let by_digest = TagOrDigest::Digest(wanted.digest);
        self.at_places(name, places, wanted, |place| self.runtime.wait(self.get_manifest(place, &by_digest)))
    }

    pub(super) fn fetch_blobs(
        &self,
        name: &str,
        places: &[Place],
        blobs: &[Descriptor],
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<(), PullError> {
        for_each(blobs, self.inner.parallel, |blob| {
            if store.has_blob(&blob.digest)? {
                progress.transfer(blob, Transfer::Skipped);
                return Ok(());
            }
            self.at_places(name, places, blob, |place| {
                let mut writer = Stoppable { out: store.blob_writer()?, progress };
                let mut report = |done| progress.transfer(blob, Transfer::At(done));
                self.runtime.wait(self.receive_blob(place, blob, &mut writer, &mut report))?;
                writer.out.finish_as(&blob.digest).map_err(|error| match error {
                    // Another place may have the right bytes.
                    StoreError::WrongDigest { found, .. } => wrong_digest(place, blob, found),
                    error => error.into(),
                })
            })?;
            progress.transfer(blob, Transfer::Done);
            Ok(())
        })
    }

    /// A part of an image from the first place that has it unharmed.
    fn at_places<T>(
        &self,
        name: &str,
        places: &[Place],
        part: &Descriptor,
        fetch: impl Fn(&Place) -> Result<T, RequestError>,
    ) -> Result<T, PullError> {
        let mut first = None;
        for place in places {
            match fetch(place) {
                Ok(found) => return Ok(found),
                // Our own disk is no better with another mirror.
                Err(error @ (RequestError::Store(_) | RequestError::Io { .. })) => {
                    first = Some(error);
                    break;
                }
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
        let source = first.unwrap_or_else(|| unreachable!("an image was found in at least one place"));
        Err(PullError::Part {
            part: part.digest.to_string(),
            reference: name.to_owned(),
            source: Box::new(source),
        })
    }
}

/// Takes bytes until somebody says stop.
struct Stoppable<'a, W> {
    out: W,
    progress: &'a dyn Progress,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.progress.is_stopped() {
            true => Err(io::Error::other("it was stopped")),
            false => self.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn import(store: &Store, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), StoreError> {
    // The size by which an index calls a manifest may be wrong without harm; the digest decides.
    let announced = Descriptor::new(&descriptor.media_type, descriptor.digest, bytes.len() as u64);
    store.import_blob(&mut &bytes[..], &announced)
}

fn choose<'a>(name: &str, index: &'a ImageIndex, platform: &Platform) -> Result<&'a Descriptor, PullError> {
    index.select(platform).ok_or_else(|| {
        let all = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
        let all: Vec<String> =
            all.map(ToString::to_string).filter(|platform| !platform.starts_with("unknown")).collect();
        PullError::Platform {
            reference: name.to_owned(),
            platform: platform.to_string(),
            available: all.join(", "),
        }
    })
}
