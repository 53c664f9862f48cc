//! Docker's archives: what `docker save` writes and `docker load` reads.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::layout::{blob_name, write_layout};
use super::load::Contents;
use super::{ArchiveError, Export, Loaded};
use crate::config::null_as_default;
use crate::descriptor::media_type;
use crate::digest::DigestReader;
use crate::layer::{Decompressor, Format, UnpackError};
use crate::store::{Document, Image, Store, StoreError};
use crate::{Descriptor, DiffId, Digest, ImageConfig, Manifest, Platform, Raw, Reference};

pub(super) const MANIFEST_FILE: &str = "manifest.json";

/// One image in `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    config: String,
    #[serde(default, deserialize_with = "null_as_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    layers: Vec<String>,
}

/// Takes the images of an archive that has only `manifest.json` into the store.
pub(super) fn load(
    entries: &[Entry],
    contents: &Contents,
    store: &Store,
) -> Result<Vec<Loaded>, ArchiveError> {
    let mut images: Vec<Loaded> = Vec::new();
    for entry in entries {
        let (digest, size) = contents.find(&entry.config)?;
        check_config_name(&entry.config, &digest)?;
        let config: Raw<ImageConfig> = Raw::parse(store.read_blob(&digest)?)
            .map_err(|source| StoreError::Document { digest, source })?;
        let diff_ids = &config.value().rootfs.diff_ids;
        if diff_ids.len() != entry.layers.len() {
            return Err(ArchiveError::LayerCount { layers: entry.layers.len(), diff_ids: diff_ids.len() });
        }
        let mut layers = Vec::new();
        for (name, diff_id) in entry.layers.iter().zip(diff_ids) {
            layers.push(load_layer(name, diff_id, contents, store)?);
        }
        let config = Descriptor::new(media_type::OCI_CONFIG, digest, size);
        let digest = store.put_blob(Raw::write(Manifest::new(config, layers)).bytes())?;
        let references = names(&entry.repo_tags);
        let as_written = entry.repo_tags.clone();
        match images.iter_mut().find(|known| known.digest == digest) {
            Some(known) => {
                known.references.extend(references);
                known.names.extend(as_written);
            }
            None => images.push(Loaded { digest, references, names: as_written }),
        }
    }
    Ok(images)
}

/// A layer of the archive, its diff id verified.
fn load_layer(
    name: &str,
    diff_id: &DiffId,
    contents: &Contents,
    store: &Store,
) -> Result<Descriptor, ArchiveError> {
    let (digest, size) = contents.find(name)?;
    let decompressor = Decompressor::new(store.open_blob(&digest)?).map_err(UnpackError::Input)?;
    let media_type = match decompressor.format() {
        Format::Gzip => media_type::OCI_LAYER_GZIP,
        Format::Zstd => media_type::OCI_LAYER_ZSTD,
        Format::Plain | Format::Bzip2 | Format::Xz => media_type::OCI_LAYER,
    };
    let plain = decompressor.format() == Format::Plain && diff_id.0 == digest;
    if !plain {
        let mut reader = DigestReader::new(decompressor, diff_id.0.algorithm());
        io::copy(&mut reader, &mut io::sink()).map_err(UnpackError::Input)?;
        let (found, _) = reader.finish();
        if found != diff_id.0 {
            return Err(StoreError::WrongDigest { expected: diff_id.0, found }.into());
        }
    }
    Ok(Descriptor::new(media_type, digest, size))
}

/// `HEX.json` must be what it is called, if it is called by a digest.
fn check_config_name(name: &str, found: &Digest) -> Result<(), ArchiveError> {
    let stem = name.rsplit('/').next().unwrap_or(name);
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    let is_digest = stem.len() == 64 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    match is_digest && stem != found.hex() {
        true => Err(ArchiveError::WrongDigest { name: name.to_owned(), found: *found }),
        false => Ok(()),
    }
}

/// Gives the images of a layout the names that `manifest.json` beside it says.
pub(super) fn add_names(
    images: &mut [Loaded],
    entries: &[Entry],
    contents: &Contents,
    store: &Store,
) -> Result<(), ArchiveError> {
    for entry in entries {
        // What only the other form speaks of is none of this one's.
        let Ok((config, _)) = contents.find(&entry.config) else { continue };
        for image in images.iter_mut() {
            let manifests = manifests_of(&image.digest, store)?;
            if manifests.iter().any(|manifest| manifest.value().config.digest == config) {
                for name in names(&entry.repo_tags) {
                    if !image.references.contains(&name) {
                        image.references.push(name);
                    }
                }
            }
        }
    }
    Ok(())
}

fn names(repo_tags: &[String]) -> Vec<Reference> {
    repo_tags.iter().filter_map(|text| text.parse().ok()).collect()
}

/// The manifest itself, or those of an index that are here and no attestations.
fn manifests_of(digest: &Digest, store: &Store) -> Result<Vec<Raw<Manifest>>, ArchiveError> {
    match store.document(digest)? {
        Document::Manifest(manifest) => Ok(vec![*manifest]),
        Document::Index(index) => {
            let mut manifests = Vec::new();
            for descriptor in &index.value().manifests {
                let is_image = descriptor.platform.as_ref().is_none_or(|platform| platform.os != "unknown");
                if is_image
                    && store.has_blob(&descriptor.digest)?
                    && let Document::Manifest(manifest) = store.document(&descriptor.digest)?
                {
                    manifests.push(*manifest);
                }
            }
            Ok(manifests)
        }
    }
}

/// Writes a docker archive as a tar: an OCI layout with `manifest.json`. Layers in zstd are written uncompressed, for
/// Docker before 23 reads them only so; the image's id, its configuration's digest, stays the same.
pub fn save_docker(out: &mut dyn Write, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    let mut exports = Vec::new();
    let mut entries = Vec::new();
    for export in images {
        let manifests = manifests_of(&export.digest, store)?;
        let [manifest] = &manifests[..] else { return Err(ArchiveError::SeveralPlatforms(export.digest)) };
        let digest = store.put_blob(manifest.bytes())?;
        let image = store.image(&digest, &Platform::host())?.ok_or(StoreError::NoBlob(digest))?;
        let readable = readable_by_all(&image, store)?;
        let repo_tags = export.references.iter().filter(|name| name.tag().is_some());
        let without_digest =
            |name: &Reference| name.with_tag(name.tag().unwrap_or_default()).map(|name| name.familiar());
        entries.push(Entry {
            config: blob_name(&readable.value().config.digest),
            repo_tags: repo_tags.filter_map(|name| without_digest(name).ok()).collect(),
            layers: readable.value().layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
        });
        exports.push(Export {
            digest: store.put_blob(readable.bytes())?,
            references: export.references.clone(),
        });
    }
    let manifest = Raw::write(entries);
    write_layout(out, &exports, store, &[(MANIFEST_FILE, manifest.bytes().to_vec())])
}

/// The manifest, or one like it whose layers in zstd are uncompressed.
fn readable_by_all(image: &Image, store: &Store) -> Result<Raw<Manifest>, ArchiveError> {
    let mut manifest = image.manifest.value().clone();
    let diff_ids = &image.config.value().rootfs.diff_ids;
    let mut changed = false;
    for (number, layer) in manifest.layers.iter_mut().enumerate() {
        if !matches!(layer.media_type.as_str(), media_type::OCI_LAYER_ZSTD | media_type::DOCKER_LAYER_ZSTD) {
            continue;
        }
        let mut tar = Decompressor::new(store.open_blob(&layer.digest)?).map_err(UnpackError::Input)?;
        let mut writer = store.blob_writer()?;
        copy(&mut tar, &mut writer)?;
        let (digest, size) = writer.finish()?;
        match diff_ids.get(number) {
            Some(expected) if expected.0 != digest => {
                return Err(StoreError::WrongDigest { expected: expected.0, found: digest }.into());
            }
            _ => {}
        }
        *layer = Descriptor::new(media_type::OCI_LAYER, digest, size);
        changed = true;
    }
    Ok(if changed { Raw::write(manifest) } else { image.manifest.clone() })
}

fn copy(input: &mut dyn Read, out: &mut dyn Write) -> Result<(), ArchiveError> {
    io::copy(input, out).map(drop).map_err(|error| UnpackError::Input(error).into())
}
