//! What an image consists of, seen from outside.

use std::collections::BTreeSet;

use oci::descriptor::media_type;
use oci::{Descriptor, Digest, ImageConfig, ImageIndex, Manifest, Raw};

use super::config::Place;
use super::error::PullError;
use super::manifests::RemoteManifest;

/// An image for one platform: its documents are here, its layers still elsewhere.
#[derive(Clone, Debug)]
pub struct RemoteImage {
    /// What was asked for.
    pub reference: oci::Reference,
    /// The image index, if the reference names one.
    pub index: Option<RemoteManifest>,
    /// Of the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Raw<Manifest>,
    /// The configuration.
    pub config: Raw<ImageConfig>,
    /// Where its layers can be had, best first.
    pub places: Vec<Place>,
}

impl RemoteImage {
    /// Of what the reference names: the index, if it is one, else the manifest.
    pub fn top(&self) -> &Descriptor {
        self.index.as_ref().map_or(&self.descriptor, |index| &index.descriptor)
    }
}

/// Everything that belongs to a manifest or index: what must be there before it.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Manifests and indexes, each after those that it names; the last one is the whole.
    pub documents: Vec<RemoteManifest>,
    /// Configurations and layers, each once.
    pub blobs: Vec<Descriptor>,
    known: BTreeSet<Digest>,
}

impl Parts {
    /// Takes the blobs that a manifest names. Layers that may only be had from their maker are left out.
    pub(super) fn add_blobs(&mut self, manifest: &Manifest) {
        let layers = manifest.layers.iter().filter(|layer| !is_elsewhere(layer));
        for blob in layers.chain([&manifest.config]) {
            if self.known.insert(blob.digest) {
                self.blobs.push(blob.clone());
            }
        }
    }

    /// Takes a document, after those that it names; whether it is new.
    pub(super) fn add_document(&mut self, document: RemoteManifest) {
        if self.known.insert(document.descriptor.digest) {
            self.documents.push(document);
        }
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.known.contains(digest)
    }
}

/// Layers of Windows that its maker does not let others offer.
fn is_elsewhere(layer: &Descriptor) -> bool {
    layer.media_type.contains(".nondistributable.") || layer.media_type.contains(".foreign.")
}

/// A manifest or an index.
pub(super) enum Kind {
    Manifest(Box<Raw<Manifest>>),
    Index(Raw<ImageIndex>),
}

/// Reads a document by what it says it is.
pub(super) fn read(reference: &str, manifest: &RemoteManifest) -> Result<Kind, PullError> {
    let failed = |source| PullError::Document { what: manifest.descriptor.digest.to_string(), source };
    match manifest.descriptor.media_type.as_str() {
        media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => {
            Raw::parse(manifest.bytes.clone()).map(|raw| Kind::Manifest(Box::new(raw))).map_err(failed)
        }
        media_type::OCI_INDEX | media_type::DOCKER_INDEX => {
            Raw::parse(manifest.bytes.clone()).map(Kind::Index).map_err(failed)
        }
        other => Err(PullError::NoImage {
            reference: reference.to_owned(),
            media_type: crate::Redacted::foreign(other),
        }),
    }
}
