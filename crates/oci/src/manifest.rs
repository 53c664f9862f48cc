//! Manifests and image indexes, OCI's and Docker's schema 2. (OCI image specification, "Image Manifest", "Image Index")

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::null_as_default;
use crate::descriptor::media_type;
use crate::{Descriptor, Digest, Platform};

/// No manifest, index or configuration that people use is larger; registries refuse more than 4 MiB.
pub const DOCUMENT_LIMIT: u64 = 8 << 20;

/// One image: its configuration and its layers, bottom first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2, always.
    pub schema_version: u32,
    /// This document's own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What the manifest describes, if it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The [configuration](crate::ImageConfig).
    pub config: Descriptor,
    /// The layers, bottom first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one speaks about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Whatever else is to be said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// One image for several platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    /// 2, always.
    pub schema_version: u32,
    /// This document's own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What the index describes, if it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, each with its platform.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// Whatever else is to be said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// A document in both forms: the bytes that its digest names, and what they say. Neither is ever made from the other
/// again, so that a digest that was received stays true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw<T> {
    bytes: Vec<u8>,
    value: T,
}

/// Bytes that are not the document they should be.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// More bytes than any such document has.
    #[error("the document has {size} bytes, the limit is {DOCUMENT_LIMIT}")]
    TooLarge {
        /// How many bytes it has.
        size: u64,
    },
    /// A list, a number: anything but an object.
    #[error("the document is no JSON object")]
    NoObject,
    /// No JSON, or not of this shape.
    #[error("the document is not what its media type says")]
    Json(#[source] serde_json::Error),
}

impl<T: DeserializeOwned> Raw<T> {
    /// Reads the document, and keeps the bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Raw<T>, DocumentError> {
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(DocumentError::TooLarge { size: bytes.len() as u64 });
        }
        // serde would take a list for the fields in order.
        if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
            return Err(DocumentError::NoObject);
        }
        let value = serde_json::from_slice(&bytes).map_err(DocumentError::Json)?;
        Ok(Raw { bytes, value })
    }
}

impl<T: Serialize> Raw<T> {
    /// Writes a new document. The same value makes the same bytes.
    pub fn write(value: T) -> Raw<T> {
        // These types hold strings, numbers, lists and maps with string keys: nothing that JSON cannot say.
        let bytes = serde_json::to_vec(&value).unwrap_or_default();
        Raw { bytes, value }
    }
}

impl<T> Raw<T> {
    /// What the document says.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The document as it was received or written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// A descriptor of its bytes.
    pub fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor::of(media_type, &self.bytes)
    }

    /// Both parts.
    pub fn into_parts(self) -> (Vec<u8>, T) {
        (self.bytes, self.value)
    }
}

impl Manifest {
    /// An OCI manifest with these parts.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

impl ImageIndex {
    /// An OCI image index of these manifests.
    pub fn new(manifests: Vec<Descriptor>) -> ImageIndex {
        ImageIndex {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// The manifest that serves `wanted` best, the first of several equal ones. Manifests that say `unknown/unknown`
    /// (attestations) serve nobody; one without a platform serves only if it is the only one.
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        let ranked = self.manifests.iter().filter_map(|descriptor| {
            let rank = descriptor.platform.as_ref()?.rank_for(wanted)?;
            Some((rank, descriptor))
        });
        match ranked.min_by_key(|(rank, _)| *rank) {
            Some((_, descriptor)) => Some(descriptor),
            None => match &self.manifests[..] {
                [only] if only.platform.is_none() => Some(only),
                _ => None,
            },
        }
    }
}
