//! FROM: images by name, from this store, from registries and from OCI layouts.
//!
//! A name that the store has means what it means there, and nobody is asked; with `--pull`, and where the store has no
//! such name, its registry is. What it answers is noted down under the name, so that the next build needs no network.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use oci::archive::{Loaded, load_layout};
use oci::store::{Batch, Document, Store, StoreError};
use oci::{Descriptor, Digest, Platform, Reference};

use super::upstream::{Resolved, Upstream};
use crate::plan::{BaseImage, Found, ImageError, ImageName, Images};

/// Hexadecimal digits of an image's id as lists show it, and of a whole one.
const SHORT_ID: usize = 12;
const WHOLE_ID: usize = 64;

/// The images that a store has, those of registries, and those in layout directories. Each is asked for once.
pub struct StoreImages<'a> {
    store: &'a Store,
    upstream: Option<&'a dyn Upstream>,
    /// Ask the registry even if the store has the name: `--pull`.
    pull: bool,
    /// Leave out the layer of an organisation's certificates of what was built here.
    bare: bool,
    answered: Mutex<Answered>,
}

/// What upstream said in this build. A name means the same for all of its platforms, though it may move meanwhile.
#[derive(Default)]
struct Answered {
    images: HashMap<(String, Platform), BaseImage>,
    tops: HashMap<String, Digest>,
}

impl Images for StoreImages<'_> {
    fn image(&self, name: ImageName<'_>, platform: &Platform) -> Result<BaseImage, ImageError> {
        match name {
            ImageName::Reference(text) => self.by_reference(text, platform),
            ImageName::Layout(text) => self.by_layout(text, platform),
        }
    }
}

impl<'a> StoreImages<'a> {
    /// Nothing asked yet.
    pub fn new(store: &'a Store, upstream: Option<&'a dyn Upstream>, pull: bool) -> StoreImages<'a> {
        StoreImages { store, upstream, pull, bare: false, answered: Mutex::default() }
    }

    /// For an image that gets its own layer of certificates: what it is built on comes without one, so that a change of the
    /// certificates runs no step again.
    pub fn bare(self, bare: bool) -> StoreImages<'a> {
        StoreImages { bare, ..self }
    }

    fn by_reference(&self, name: &str, platform: &Platform) -> Result<BaseImage, ImageError> {
        if let Some(image) = self.by_id(name)? {
            return self.by_digest(name, &image.digest, platform, Found::Store);
        }
        let reference: Reference = name
            .parse()
            .map_err(|source| ImageError::Name { name: name.to_owned(), source: Box::new(source) })?;
        let asked = (reference.to_string(), platform.clone());
        if let Some(known) = self.answered().images.get(&asked) {
            return Ok(BaseImage { name: name.to_owned(), ..known.clone() });
        }
        let here = self.store.resolve_reference(&reference).map_err(|source| upstream(name, source))?;
        let image = match here {
            // What a digest names does not move.
            Some(image) if !self.pull || reference.digest().is_some() => {
                match self.by_digest(name, &image.digest, platform, Found::Store) {
                    Err(lacking @ ImageError::Platform { .. }) if self.upstream.is_some() => {
                        // Of an image index, the store has the platforms that somebody asked for.
                        let same = reference.with_digest(image.digest);
                        self.ask(name, &same, platform).map_err(|_| lacking)?
                    }
                    other => return other,
                }
            }
            here => {
                let top = self.answered().tops.get(&reference.to_string()).copied();
                let same = top.map_or_else(|| reference.clone(), |top| reference.with_digest(top));
                self.ask(name, &same, platform).map_err(|error| lacking(error, here.is_some()))?
            }
        };
        self.answered().images.insert(asked, image.clone());
        Ok(image)
    }

    /// The image of the store that this is the id of, or the beginning of its id as lists show it. A whole id is nothing
    /// else: no registry is asked for an image named `sha256`.
    fn by_id(&self, name: &str) -> Result<Option<Descriptor>, ImageError> {
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        if !(SHORT_ID..=WHOLE_ID).contains(&digits.len())
            || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Ok(None);
        }
        let failed = |source| upstream(name, source);
        if digits.len() == WHOLE_ID {
            let found = self.store.resolve(&format!("sha256:{digits}")).map_err(failed)?;
            let hint = || Some("`kapok images --no-trunc` lists the ids of the store's images".to_owned());
            return found
                .map(Some)
                .ok_or_else(|| ImageError::NotFound { name: name.to_owned(), hint: hint() });
        }
        match name.parse::<Reference>() {
            Ok(named) if self.store.resolve_reference(&named).map_err(failed)?.is_some() => Ok(None),
            _ => self.store.resolve(name).map_err(failed),
        }
    }

    /// Asks upstream, and notes down what it says.
    fn ask(&self, name: &str, reference: &Reference, platform: &Platform) -> Result<BaseImage, ImageError> {
        let Some(upstream) = self.upstream else {
            return Err(ImageError::NotFound { name: name.to_owned(), hint: Some(advice(name)) });
        };
        let resolved = upstream.resolve(name, reference, platform).map_err(|error| match error {
            ImageError::NotFound { name, hint: None } => {
                let hint = Some(advice(&name));
                ImageError::NotFound { name, hint }
            }
            ImageError::Upstream { name, source, hint: None } => {
                let hint = Some(advice(&name));
                ImageError::Upstream { name, source, hint }
            }
            other => other,
        })?;
        let place = Found::Registry(resolved.place.clone());
        let image = self.by_digest(name, &resolved.manifest, platform, place)?;
        self.note(reference, &resolved, &image).map_err(|source| self::upstream(name, source))?;
        let asked = reference.with_tag(reference.tag().unwrap_or("latest"));
        let asked = asked.map_or_else(|_| reference.to_string(), |tag| tag.to_string());
        self.answered().tops.insert(asked, resolved.top);
        Ok(image)
    }

    /// Names the image, and says where its layers are.
    fn note(&self, reference: &Reference, resolved: &Resolved, image: &BaseImage) -> Result<(), StoreError> {
        let mut batch = Batch {
            origins: image.layers.iter().map(|layer| (layer.digest, reference.clone())).collect(),
            images: vec![resolved.top],
            ..Batch::default()
        };
        if reference.digest().is_none() {
            batch.tags.push((reference.clone(), resolved.top));
        }
        self.store.commit(&batch)
    }

    fn by_layout(&self, text: &str, platform: &Platform) -> Result<BaseImage, ImageError> {
        let (directory, wanted) = split_layout(text);
        let not_found = |hint: String| ImageError::NotFound { name: text.to_owned(), hint: Some(hint) };
        let loaded = load_layout(&directory, self.store).map_err(|source| ImageError::Upstream {
            name: text.to_owned(),
            source: Box::new(source),
            hint: None,
        })?;
        let found = match &wanted {
            LayoutImage::Digest(digest) => Some(*digest),
            LayoutImage::Tag(tag) => {
                loaded.iter().find(|image| has_tag(image, tag)).map(|image| image.digest)
            }
            LayoutImage::Any => match loaded.as_slice() {
                [only] => Some(only.digest),
                several => several.iter().find(|image| has_tag(image, "latest")).map(|image| image.digest),
            },
        };
        let Some(digest) = found else {
            let names: Vec<String> = loaded.iter().flat_map(|image| &image.names).cloned().collect();
            return Err(not_found(format!("the layout has: {}", names.join(", "))));
        };
        self.by_digest(text, &digest, platform, Found::Layout)
    }

    fn by_digest(
        &self,
        name: &str,
        digest: &Digest,
        platform: &Platform,
        found: Found,
    ) -> Result<BaseImage, ImageError> {
        let upstream = |source: StoreError| upstream(name, source);
        let Some(image) = self.store.image(digest, platform).map_err(upstream)? else {
            return Err(ImageError::Platform {
                name: name.to_owned(),
                platform: platform.to_string(),
                available: self.platforms(digest),
            });
        };
        let mut config = image.config.value().clone();
        let mut layers = image.manifest.value().layers.clone();
        if self.bare && found == Found::Store {
            super::certificates::without(&mut config, &mut layers);
        }
        let epoch = config.created.as_deref().and_then(oci::time::parse_rfc3339);
        Ok(BaseImage {
            name: name.to_owned(),
            digest: image.descriptor.digest,
            config,
            layers,
            epoch,
            found: Some(found),
        })
    }

    fn platforms(&self, digest: &Digest) -> Vec<String> {
        match self.store.document(digest) {
            Ok(Document::Index(index)) => {
                let platforms = index.value().manifests.iter().filter_map(|entry| entry.platform.as_ref());
                platforms.map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        }
    }

    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_tag(image: &Loaded, tag: &str) -> bool {
    image.names.iter().any(|name| name == tag)
        || image.references.iter().any(|reference| reference.tag() == Some(tag))
}

fn upstream(name: &str, source: StoreError) -> ImageError {
    ImageError::Upstream { name: name.to_owned(), source: Box::new(source), hint: None }
}

/// With `--pull`, an image that only the store has is not to be had; that can be helped.
fn lacking(error: ImageError, here: bool) -> ImageError {
    match error {
        ImageError::NotFound { name, .. } if here => {
            let hint = "`--pull` asks the registry alone; leave it out to use the image that the store has";
            ImageError::NotFound { name, hint: Some(hint.to_owned()) }
        }
        other => other,
    }
}

fn advice(name: &str) -> String {
    let repository = name.split([':', '@']).next().unwrap_or(name);
    match repository.rsplit('/').next() {
        Some("debian") => {
            "assemble it from signed packages: `kapok base debian --suite bookworm -t debian:bookworm`"
                .to_owned()
        }
        _ => "`kapok images` lists what the store has, `kapok load` brings an archive in".to_owned(),
    }
}

enum LayoutImage {
    Digest(Digest),
    Tag(String),
    Any,
}

/// `DIRECTORY`, `DIRECTORY:TAG`, `DIRECTORY@DIGEST`.
fn split_layout(text: &str) -> (PathBuf, LayoutImage) {
    if let Some((directory, digest)) = text.rsplit_once('@')
        && let Ok(digest) = digest.parse()
    {
        let directory = directory
            .rsplit_once(':')
            .map_or(directory, |(path, tag)| if tag.contains('/') { directory } else { path });
        return (directory.into(), LayoutImage::Digest(digest));
    }
    match text.rsplit_once(':') {
        Some((directory, tag)) if !tag.contains('/') && !Path::new(text).exists() => {
            (directory.into(), LayoutImage::Tag(tag.to_owned()))
        }
        _ => (text.into(), LayoutImage::Any),
    }
}
