//! Docker's archives: a tar with a `manifest.json` that names files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::intake::Intake;
use super::write::{TarOut, blob_name, write_layout};
use super::{ArchiveError, Export, Loaded};
use crate::config::null_as_default;
use crate::descriptor::media_type;
use crate::layer::{Decompressor, Format, detect};
use crate::manifest::DOCUMENT_LIMIT;
use crate::store::{Document, Store};
use crate::{Descriptor, ImageConfig, Manifest, Raw, Reference};

/// One image of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    #[serde(default, deserialize_with = "null_as_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    layers: Vec<String>,
}

/// The images of a `manifest.json` whose files were taken in.
pub(super) fn images(document: &[u8], intake: &Intake<'_>) -> Result<Vec<Loaded>, ArchiveError> {
    let images: Vec<Image> = serde_json::from_slice(document)
        .map_err(|error| ArchiveError::Malformed(format!("`manifest.json`: {error}")))?;
    images.iter().map(|image| one(image, intake)).collect()
}

fn one(image: &Image, intake: &Intake<'_>) -> Result<Loaded, ArchiveError> {
    let store = intake.store;
    let (config_digest, config_size) = intake.blob(&image.config)?;
    if config_size > DOCUMENT_LIMIT {
        return Err(ArchiveError::Malformed(format!("`{}` has {config_size} bytes", image.config)));
    }
    let config = Raw::<ImageConfig>::parse(store.read_blob(&config_digest)?)
        .map_err(|error| ArchiveError::Malformed(format!("`{}`: {error}", image.config)))?;
    if config.value().rootfs.diff_ids.len() != image.layers.len() {
        return Err(ArchiveError::Malformed(format!(
            "`manifest.json` names {} layers and the configuration {}",
            image.layers.len(),
            config.value().rootfs.diff_ids.len()
        )));
    }
    let mut layers = Vec::with_capacity(image.layers.len());
    for name in &image.layers {
        let (digest, size) = intake.blob(name)?;
        layers.push(layer(store, digest, size)?);
    }
    let manifest = Raw::write(Manifest::new(config.descriptor(media_type::OCI_CONFIG), layers));
    let digest = store.put_blob(manifest.bytes())?;
    let references = image.repo_tags.iter().filter_map(|name| name.parse().ok()).collect();
    Ok(Loaded { digest, references, names: image.repo_tags.clone() })
}

/// The layer's descriptor. A compression that OCI has no name for is undone.
fn layer(store: &Store, digest: crate::Digest, size: u64) -> Result<Descriptor, ArchiveError> {
    let mut beginning = Vec::new();
    let path = store.blob_path(&digest);
    store.open_blob(&digest)?.take(16).read_to_end(&mut beginning).map_err(|source| ArchiveError::Io {
        action: "read",
        path,
        source,
    })?;
    let described = |media_type| Descriptor::new(media_type, digest, size);
    match detect(&beginning) {
        Format::Plain => Ok(described(media_type::OCI_LAYER)),
        Format::Gzip => Ok(described(media_type::OCI_LAYER_GZIP)),
        Format::Zstd => Ok(described(media_type::OCI_LAYER_ZSTD)),
        Format::Bzip2 | Format::Xz => decompress(&described(media_type::OCI_LAYER), store),
    }
}

/// Writes images as a docker archive.
pub(super) fn save(out: &mut dyn Write, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    let mut manifests = Vec::with_capacity(images.len());
    for image in images {
        manifests.push(single(image, store)?);
    }
    let zstd = manifests.iter().any(|manifest| manifest.layers.iter().any(is_zstd));
    let mut tar = TarOut::new(out);
    let mut described = Vec::with_capacity(images.len());
    if !zstd {
        write_layout(&mut tar, images, store)?;
    }
    let mut written = BTreeSet::new();
    for (image, manifest) in images.iter().zip(&manifests) {
        let mut layers = Vec::with_capacity(manifest.layers.len());
        if zstd {
            put_once(&mut tar, &mut written, &manifest.config, store)?;
        }
        for layer in &manifest.layers {
            let plain = if is_zstd(layer) { decompress(layer, store)? } else { layer.clone() };
            if zstd {
                put_once(&mut tar, &mut written, &plain, store)?;
            }
            layers.push(blob_name(&plain.digest));
        }
        described.push(Image {
            config: blob_name(&manifest.config.digest),
            repo_tags: image.references.iter().map(Reference::familiar).collect(),
            layers,
        });
    }
    let document = serde_json::to_vec(&described).map_err(|error| ArchiveError::Output(error.into()))?;
    tar.bytes("manifest.json", &document)?;
    // What Docker before 1.10 reads; other tools still look for it.
    tar.bytes("repositories", &repositories(images, &manifests)?)?;
    tar.finish()
}

fn put_once(
    tar: &mut TarOut<'_>,
    written: &mut BTreeSet<crate::Digest>,
    blob: &Descriptor,
    store: &Store,
) -> Result<(), ArchiveError> {
    if written.insert(blob.digest) { tar.blob(blob, store) } else { Ok(()) }
}

fn single(image: &Export, store: &Store) -> Result<Manifest, ArchiveError> {
    match store.document(&image.digest)? {
        Document::Manifest(manifest) => Ok(manifest.into_parts().1),
        Document::Index(_) => Err(ArchiveError::SeveralPlatforms(image.digest)),
    }
}

fn is_zstd(layer: &Descriptor) -> bool {
    layer.media_type.ends_with("zstd")
}

/// The layer without compression, as a blob of the store.
fn decompress(layer: &Descriptor, store: &Store) -> Result<Descriptor, ArchiveError> {
    let path = store.blob_path(&layer.digest);
    let copy = |file: File| -> Result<_, io::Error> {
        let mut plain = store.blob_writer().map_err(io::Error::other)?;
        io::copy(&mut Decompressor::new(file)?, &mut plain)?;
        plain.finish().map_err(io::Error::other)
    };
    let (digest, size) = copy(store.open_blob(&layer.digest)?).map_err(|source| ArchiveError::Io {
        action: "decompress",
        path,
        source,
    })?;
    Ok(Descriptor::new(media_type::OCI_LAYER, digest, size))
}

fn repositories(images: &[Export], manifests: &[Manifest]) -> Result<Vec<u8>, ArchiveError> {
    let mut names: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for (image, manifest) in images.iter().zip(manifests) {
        let Some(top) = manifest.layers.last() else { continue };
        for reference in &image.references {
            if let Some(tag) = reference.tag() {
                names.entry(reference.familiar_name()).or_default().insert(tag, top.digest.hex());
            }
        }
    }
    serde_json::to_vec(&names).map_err(|error| ArchiveError::Output(error.into()))
}
