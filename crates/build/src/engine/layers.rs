//! The layers that a stage has got so far: each known by its id, by its path index or unpacked, whichever somebody needed.
//!
//! A key needs ids, what is copied from a stage needs its indexes, and only a step that runs needs files. So a base, and
//! what a shared cache has, stays where it is as long as every step that stands on it has its result already.

use std::collections::HashSet;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock, PoisonError};

use oci::record::Key;
use oci::store::{Layer, LayerBlob, Store, StoreError};
use oci::tree::{PathIndex, View};
use oci::{Descriptor, DiffId, Digest, LayerId, Reference, SnapshotId};

use super::error::StepError;
use super::snapshot::Snapshot;
use super::stage::Halt;
use super::upstream::UpstreamError;
use super::world::World;
use crate::plan::BaseImage;

/// Layers from the bottom up, in the order of the image's manifest.
#[derive(Clone, Default)]
pub struct Layers(Vec<Arc<LazyLayer>>);

/// A layer of which no more is known than somebody asked for.
pub struct LazyLayer {
    source: Source,
    id: OnceLock<LayerId>,
    index: OnceLock<Arc<PathIndex>>,
    layer: OnceLock<Layer>,
}

/// Where a layer comes from.
enum Source {
    /// A step of this machine made it, in this build or an earlier one.
    Made,
    /// A base image: it keeps the blob that it came as.
    Base { image: Arc<BaseImage>, blob: Descriptor, diff_id: Option<DiffId> },
    /// A shared cache.
    Shared { blob: LayerBlob },
}

/// The blob that a layer has before anybody packs it.
pub struct ForeignBlob {
    /// What the manifest says.
    pub descriptor: Descriptor,
    /// Of its tar, where the image's configuration says so.
    pub diff_id: Option<DiffId>,
    /// Whether it must be kept as it is; what a shared cache has may be packed in another way.
    pub fixed: bool,
}

impl LazyLayer {
    /// A layer of the store.
    pub fn made(layer: Layer) -> Arc<LazyLayer> {
        let lazy = LazyLayer::new(Source::Made);
        let _ = lazy.id.set(layer.id);
        let _ = lazy.index.set(layer.index.clone());
        let _ = lazy.layer.set(layer);
        Arc::new(lazy)
    }

    /// A layer that a shared cache has.
    pub fn shared(id: LayerId, blob: LayerBlob) -> Arc<LazyLayer> {
        let lazy = LazyLayer::new(Source::Shared { blob });
        let _ = lazy.id.set(id);
        Arc::new(lazy)
    }

    fn new(source: Source) -> LazyLayer {
        LazyLayer { source, id: OnceLock::new(), index: OnceLock::new(), layer: OnceLock::new() }
    }

    /// Its id, if that is known by now.
    pub fn known_id(&self) -> Option<LayerId> {
        self.id.get().copied()
    }

    /// The blob that it came as; none of a layer that was made here.
    pub fn foreign_blob(&self) -> Option<ForeignBlob> {
        match &self.source {
            Source::Made => None,
            Source::Base { blob, diff_id, .. } => {
                Some(ForeignBlob { descriptor: blob.clone(), diff_id: *diff_id, fixed: true })
            }
            Source::Shared { blob } => Some(ForeignBlob {
                descriptor: blob.descriptor.clone(),
                diff_id: Some(blob.diff_id),
                fixed: false,
            }),
        }
    }

    /// Looks whether the layer is unpacked here; notes what it finds.
    pub fn look(&self, store: &Store) -> Result<bool, StoreError> {
        if self.layer.get().is_some() {
            return Ok(true);
        }
        if let Source::Base { blob, .. } = &self.source
            && let Some(known) = store.layer_by_blob(&blob.digest)?
        {
            // What was unpacked here counts for more than what a cache says.
            return self.arrived(store, &known.id);
        }
        match self.known_id() {
            Some(id) => self.arrived(store, &id),
            None => Ok(false),
        }
    }

    /// Takes the layer of this id, which is in the store. False if it is not, or if another id was expected.
    fn arrived(&self, store: &Store, id: &LayerId) -> Result<bool, StoreError> {
        let Some(layer) = store.layer(id)? else { return Ok(false) };
        if *self.id.get_or_init(|| *id) != *id {
            return Ok(false);
        }
        let _ = self.index.set(layer.index.clone());
        let _ = self.layer.set(layer);
        Ok(true)
    }
}

impl Layers {
    /// A base image's layers. Nothing is looked up or fetched.
    pub fn of_base(image: &BaseImage) -> Layers {
        let shared = Arc::new(image.clone());
        let layer = |(position, blob): (usize, &Descriptor)| {
            let diff_id = image.config.rootfs.diff_ids.get(position).copied();
            Arc::new(LazyLayer::new(Source::Base { image: shared.clone(), blob: blob.clone(), diff_id }))
        };
        Layers(image.layers.iter().enumerate().map(layer).collect())
    }

    /// The layers of a snapshot.
    pub fn of_snapshot(snapshot: &Snapshot) -> Layers {
        Layers(snapshot.layers().iter().cloned().map(LazyLayer::made).collect())
    }

    /// These, with one more on top.
    pub fn with(&self, layer: Arc<LazyLayer>) -> Layers {
        let mut layers = self.0.clone();
        layers.push(layer);
        Layers(layers)
    }

    /// Every layer, bottom first, also those that hold nothing.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LazyLayer>> {
        self.0.iter()
    }

    /// The ids that are known by now, as far as the layers hold something.
    pub fn known_ids(&self) -> Vec<LayerId> {
        holding(self.0.iter().filter_map(|layer| layer.known_id()))
    }
}

/// Without the layers that hold nothing: they change no key.
fn holding(ids: impl Iterator<Item = LayerId>) -> Vec<LayerId> {
    let empty = PathIndex::empty().id();
    ids.filter(|id| *id != empty).collect()
}

impl World<'_> {
    /// The ids of layers, as a snapshot has them.
    pub fn layer_ids(&self, layers: &Layers) -> Result<Vec<LayerId>, Halt> {
        let unknown = |layer: &&Arc<LazyLayer>| layer.known_id().is_none();
        for layer in layers.iter().filter(unknown) {
            if layer.look(self.doors.store)? {
                continue;
            }
            if let (Source::Base { diff_id: Some(diff_id), .. }, Some(cache)) = (&layer.source, self.cache)
                && let Some(id) = cache.layer_of(diff_id)
            {
                let _ = layer.id.set(id);
            }
        }
        if layers.iter().any(|layer| layer.known_id().is_none()) {
            if self.request.foresee {
                // To know more, it would have to be fetched.
                return Err(Halt::Due);
            }
            self.unpack(layers)?;
        }
        for layer in layers.iter() {
            if let (Source::Base { diff_id: Some(diff_id), .. }, Some(id)) = (&layer.source, layer.known_id())
            {
                self.bases.lock().unwrap_or_else(PoisonError::into_inner).insert(*diff_id, id);
            }
        }
        Ok(layers.known_ids())
    }

    /// The identity of what a step on these layers sees.
    pub fn snapshot_id(&self, layers: &Layers) -> Result<SnapshotId, Halt> {
        Ok(SnapshotId::of(&self.layer_ids(layers)?))
    }

    /// What is in the layers. Their directories may not be there yet; [`snapshot`](Self::snapshot) brings them.
    pub fn files(&self, layers: &Layers) -> Result<Arc<crate::copy::Snapshot>, Halt> {
        self.layer_ids(layers)?;
        for layer in layers.iter() {
            if layer.index.get().is_some() || layer.look(self.doors.store)? {
                continue;
            }
            let Some(id) = layer.known_id() else { continue };
            let Some(index) = self.cache.and_then(|cache| cache.index(&id)) else { continue };
            if let Ok(index) = PathIndex::decode(index)
                && index.id() == id
                && index.check().is_ok()
            {
                let _ = layer.index.set(Arc::new(index));
            }
        }
        if layers.iter().any(|layer| layer.index.get().is_none()) {
            return Ok(self.snapshot(layers)?.files().clone());
        }
        let filled = || {
            let all = layers.iter().filter_map(|layer| Some((layer.known_id()?, layer.index.get()?)));
            all.filter(|(_, index)| !index.is_empty_layer())
        };
        Ok(Arc::new(crate::copy::Snapshot {
            view: View::new(filled().map(|(_, index)| index.clone()).collect()),
            directories: filled().map(|(id, _)| self.doors.store.layer_directory(&id)).collect(),
        }))
    }

    /// The layers as a snapshot, unpacked; fetched, if they are not here. Takes no permit: whoever waits here may hold one.
    pub fn snapshot(&self, layers: &Layers) -> Result<Snapshot, Halt> {
        self.unpack(layers)?;
        let unpacked = layers.iter().filter_map(|layer| layer.layer.get().cloned());
        Ok(Snapshot::new(unpacked.collect()))
    }

    /// Brings the layers' blobs into the store, without unpacking them.
    pub fn bring_blobs<'l>(&self, layers: impl Iterator<Item = &'l Arc<LazyLayer>>) -> Result<(), Halt> {
        let blobs = layers.filter_map(|layer| layer.foreign_blob()).map(|blob| blob.descriptor);
        let mut missing = Vec::new();
        for blob in blobs {
            if !self.doors.store.has_blob(&blob.digest)? && !missing.contains(&blob) {
                missing.push(blob);
            }
        }
        let mut arrived = |_: &Descriptor| Ok(());
        self.fetch(&missing, &mut arrived)
    }

    /// Unpacks what is not unpacked yet. Stages that stand on the same image do not do it twice.
    fn unpack(&self, layers: &Layers) -> Result<(), Halt> {
        let mut bases: Vec<Digest> = Vec::new();
        let mut shared = false;
        for layer in layers.iter() {
            match &layer.source {
                _ if layer.look(self.doors.store)? => {}
                Source::Base { image, .. } if !bases.contains(&image.digest) => bases.push(image.digest),
                Source::Base { .. } => {}
                Source::Shared { .. } => shared = true,
                Source::Made => return Err(StoreError::NoLayer(layer.known_id().unwrap_or(NOBODY)).into()),
            }
        }
        for digest in bases {
            let of_image: Vec<&Arc<LazyLayer>> = layers
                .iter()
                .filter(|layer| matches!(&layer.source, Source::Base { image, .. } if image.digest == digest))
                .collect();
            let _claim = self.board.claim(&Key(digest))?;
            self.unpack_some(&of_image)?;
        }
        if shared {
            let of_cache: Vec<&Arc<LazyLayer>> =
                layers.iter().filter(|layer| matches!(layer.source, Source::Shared { .. })).collect();
            let _claim = self.board.claim(&Key(Digest::of(b"what a shared cache has")))?;
            self.unpack_some(&of_cache).map_err(blame_cache)?;
        }
        Ok(())
    }

    /// Fetches what is missing, and unpacks each layer as soon as it is there.
    fn unpack_some(&self, layers: &[&Arc<LazyLayer>]) -> Result<(), Halt> {
        let store = self.doors.store;
        let (mut here, mut missing): (Vec<Descriptor>, Vec<Descriptor>) = (Vec::new(), Vec::new());
        for layer in layers {
            if layer.look(store)? {
                continue;
            }
            let Some(blob) = layer.foreign_blob() else { continue };
            let list = if store.has_blob(&blob.descriptor.digest)? { &mut here } else { &mut missing };
            if !list.contains(&blob.descriptor) {
                list.push(blob.descriptor);
            }
        }
        let mut unpack = |blob: &Descriptor| {
            let same = |layer: &&&Arc<LazyLayer>| {
                layer.foreign_blob().is_some_and(|foreign| foreign.descriptor.digest == blob.digest)
            };
            layers.iter().filter(same).try_for_each(|layer| self.unpack_one(layer, blob))
        };
        for blob in &here {
            unpack(blob)?;
        }
        self.fetch(&missing, &mut unpack)
    }

    fn unpack_one(&self, layer: &LazyLayer, blob: &Descriptor) -> Result<(), Halt> {
        let store = self.doors.store;
        let expected = layer.foreign_blob().and_then(|foreign| foreign.diff_id);
        let imported = match (store.import_layer(blob, expected.as_ref()), &layer.source) {
            (Ok(imported), _) => imported,
            // The machine's own trouble is nobody else's fault.
            (Err(error @ (StoreError::Io { .. } | StoreError::Catalog(_))), _) => return Err(error.into()),
            (Err(error), Source::Shared { .. }) => {
                return Err(Halt::CacheFailed(format!("a layer of the shared cache is wrong: {error}")));
            }
            (Err(error), _) => return Err(error.into()),
        };
        match layer.arrived(store, &imported.id)? {
            true => Ok(()),
            // By the cache it had another id, and keys were made of that one.
            false => Err(Halt::CacheFailed(format!(
                "the shared cache says that {} is layer {}, and it is {}",
                blob.digest,
                layer.known_id().unwrap_or(NOBODY),
                imported.id
            ))),
        }
    }

    /// Fetches blobs from where they can be had, and hands each to `arrived` on this thread, beside the fetching.
    fn fetch(
        &self,
        missing: &[Descriptor],
        arrived: &mut dyn FnMut(&Descriptor) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let store = self.doors.store;
        let mut places: Vec<(Option<Reference>, Vec<Descriptor>)> = Vec::new();
        for blob in missing {
            let origin = store.origin(&blob.digest)?;
            match places.iter_mut().find(|(known, _)| *known == origin) {
                Some((_, blobs)) => blobs.push(blob.clone()),
                None => places.push((origin, vec![blob.clone()])),
            }
        }
        for (origin, blobs) in places {
            match (origin, self.doors.upstream, self.cache) {
                (Some(origin), Some(upstream), _) => {
                    let fetch = |told: &(dyn Fn(&Descriptor) + Sync)| upstream.fetch(&origin, &blobs, told);
                    beside(fetch, arrived)?
                        .map_err(|source| StepError::Upstream { name: origin.familiar_name(), source })?;
                }
                (None, _, Some(cache)) => {
                    let fetch = |told: &(dyn Fn(&Descriptor) + Sync)| cache.fetch(&blobs, told);
                    beside(fetch, arrived)?.map_err(|error| {
                        Halt::CacheFailed(format!("a layer of the shared cache is not to be had: {error}"))
                    })?;
                }
                _ => return Err(StoreError::NoBlob(blobs[0].digest).into()),
            }
        }
        Ok(())
    }
}

/// What a shared cache promised and nobody has is no reason to fail.
pub fn blame_cache(halt: Halt) -> Halt {
    match halt {
        Halt::Failed(StepError::Upstream { name, source }) => Halt::CacheFailed(format!(
            "a layer of the shared cache cannot be fetched from `{name}`: {source}"
        )),
        other => other,
    }
}

/// For messages about a layer without an id, which there is none of.
const NOBODY: LayerId = LayerId(Digest::Sha256([0; 32]));

/// Lets a thread fetch, and handles here what has arrived.
fn beside(
    fetch: impl FnOnce(&(dyn Fn(&Descriptor) + Sync)) -> Result<(), UpstreamError> + Send,
    arrived: &mut dyn FnMut(&Descriptor) -> Result<(), Halt>,
) -> Result<Result<(), UpstreamError>, Halt> {
    let (sender, receiver) = mpsc::channel::<Descriptor>();
    std::thread::scope(|scope| {
        let fetching = scope.spawn(move || {
            // A receiver that is gone has its own reason.
            fetch(&|blob: &Descriptor| drop(sender.send(blob.clone())))
        });
        let mut known = HashSet::new();
        let mut handled = Ok(());
        for blob in receiver {
            if handled.is_ok() && known.insert(blob.digest) {
                handled = arrived(&blob);
            }
        }
        let fetched = fetching.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        handled.map(|()| fetched)
    })
}
