//! What other machines left: `--cache-from`.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use build::engine::{Cancel, Event, Events, SharedCache, SharedStep, UpstreamError};
use oci::causes::in_one_line;
use oci::record::Key;
use oci::store::{LayerBlob, Store};
use oci::{Descriptor, DiffId, Digest, LayerId, Manifest};

use super::contents::{ARTIFACT, BUNDLE, CONFIG, CONFIG_LIMIT, Contents, LayerEntry, Lookup};
use super::{Place, bundle, layout};
use crate::registry::Registries;
use crate::registry::images::Arrivals;
use crate::registry::transfers::Transfers;

/// Bytes of a path index that is read.
const INDEX_LIMIT: u64 = 256 << 20;

/// Several caches as one; the first that has something gives it. Each is read when it is first asked.
pub struct Sources<'a> {
    registries: &'a Registries,
    store: &'a Store,
    events: &'a dyn Events,
    cancel: Cancel,
    sources: Vec<Source>,
}

struct Source {
    place: Place,
    /// What it has; nothing, once it turned out to be no good.
    open: OnceLock<Option<Open>>,
    /// What troubles it gave, told once.
    told: Mutex<Vec<String>>,
}

/// A cache that could be read.
struct Open {
    lookup: Lookup,
    bundle: Option<Descriptor>,
    blobs: HashMap<Digest, Descriptor>,
    records: OnceLock<HashMap<Digest, Vec<u8>>>,
}

impl<'a> Sources<'a> {
    /// These caches, in this order. Nothing is asked yet.
    pub fn new(
        registries: &'a Registries,
        store: &'a Store,
        events: &'a dyn Events,
        cancel: Cancel,
        places: Vec<Place>,
    ) -> Sources<'a> {
        let source = |place| Source { place, open: OnceLock::new(), told: Mutex::default() };
        Sources { registries, store, events, cancel, sources: places.into_iter().map(source).collect() }
    }

    /// What is known of a layer, from the cache that has its blob.
    pub fn layer(&self, id: &LayerId) -> Option<LayerEntry> {
        self.open()
            .find_map(|(_, open)| open.lookup.layers.get(id).filter(|layer| layer.blob.is_some()).cloned())
    }

    fn open(&self) -> impl Iterator<Item = (&Source, &Open)> {
        self.sources
            .iter()
            .filter_map(|source| Some((source, source.open.get_or_init(|| self.read(source)).as_ref()?)))
    }

    /// Reads a cache's manifest and configuration.
    fn read(&self, source: &Source) -> Option<Open> {
        match self.try_read(&source.place) {
            Ok(Some(open)) => Some(open),
            // The first build that will leave something there finds nothing.
            Ok(None) => None,
            Err(error) => {
                self.warn(
                    source,
                    format!("the cache `{}` cannot be used: {}", source.place, in_one_line(&*error)),
                );
                None
            }
        }
    }

    fn try_read(&self, place: &Place) -> Result<Option<Open>, UpstreamError> {
        let bytes = match place {
            Place::Registry(reference) => match self.registries.client()?.manifest(reference) {
                Ok(manifest) => manifest.bytes,
                Err(error) if is_not_found(&error) => {
                    self.events.event(Event::Warning {
                        message: format!("there is no cache `{place}` yet"),
                        step: None,
                    });
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            },
            Place::Directory(directory) => match layout::manifest(directory)? {
                Some(bytes) => bytes,
                None => {
                    let message = format!("there is no cache in `{place}` yet");
                    self.events.event(Event::Warning { message, step: None });
                    return Ok(None);
                }
            },
        };
        let manifest: Manifest = serde_json::from_slice(&bytes)?;
        if manifest.artifact_type.as_deref() != Some(ARTIFACT) || manifest.config.media_type != CONFIG {
            return Err("it is no cache that Kapok made".into());
        }
        if manifest.config.size > CONFIG_LIMIT {
            return Err("its configuration is too large".into());
        }
        self.bring(place, std::slice::from_ref(&manifest.config), &|_| ())?;
        let contents: Contents = serde_json::from_slice(&self.store.read_blob(&manifest.config.digest)?)?;
        Ok(Some(Open {
            lookup: Lookup::of(contents),
            bundle: manifest.layers.iter().find(|layer| layer.media_type == BUNDLE).cloned(),
            blobs: manifest.layers.into_iter().map(|layer| (layer.digest, layer)).collect(),
            records: OnceLock::new(),
        }))
    }

    /// Brings blobs of one cache into the store, verified.
    fn bring(
        &self,
        place: &Place,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError> {
        match place {
            Place::Registry(reference) => {
                let arrivals =
                    Arrivals { transfers: Transfers::new(self.events), arrived, cancel: &self.cancel };
                self.registries.client()?.fetch_from(reference, blobs, self.store, &arrivals)?;
            }
            Place::Directory(directory) => {
                for blob in blobs {
                    let mut file = std::fs::File::open(layout::blob(directory, &blob.digest))?;
                    self.store.import_blob(&mut file, blob)?;
                    arrived(blob);
                }
            }
        }
        Ok(())
    }

    /// The records of a cache, read when the first is needed.
    fn records<'o>(&self, source: &Source, open: &'o Open) -> &'o HashMap<Digest, Vec<u8>> {
        open.records.get_or_init(|| {
            let read = || -> Result<_, UpstreamError> {
                let Some(bundle) = &open.bundle else { return Err("it has no records".into()) };
                self.bring(&source.place, std::slice::from_ref(bundle), &|_| ())?;
                Ok(bundle::read(&self.store.read_blob(&bundle.digest)?)?)
            };
            match read() {
                Ok((records, 0)) => records,
                Ok((records, wrong)) => {
                    let message = format!(
                        "{wrong} records of the cache `{}` are not what they are called; they are not used",
                        source.place
                    );
                    self.warn(source, message);
                    records
                }
                Err(error) => {
                    let why = in_one_line(&*error);
                    let message =
                        format!("the records of the cache `{}` cannot be read: {why}", source.place);
                    self.warn(source, message);
                    HashMap::new()
                }
            }
        })
    }

    /// Takes a record, and what its step said, into the store.
    fn take(&self, records: &HashMap<Digest, Vec<u8>>, record: &Digest) -> Option<()> {
        let bytes = records.get(record)?;
        let parsed: oci::record::Record = serde_json::from_slice(bytes).ok()?;
        if self.store.put_blob(bytes).ok()? != *record {
            return None;
        }
        if let Some(log) = parsed.log.and_then(|log| records.get(&log)) {
            self.store.put_blob(log).ok()?;
        }
        Some(())
    }

    fn warn(&self, source: &Source, message: String) {
        let mut told = source.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&message) {
            told.push(message.clone());
            self.events.event(Event::Warning { message, step: None });
        }
    }
}

impl SharedCache for Sources<'_> {
    fn step(&self, key: &Key) -> Option<SharedStep> {
        self.open().find_map(|(source, open)| {
            let step = open.lookup.steps.get(key)?;
            let layer = open.lookup.layers.get(&step.layer)?;
            let blob = layer.blob.clone()?;
            // What the manifest does not name, the registry may have thrown away.
            let blob = open.blobs.get(&blob.digest).filter(|named| named.size == blob.size).map(|_| blob)?;
            self.take(self.records(source, open), &step.record)?;
            let blob = LayerBlob { diff_id: layer.diff_id, descriptor: blob };
            let origin = match &source.place {
                Place::Registry(reference) => Some(reference.clone()),
                Place::Directory(_) => None,
            };
            Some(SharedStep { record: step.record, layer: step.layer, blob, origin })
        })
    }

    fn layer_of(&self, diff_id: &DiffId) -> Option<LayerId> {
        self.open().find_map(|(_, open)| open.lookup.by_diff_id.get(diff_id).copied())
    }

    fn index(&self, layer: &LayerId) -> Option<Vec<u8>> {
        self.open().find_map(|(source, open)| {
            let blob = open.lookup.layers.get(layer)?.index.as_ref()?;
            let read = || -> Result<Vec<u8>, UpstreamError> {
                self.bring(&source.place, std::slice::from_ref(blob), &|_| ())?;
                let file = self.store.open_blob(&blob.digest)?;
                let mut bytes = Vec::new();
                let mut input = std::io::Read::take(oci::layer::Decompressor::new(file)?, INDEX_LIMIT);
                std::io::Read::read_to_end(&mut input, &mut bytes)?;
                Ok(bytes)
            };
            read()
                .map_err(|error| {
                    let why = in_one_line(&*error);
                    self.warn(
                        source,
                        format!("a path index of the cache `{}` cannot be read: {why}", source.place),
                    );
                })
                .ok()
        })
    }

    fn fetch(
        &self,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError> {
        let mut places: Vec<(&Source, Vec<Descriptor>)> = Vec::new();
        for blob in blobs {
            let Some((source, _)) = self.open().find(|(_, open)| open.blobs.contains_key(&blob.digest))
            else {
                return Err(format!("no cache has {}", blob.digest).into());
            };
            match places.iter_mut().find(|(known, _)| known.place == source.place) {
                Some((_, blobs)) => blobs.push(blob.clone()),
                None => places.push((source, vec![blob.clone()])),
            }
        }
        places.iter().try_for_each(|(source, blobs)| self.bring(&source.place, blobs, arrived))
    }
}

fn is_not_found(error: &registry::client::PullError) -> bool {
    matches!(error, registry::client::PullError::Nowhere { last, .. } if last.is_not_found())
}
