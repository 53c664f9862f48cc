//! Images and their names.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::catalog::{begin, exists, parse};
use super::leases::Leased;
use super::{Batch, Store, StoreError};
use crate::descriptor::media_type;
use crate::{Descriptor, Digest, ImageConfig, ImageIndex, Manifest, Platform, Raw, Reference};

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
    /// `created` of its configuration; of an index, the latest of its images.
    pub created: Option<String>,
    /// Bytes of its layers' blobs; of an index, of all its images that are there.
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
    Manifest(Box<Raw<Manifest>>),
    /// One image for several platforms.
    Index(Raw<ImageIndex>),
}

/// A row of an image.
pub(super) struct NewImage {
    pub digest: Digest,
    media_type: String,
    size: u64,
    config: Option<Digest>,
}

/// A tag without a digest: that is decided by the row.
pub(super) fn tag_text(reference: &Reference) -> String {
    let tag = reference.tag().unwrap_or("latest");
    format!("{}:{tag}", reference.name())
}

impl Store {
    /// The image that a name, a digest, or the beginning of an id means; Docker's order.
    pub fn resolve(&self, name: &str) -> Result<Option<Descriptor>, StoreError> {
        if let Ok(digest) = name.parse::<Digest>() {
            return self.by_id_prefix(&digest.hex(), Some(digest));
        }
        if let Ok(reference) = name.parse::<Reference>()
            && let Some(found) = self.resolve_reference(&reference)?
        {
            return Ok(Some(found));
        }
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        let hexadecimal = prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if prefix.is_empty() || prefix.len() > 64 || !hexadecimal {
            return Ok(None);
        }
        self.by_id_prefix(prefix, None)
    }

    /// The image that a name means. One with a digest means that image, if it is there, whatever its tag says.
    pub fn resolve_reference(&self, reference: &Reference) -> Result<Option<Descriptor>, StoreError> {
        if let Some(digest) = reference.digest() {
            return self.by_id_prefix(&digest.hex(), Some(*digest));
        }
        let found = {
            let connection = self.connection();
            let query = "SELECT digest FROM tags WHERE reference = ?1";
            let mut statement = connection.prepare_cached(query)?;
            statement.query_row([tag_text(reference)], |row| row.get::<_, String>(0)).optional()?
        };
        match found {
            Some(text) => self.image_row(&parse(text)?),
            None => Ok(None),
        }
    }

    fn by_id_prefix(&self, prefix: &str, exact: Option<Digest>) -> Result<Option<Descriptor>, StoreError> {
        let found: Vec<String> = {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT digest FROM images WHERE substr(digest, instr(digest, ':') + 1, length(?1)) = ?1
                 OR substr(config, instr(config, ':') + 1, length(?1)) = ?1",
            )?;
            let rows = statement.query_map([prefix], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        match (&found[..], exact) {
            ([only], _) => self.image_row(&parse(only.clone())?),
            // A platform's own manifest, of an image that is listed as an index.
            ([], Some(digest)) if self.has_blob(&digest)? => self.describe(&digest).map(Some).or(Ok(None)),
            ([], _) => Ok(None),
            // Several manifests may share a configuration: the same image in two compressions.
            (several, Some(digest)) if several.contains(&digest.to_string()) => self.image_row(&digest),
            (several, Some(_)) => self.image_row(&parse(several[0].clone())?),
            (_, None) => Err(StoreError::Ambiguous(prefix.to_owned())),
        }
    }

    /// The row of a listed image, leased.
    fn image_row(&self, digest: &Digest) -> Result<Option<Descriptor>, StoreError> {
        let text = digest.to_string();
        let connection = self.connection();
        self.lease(&connection, Leased::Image, &text)?;
        let mut statement =
            connection.prepare_cached("SELECT media_type, size FROM images WHERE digest = ?1")?;
        let row = statement
            .query_row([text], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        Ok(row.map(|(media_type, size)| Descriptor::new(&media_type, *digest, size as u64)))
    }

    /// The document that this digest names.
    pub fn document(&self, digest: &Digest) -> Result<Document, StoreError> {
        let bytes = self.read_blob(digest)?;
        let failed = |source| StoreError::Document { digest: *digest, source };
        let index = serde_json::from_slice::<Shape>(&bytes).is_ok_and(|shape| shape.is_index());
        Ok(match index {
            true => Document::Index(Raw::parse(bytes).map_err(failed)?),
            false => Document::Manifest(Box::new(Raw::parse(bytes).map_err(failed)?)),
        })
    }

    /// The image for a platform: of an index the manifest that serves it best, of those that are here. `None` if there is none.
    pub fn image(&self, digest: &Digest, platform: &Platform) -> Result<Option<Image>, StoreError> {
        let mut digest = *digest;
        // An index may name another index; deeper than this nobody nests them.
        for _ in 0..4 {
            match self.document(&digest)? {
                Document::Manifest(manifest) => return self.with_config(*manifest).map(Some),
                Document::Index(index) => match index.value().select(platform) {
                    Some(descriptor) if self.has_blob(&descriptor.digest)? => digest = descriptor.digest,
                    _ => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    fn with_config(&self, manifest: Raw<Manifest>) -> Result<Image, StoreError> {
        let media_type = manifest.value().media_type.as_deref().unwrap_or(media_type::OCI_MANIFEST);
        let descriptor = manifest.descriptor(media_type);
        let digest = manifest.value().config.digest;
        let config =
            Raw::parse(self.read_blob(&digest)?).map_err(|source| StoreError::Document { digest, source })?;
        Ok(Image { descriptor, manifest, config })
    }

    /// Names an image. Another image that had the name loses it.
    pub fn tag(&self, reference: &Reference, image: &Digest) -> Result<(), StoreError> {
        self.commit(&Batch { tags: vec![(reference.clone(), *image)], ..Batch::default() })
    }

    /// Takes a name away; says whether there was one. The image stays until collection, if nothing else names it.
    pub fn untag(&self, reference: &Reference) -> Result<bool, StoreError> {
        let connection = self.connection();
        Ok(connection.execute("DELETE FROM tags WHERE reference = ?1", [tag_text(reference)])? > 0)
    }

    /// Forgets an image and all its names, which it returns.
    pub fn remove_image(&self, image: &Digest) -> Result<Vec<Reference>, StoreError> {
        let text = image.to_string();
        let connection = self.connection();
        let transaction = begin(&connection)?;
        let references: Vec<String> = {
            let mut statement =
                transaction.prepare("SELECT reference FROM tags WHERE digest = ?1 ORDER BY reference")?;
            let rows = statement.query_map([&text], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        transaction.execute("DELETE FROM tags WHERE digest = ?1", [&text])?;
        transaction.execute("DELETE FROM images WHERE digest = ?1", [&text])?;
        transaction.commit()?;
        Ok(references.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// All names, in order.
    pub fn tags(&self) -> Result<Vec<Tag>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT reference, images.digest, media_type, size FROM tags JOIN images USING (digest) ORDER BY reference",
        )?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, i64>(3)?,
            ))
        };
        let mut tags = Vec::new();
        for found in statement.query_map([], row)? {
            let (reference, digest, media_type, size) = found?;
            let Ok(reference) = reference.parse() else { continue };
            tags.push(Tag { reference, image: Descriptor::new(&media_type, parse(digest)?, size as u64) });
        }
        Ok(tags)
    }

    /// All images, those made last first; those without a name too.
    pub fn images(&self) -> Result<Vec<ImageSummary>, StoreError> {
        let mut names: HashMap<Digest, Vec<Reference>> = HashMap::new();
        for tag in self.tags()? {
            names.entry(tag.image.digest).or_default().push(tag.reference);
        }
        let rows: Vec<(String, String, i64)> = {
            let connection = self.connection();
            let mut statement =
                connection.prepare("SELECT digest, media_type, size FROM images ORDER BY digest")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        let mut images = Vec::new();
        for (digest, media_type, size) in rows {
            let descriptor = Descriptor::new(&media_type, parse(digest)?, size as u64);
            let tags = names.remove(&descriptor.digest).unwrap_or_default();
            images.push(self.summary(descriptor, tags)?);
        }
        let time = |image: &ImageSummary| image.created.as_deref().and_then(crate::time::parse_rfc3339);
        images.sort_by_key(|image| std::cmp::Reverse(time(image)));
        Ok(images)
    }

    fn summary(&self, image: Descriptor, tags: Vec<Reference>) -> Result<ImageSummary, StoreError> {
        let mut summary =
            ImageSummary { id: image.digest, image, tags, created: None, size: 0, platforms: Vec::new() };
        match self.document(&summary.image.digest)? {
            Document::Manifest(manifest) => {
                summary.id = manifest.value().config.digest;
                self.add_to_summary(&mut summary, *manifest)?;
            }
            Document::Index(index) => {
                for descriptor in &index.value().manifests {
                    let is_image =
                        descriptor.platform.as_ref().is_none_or(|platform| platform.os != "unknown");
                    if is_image
                        && self.has_blob(&descriptor.digest)?
                        && let Document::Manifest(manifest) = self.document(&descriptor.digest)?
                    {
                        self.add_to_summary(&mut summary, *manifest)?;
                    }
                }
            }
        }
        Ok(summary)
    }

    fn add_to_summary(&self, summary: &mut ImageSummary, manifest: Raw<Manifest>) -> Result<(), StoreError> {
        let layers: u64 = manifest.value().layers.iter().map(|layer| layer.size).sum();
        let image = self.with_config(manifest)?;
        let config = image.config.value();
        summary.size += layers;
        summary.platforms.push(config.platform());
        let time = |text: &Option<String>| text.as_deref().and_then(crate::time::parse_rfc3339);
        if time(&config.created) > time(&summary.created) {
            summary.created.clone_from(&config.created);
        }
        Ok(())
    }

    /// Finds out about the images that a batch lists or names, and that what they speak of is there.
    pub(super) fn describe_images(&self, batch: &Batch) -> Result<Vec<NewImage>, StoreError> {
        let mut images: Vec<NewImage> = Vec::new();
        for digest in batch.images.iter().chain(batch.tags.iter().map(|(_, digest)| digest)) {
            if images.iter().any(|image| image.digest == *digest) {
                continue;
            }
            let descriptor = self.describe(digest)?;
            let config = match self.document(digest)? {
                Document::Manifest(manifest) => {
                    self.check_complete(manifest.value(), batch)?;
                    Some(manifest.value().config.digest)
                }
                // An index may speak of platforms that nobody asked for.
                Document::Index(_) => None,
            };
            let Descriptor { media_type, digest, size, .. } = descriptor;
            images.push(NewImage { digest, media_type, size, config });
        }
        Ok(images)
    }

    /// Layers may be elsewhere, if it is known where.
    fn check_complete(&self, manifest: &Manifest, batch: &Batch) -> Result<(), StoreError> {
        if !self.has_blob(&manifest.config.digest)? {
            return Err(StoreError::NoBlob(manifest.config.digest));
        }
        for layer in &manifest.layers {
            let announced = batch.origins.iter().any(|(digest, _)| *digest == layer.digest);
            if !announced && !self.can_have(&layer.digest)? {
                return Err(StoreError::NoBlob(layer.digest));
            }
        }
        Ok(())
    }

    /// The descriptor of a manifest or index that is in the store.
    pub fn describe(&self, digest: &Digest) -> Result<Descriptor, StoreError> {
        let (stated, usual, bytes) = match self.document(digest)? {
            Document::Manifest(raw) => {
                (raw.value().media_type.clone(), media_type::OCI_MANIFEST, raw.bytes().len())
            }
            Document::Index(raw) => {
                (raw.value().media_type.clone(), media_type::OCI_INDEX, raw.bytes().len())
            }
        };
        Ok(Descriptor::new(stated.as_deref().unwrap_or(usual), *digest, bytes as u64))
    }

    /// Whether an image is listed.
    pub fn has_image(&self, digest: &Digest) -> Result<bool, StoreError> {
        exists(&self.connection(), "SELECT 1 FROM images WHERE digest = ?1", &digest.to_string())
    }
}

impl NewImage {
    pub(super) fn insert(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut insert =
            connection.prepare_cached("INSERT OR REPLACE INTO images VALUES (?1, ?2, ?3, ?4)")?;
        let config = self.config.map(|digest| digest.to_string());
        insert.execute(params![self.digest.to_string(), self.media_type, self.size as i64, config])?;
        Ok(())
    }
}

/// Enough of a document to know which it is: the media type if it is stated, the fields otherwise.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Shape {
    fn is_index(&self) -> bool {
        match self.media_type.as_deref() {
            Some(media_type::OCI_INDEX | media_type::DOCKER_INDEX) => true,
            Some(media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST) => false,
            _ => self.manifests.is_some() && self.config.is_none(),
        }
    }
}
