//! Everything that an image consists of.

use super::ArchiveError;
use crate::Descriptor;
use crate::store::{Document, Store};

/// An index within an index is unusual, one within that is an attack.
const DEEPEST: usize = 4;

/// A blob of an image.
pub(super) enum Part<'a> {
    /// A manifest or configuration.
    Document(&'a Descriptor),
    /// A layer.
    Layer(&'a Descriptor),
}

/// Visits the blobs below a manifest or index, which itself is in the store. A manifest is visited before what it names.
pub(super) fn parts(
    image: &Descriptor,
    store: &Store,
    visit: &mut dyn FnMut(Part<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    below(image, store, visit, DEEPEST)
}

fn below(
    image: &Descriptor,
    store: &Store,
    visit: &mut dyn FnMut(Part<'_>) -> Result<(), ArchiveError>,
    depth: usize,
) -> Result<(), ArchiveError> {
    if depth == 0 {
        return Err(ArchiveError::Malformed("its image indexes are nested too deeply".to_owned()));
    }
    match store.document(&image.digest)? {
        Document::Manifest(manifest) => {
            visit(Part::Document(&manifest.value().config))?;
            manifest.value().layers.iter().try_for_each(|layer| visit(Part::Layer(layer)))
        }
        Document::Index(index) => index.value().manifests.iter().try_for_each(|manifest| {
            visit(Part::Document(manifest))?;
            below(manifest, store, visit, depth - 1)
        }),
    }
}
