//! Leaving results for other machines: `--cache-to`.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use build::engine::{Built, Events, SharedCache, StepState};
use oci::layer::{Compression, Compressor};
use oci::store::{Store, StoreError};
use oci::{Descriptor, DiffId, Digest, LayerId, Manifest, Raw, Reference};
use registry::Repository;
use registry::client::{PushError, PushOptions};

use super::contents::{ARTIFACT, BUNDLE, CONFIG, Contents, INDEX, LayerEntry, StepEntry};
use super::{Place, Sources, bundle, layout};
use crate::cli::values::CacheMode;
use crate::failure::Failure;
use crate::registry::Registries;
use crate::registry::pushing::mountable;
use crate::registry::transfers::Transfers;

/// What a step said travels with its record if it is no longer; longer outputs stay where the step ran.
const LOG_LIMIT: usize = 256 << 10;

/// Writes caches.
pub struct Exporter<'a> {
    /// For those in registries.
    pub registries: &'a Registries,
    /// What is written comes from there.
    pub store: &'a Store,
    /// Caches that the build took results from.
    pub sources: &'a Sources<'a>,
    /// Shows what is on its way.
    pub events: &'a dyn Events,
    /// How layers are packed.
    pub compression: Compression,
    /// Threads that pack one.
    pub threads: usize,
    /// Where the image went: the same registry has its layers.
    pub pushed: &'a [Reference],
}

/// A cache that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Of its manifest.
    pub digest: Digest,
    /// How many steps it has.
    pub steps: usize,
}

/// A cache in the making: documents in the store, and everything that its manifest names.
struct Cache {
    manifest: Descriptor,
    blobs: Vec<Descriptor>,
    steps: usize,
}

impl Exporter<'_> {
    /// Writes the results of builds to a place, as one cache.
    pub fn write(&self, place: &Place, mode: CacheMode, built: &[&Built]) -> Result<Finished, Failure> {
        let cache = self.assemble(mode, built)?;
        match place {
            Place::Registry(reference) => self.push(reference, &cache)?,
            Place::Directory(directory) => {
                self.bring_missing(&cache.blobs)?;
                layout::write(directory, &cache.manifest, &cache.blobs, self.store)?;
            }
        }
        Ok(Finished { digest: cache.manifest.digest, steps: cache.steps })
    }

    fn assemble(&self, mode: CacheMode, built: &[&Built]) -> Result<Cache, Failure> {
        let of_image: HashSet<LayerId> = built
            .iter()
            .flat_map(|built| &built.platforms)
            .flat_map(|platform| platform.layers.iter().copied())
            .collect();
        let mut steps: BTreeMap<oci::record::Key, StepEntry> = BTreeMap::new();
        let mut layers: BTreeMap<LayerId, LayerEntry> = BTreeMap::new();
        for step in built.iter().flat_map(|built| &built.report.steps) {
            let done = matches!(step.state, StepState::Ran | StepState::Cached);
            let (true, Some(key), Some(record), Some(layer)) = (done, step.key, step.record, step.layer)
            else {
                continue;
            };
            if mode == CacheMode::Min && !of_image.contains(&layer) && !is_empty(&layer) {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(slot) = layers.entry(layer) {
                slot.insert(self.layer(layer)?);
            }
            steps.insert(key, StepEntry { key, record, layer });
        }
        let made: Vec<LayerEntry> = layers.into_values().collect();
        // An image may stand on what another one's steps made.
        let is_made = |id: &LayerId| made.iter().any(|layer| layer.id == *id);
        let bases: BTreeMap<LayerId, DiffId> = built
            .iter()
            .flat_map(|built| &built.bases)
            .filter(|(_, id)| !is_made(id))
            .map(|(diff_id, id)| (*id, *diff_id))
            .collect();
        let bases =
            bases.into_iter().map(|(id, diff_id)| self.base(diff_id, id)).collect::<Result<Vec<_>, _>>()?;
        let contents = Contents {
            steps: steps.values().copied().collect(),
            layers: made.into_iter().chain(bases).collect(),
        };
        self.document(&contents)
    }

    /// A layer that a step made, packed.
    fn layer(&self, id: LayerId) -> Result<LayerEntry, Failure> {
        let known = self.sources.layer(&id);
        if let Some(known) = known {
            return Ok(known);
        }
        let blob = self.store.pack_layer(&id, self.compression, None, self.threads)?;
        let index = self.index(&id)?;
        Ok(LayerEntry { id, diff_id: blob.diff_id, blob: Some(blob.descriptor), index })
    }

    /// A base's layer: it is had where the base is.
    fn base(&self, diff_id: DiffId, id: LayerId) -> Result<LayerEntry, Failure> {
        Ok(LayerEntry { id, diff_id, blob: None, index: self.index(&id)? })
    }

    /// A path index as a blob; none of a layer that was never unpacked here.
    fn index(&self, id: &LayerId) -> Result<Option<Descriptor>, Failure> {
        let Some(layer) = self.store.layer(id)? else { return Ok(None) };
        let failed = Failure::file("pack the path index of", id.to_string());
        let pack = || {
            let mut out = Compressor::new(Compression::Gzip, None, 1, Vec::new())?;
            out.write_all(layer.index.encode())?;
            out.finish()
        };
        let bytes = pack().map_err(failed)?;
        self.store.put_blob(&bytes)?;
        Ok(Some(Descriptor::of(INDEX, &bytes)))
    }

    /// Writes bundle, configuration and manifest into the store.
    fn document(&self, contents: &Contents) -> Result<Cache, Failure> {
        let failed = Failure::file("pack the records of", "the build");
        let records = self.records(contents)?;
        let bundled =
            bundle::write(records.iter().map(|(digest, bytes)| (*digest, &bytes[..]))).map_err(failed)?;
        self.store.put_blob(&bundled)?;
        let config = serde_json::to_vec(contents).unwrap_or_default();
        self.store.put_blob(&config)?;
        let mut named: Vec<Descriptor> = vec![Descriptor::of(BUNDLE, &bundled)];
        let parts = contents.layers.iter().flat_map(|layer| [&layer.index, &layer.blob]);
        for part in parts.flatten() {
            if named.iter().all(|known| known.digest != part.digest) {
                named.push(part.clone());
            }
        }
        let mut manifest = Manifest::new(Descriptor::of(CONFIG, &config), named.clone());
        manifest.artifact_type = Some(ARTIFACT.to_owned());
        let config = manifest.config.clone();
        let manifest = Raw::write(manifest);
        self.store.put_blob(manifest.bytes())?;
        named.push(config);
        let manifest = manifest.descriptor(oci::descriptor::media_type::OCI_MANIFEST);
        Ok(Cache { manifest, blobs: named, steps: contents.steps.len() })
    }

    /// The records, and what their steps said, in a fixed order.
    fn records(&self, contents: &Contents) -> Result<BTreeMap<Digest, Vec<u8>>, Failure> {
        let mut blobs = BTreeMap::new();
        for step in &contents.steps {
            let bytes = self.store.read_blob(&step.record)?;
            let log = self.store.record(&step.record)?.log;
            blobs.insert(step.record, bytes);
            // An output that was thrown away is no loss.
            if let Some((log, text)) = log.and_then(|log| Some((log, self.store.read_blob(&log).ok()?)))
                && text.len() <= LOG_LIMIT
            {
                blobs.insert(log, text);
            }
        }
        Ok(blobs)
    }

    fn push(&self, reference: &Reference, cache: &Cache) -> Result<(), Failure> {
        let client = self.registries.client()?;
        let transfers = Transfers::new(self.events);
        let neighbours =
            self.pushed.iter().filter(|pushed| mountable(pushed, reference)).map(Repository::from);
        let mut options = PushOptions { mount_from: neighbours.collect(), ..PushOptions::default() };
        options.mount_from.sort();
        options.mount_from.dedup();
        let push = || client.push(self.store, &cache.manifest.digest, reference, &options, &transfers);
        match push() {
            Err(PushError::Incomplete { .. }) => {
                // Taken from another cache, and not needed here.
                self.bring_missing(&cache.blobs)?;
                push()?
            }
            other => other?,
        };
        Ok(())
    }

    /// Fetches what the build took from other caches without needing its files.
    fn bring_missing(&self, blobs: &[Descriptor]) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for blob in blobs {
            if !self.store.has_blob(&blob.digest)? {
                missing.push(blob.clone());
            }
        }
        if let Some(first) = missing.first() {
            let lost = first.digest;
            self.sources.fetch(&missing, &|_| ()).map_err(|_| StoreError::NoBlob(lost))?;
        }
        Ok(())
    }
}

/// A layer that changes nothing is in no snapshot, but its step has a record.
fn is_empty(layer: &LayerId) -> bool {
    *layer == oci::tree::PathIndex::empty().id()
}
