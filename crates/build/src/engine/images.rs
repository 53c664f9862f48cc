//! FROM: images by name, from this store and from OCI layouts. Registries take their place behind the same trait.

use std::path::{Path, PathBuf};

use oci::archive::{Loaded, load_layout};
use oci::store::{Store, StoreError};
use oci::{Digest, Platform, Reference};

use crate::plan::{BaseImage, ImageError, ImageName, Images};

/// The images that a store has, and those in layout directories.
pub struct StoreImages<'a> {
    /// Where images are.
    pub store: &'a Store,
    /// Refuse what only this store has a name for: `--pull`.
    pub pull: bool,
}

impl Images for StoreImages<'_> {
    fn image(&self, name: ImageName<'_>, platform: &Platform) -> Result<BaseImage, ImageError> {
        match name {
            ImageName::Reference(text) => self.by_reference(text, platform),
            ImageName::Layout(text) => self.by_layout(text, platform),
        }
    }
}

impl StoreImages<'_> {
    fn by_reference(&self, name: &str, platform: &Platform) -> Result<BaseImage, ImageError> {
        let reference: Reference = name
            .parse()
            .map_err(|source| ImageError::Name { name: name.to_owned(), source: Box::new(source) })?;
        if self.pull {
            let hint = "`--pull` asks a registry, and this Kapok speaks to none yet; leave it out to use the image that the store has";
            return Err(ImageError::NotFound { name: name.to_owned(), hint: Some(hint.to_owned()) });
        }
        let upstream = |source: StoreError| upstream(name, source);
        match self.store.resolve_reference(&reference).map_err(upstream)? {
            Some(image) => self.by_digest(name, &image.digest, platform),
            None => Err(ImageError::NotFound { name: name.to_owned(), hint: Some(advice(name)) }),
        }
    }

    fn by_layout(&self, text: &str, platform: &Platform) -> Result<BaseImage, ImageError> {
        let (directory, wanted) = split_layout(text);
        let not_found = |hint: String| ImageError::NotFound { name: text.to_owned(), hint: Some(hint) };
        let loaded = load_layout(&directory, self.store)
            .map_err(|source| ImageError::Upstream { name: text.to_owned(), source: Box::new(source) })?;
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
        self.by_digest(text, &digest, platform)
    }

    fn by_digest(&self, name: &str, digest: &Digest, platform: &Platform) -> Result<BaseImage, ImageError> {
        let upstream = |source: StoreError| upstream(name, source);
        let Some(image) = self.store.image(digest, platform).map_err(upstream)? else {
            return Err(ImageError::Platform {
                name: name.to_owned(),
                platform: platform.to_string(),
                available: self.platforms(digest),
            });
        };
        let config = image.config.value().clone();
        let epoch = config.created.as_deref().and_then(oci::time::parse_rfc3339);
        Ok(BaseImage {
            name: name.to_owned(),
            digest: image.descriptor.digest,
            config,
            layers: image.manifest.value().layers.clone(),
            epoch,
        })
    }

    fn platforms(&self, digest: &Digest) -> Vec<String> {
        use oci::store::Document;
        match self.store.document(digest) {
            Ok(Document::Index(index)) => {
                let platforms = index.value().manifests.iter().filter_map(|entry| entry.platform.as_ref());
                platforms.map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn has_tag(image: &Loaded, tag: &str) -> bool {
    image.names.iter().any(|name| name == tag)
        || image.references.iter().any(|reference| reference.tag() == Some(tag))
}

fn upstream(name: &str, source: StoreError) -> ImageError {
    ImageError::Upstream { name: name.to_owned(), source: Box::new(source) }
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
