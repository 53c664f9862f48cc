//! `index.json`: which images a layout has and what they are called.

use std::collections::BTreeMap;

use super::parts::{Part, parts};
use super::{ArchiveError, Export, Loaded};
use crate::store::{Document, Store};
use crate::{Descriptor, Digest, ImageIndex, Raw, Reference};

/// The tag, or whatever the layout calls an image. (OCI image specification, "Annotations")
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole reference, as containerd and BuildKit write it.
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";

/// No layout that people use has more.
const MOST_IMAGES: usize = 10_000;

/// The images of an index whose blobs are in the store already.
pub(super) fn images(document: &[u8], store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    images_with(document, store, &|descriptor| Err(ArchiveError::Incomplete(descriptor.digest.to_string())))
}

/// The images of an index. `fetch` brings a blob that the store lacks.
pub(super) fn images_with(
    document: &[u8],
    store: &Store,
    fetch: &dyn Fn(&Descriptor) -> Result<(), ArchiveError>,
) -> Result<Vec<Loaded>, ArchiveError> {
    let index = Raw::<ImageIndex>::parse(document.to_vec())
        .map_err(|error| ArchiveError::Malformed(format!("`index.json`: {}", chain(&error))))?;
    if index.value().manifests.len() > MOST_IMAGES {
        return Err(ArchiveError::Malformed("`index.json` names too many images".to_owned()));
    }
    let mut loaded: BTreeMap<Digest, Loaded> = BTreeMap::new();
    let mut order = Vec::new();
    for descriptor in &index.value().manifests {
        if !descriptor.is_manifest() && !descriptor.is_index() {
            continue;
        }
        let digest = descriptor.digest;
        if !loaded.contains_key(&digest) {
            bring(descriptor, store, fetch)?;
            order.push(digest);
        }
        let image = loaded.entry(digest).or_insert_with(|| Loaded {
            digest,
            references: Vec::new(),
            names: Vec::new(),
        });
        name(image, descriptor);
    }
    Ok(order.into_iter().filter_map(|digest| loaded.remove(&digest)).collect())
}

/// Makes sure that an image is whole: every document and every layer is in the store.
fn bring(
    descriptor: &Descriptor,
    store: &Store,
    fetch: &dyn Fn(&Descriptor) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let need = |part: &Descriptor| {
        if store.has_blob(&part.digest)? { Ok(()) } else { fetch(part) }
    };
    need(descriptor)?;
    parts(descriptor, store, &mut |part| match part {
        // Layers that are had from elsewhere are not in archives.
        Part::Layer(layer) if !layer.urls.is_empty() => Ok(()),
        Part::Layer(part) | Part::Document(part) => need(part),
    })
}

fn name(image: &mut Loaded, descriptor: &Descriptor) {
    for key in [IMAGE_NAME, REF_NAME] {
        let Some(text) = descriptor.annotations.get(key) else { continue };
        if !image.names.contains(text) {
            image.names.push(text.clone());
        }
        // A bare word is a tag, not a repository.
        if key == REF_NAME && !text.contains([':', '/']) {
            continue;
        }
        if let Ok(reference) = text.parse::<Reference>()
            && !image.references.contains(&reference)
        {
            image.references.push(reference);
        }
    }
}

/// The entries that an image gets in an index: one for each name, and one for none.
pub(super) fn entries(image: &Export, store: &Store) -> Result<Vec<Descriptor>, ArchiveError> {
    let (media_type, bytes) = match store.document(&image.digest)? {
        Document::Manifest(raw) => {
            let media_type = raw.value().media_type.clone();
            (
                media_type.unwrap_or_else(|| crate::descriptor::media_type::OCI_MANIFEST.to_owned()),
                raw.into_parts().0,
            )
        }
        Document::Index(raw) => {
            let media_type = raw.value().media_type.clone();
            (
                media_type.unwrap_or_else(|| crate::descriptor::media_type::OCI_INDEX.to_owned()),
                raw.into_parts().0,
            )
        }
    };
    let plain = Descriptor::new(&media_type, image.digest, bytes.len() as u64);
    if image.references.is_empty() {
        return Ok(vec![plain]);
    }
    let named = image.references.iter().map(|reference| {
        let mut entry = plain.clone();
        entry.annotations.insert(IMAGE_NAME.to_owned(), reference.to_string());
        if let Some(tag) = reference.tag() {
            entry.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        }
        entry
    });
    Ok(named.collect())
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
