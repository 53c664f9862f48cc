//! The configuration of a cache: keys, records and layers.

use std::collections::HashMap;

use oci::record::Key;
use oci::{Descriptor, DiffId, Digest, LayerId};
use serde::{Deserialize, Serialize};

/// What a cache's manifest is.
pub const ARTIFACT: &str = "application/vnd.kapok.cache.v1";
/// Its configuration.
pub const CONFIG: &str = "application/vnd.kapok.cache.config.v1+json";
/// Records and outputs.
pub const BUNDLE: &str = "application/vnd.kapok.cache.records.v1+gzip";
/// An encoded path index.
pub const INDEX: &str = "application/vnd.kapok.layer.index.v1+gzip";

/// The largest configuration that is read: half a million steps.
pub const CONFIG_LIMIT: u64 = 64 << 20;

/// What a cache has. Fields that are not known are left alone, so that later versions may add some.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// Results, by key.
    #[serde(default)]
    pub steps: Vec<StepEntry>,
    /// What is known of the layers that they stand on and made.
    #[serde(default)]
    pub layers: Vec<LayerEntry>,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepEntry {
    /// What decided that it had to run.
    pub key: Key,
    /// Its record, in the bundle.
    pub record: Digest,
    /// Its layer.
    pub layer: LayerId,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerEntry {
    /// What it is, by content.
    pub id: LayerId,
    /// Of its uncompressed tar.
    pub diff_id: DiffId,
    /// The tar as a blob of this cache; none for the layers of bases, which are had where the base is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<Descriptor>,
    /// Its encoded path index, compressed, as a blob of this cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Descriptor>,
}

/// The same, to be looked things up in.
#[derive(Debug, Default)]
pub struct Lookup {
    pub steps: HashMap<Key, StepEntry>,
    pub layers: HashMap<LayerId, LayerEntry>,
    pub by_diff_id: HashMap<DiffId, LayerId>,
}

impl Lookup {
    /// Of what a cache has. An entry whose type nobody knows is as if it were not there.
    pub fn of(contents: Contents) -> Lookup {
        let steps = contents.steps.into_iter().map(|step| (step.key, step)).collect();
        let by_diff_id = contents.layers.iter().map(|layer| (layer.diff_id, layer.id)).collect();
        // Of a layer that is a base's here and a step's there, the one that can be had from this cache counts.
        let mut layers: HashMap<LayerId, LayerEntry> = HashMap::new();
        for layer in contents.layers {
            match layers.get(&layer.id) {
                Some(known) if known.blob.is_some() => {}
                _ => drop(layers.insert(layer.id, layer)),
            }
        }
        Lookup { steps, layers, by_diff_id }
    }
}
