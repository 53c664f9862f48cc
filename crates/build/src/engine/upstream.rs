//! What a build is handed to speak with registries: where images come from that the store lacks, where results of other
//! machines are, and who is told of layers while later steps still run. Nothing here speaks HTTP; the product does.

use std::error::Error;

use oci::record::Key;
use oci::store::LayerBlob;
use oci::{Descriptor, DiffId, Digest, LayerId, Platform, Reference};

use crate::plan::ImageError;

/// Why something is not to be had; told with its causes.
pub type UpstreamError = Box<dyn Error + Send + Sync>;

/// Where images come from that the store lacks.
pub trait Upstream: Sync {
    /// The image of this reference, which is `name` as it was written, for this platform as it is upstream now. Its manifest and its configuration are in the
    /// store afterwards, and the image index by which it was found; its layers are not.
    ///
    /// # Errors
    /// It is not there, not for this platform, or nobody answers.
    fn resolve(&self, name: &str, reference: &Reference, platform: &Platform)
    -> Result<Resolved, ImageError>;

    /// Brings blobs of a repository into the store, several at once, each verified. `arrived` is told of each as soon
    /// as it is there, from any thread.
    ///
    /// # Errors
    /// One of them is not to be had.
    fn fetch(
        &self,
        repository: &Reference,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError>;
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What the name names: an image index or a manifest.
    pub top: Digest,
    /// The manifest for the platform.
    pub manifest: Digest,
    /// Who answered, in words: `registry.example.org`, or a mirror of it.
    pub place: String,
}

/// Results of steps that other machines left. Nothing that is wrong with it fails a build: it says so in a warning of its
/// own, once, and knows nothing from then on.
pub trait SharedCache: Sync {
    /// What the step with this key made. The record is in the store afterwards, the layer is not.
    fn step(&self, key: &Key) -> Option<SharedStep>;

    /// What the tar with this diff id holds, as other machines found when they unpacked it: so that a base which nobody
    /// reads need not be fetched for its identity.
    fn layer_of(&self, diff_id: &DiffId) -> Option<LayerId>;

    /// The encoded path index of a layer, not verified.
    fn index(&self, layer: &LayerId) -> Option<Vec<u8>>;

    /// Brings the blobs of layers into the store, each verified against its digest.
    ///
    /// # Errors
    /// One of them is not to be had.
    fn fetch(
        &self,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError>;
}

/// A step's result in a shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedStep {
    /// Its record.
    pub record: Digest,
    /// Its layer.
    pub layer: LayerId,
    /// The layer's blob.
    pub blob: LayerBlob,
    /// The repository that has the blob, if one has: an image may be listed here before its layers are.
    pub origin: Option<Reference>,
}

/// Told of each layer of the image, and with [`Request::pack_all`](super::Request) of every layer that a step made, as
/// soon as its blob is known, while later steps still run. A push begins there.
pub trait LayerSink: Sync {
    /// This blob will be needed. It is in the store, or the store knows where it can be had.
    fn layer(&self, blob: &Descriptor, of_image: bool);
}
