//! From finished stages to an image: configuration, manifest, index.

use std::sync::Arc;

use oci::descriptor::media_type;
use oci::store::LayerBlob;
use oci::{Descriptor, ImageConfig, ImageIndex, Manifest, Raw};

use super::board::Stopped;
use super::certificates;
use super::error::BuildError;
use super::layers::{LazyLayer, blame_cache};
use super::request::BuiltPlatform;
use super::request::Keep;
use super::stage::Halt;
use super::world::{StageRef, StageResult, World};
use crate::plan::{Plan, StageBase, StageId};

/// The documents of a finished image, all of them in the store.
pub struct Documents {
    /// The manifest, or the index over several.
    pub image: Descriptor,
    /// Each platform's image.
    pub platforms: Vec<BuiltPlatform>,
    /// What each of them was made from.
    pub results: Vec<StageResult>,
    /// What each of them has on top of that: certificates.
    pub tops: Vec<Option<Arc<LazyLayer>>>,
}

/// The image of a platform, and the layer that was put on top of it.
type Topped = (BuiltPlatform, Option<Arc<LazyLayer>>);

/// The stages whose layers an image has: the target, and those that it stands on. Layers of other stages are copied
/// from and mounted; nobody needs their tars.
pub fn stages_of_image(plan: &Plan) -> Vec<StageId> {
    let mut stages = vec![plan.target];
    while let Some(StageBase::Stage(below)) =
        stages.last().and_then(|stage| plan.stage(*stage)).map(|stage| &stage.base)
    {
        stages.push(*below);
    }
    stages
}

/// Configuration and manifest of an image with these layers.
fn documents(config: ImageConfig, layers: Vec<Descriptor>) -> (Raw<ImageConfig>, Raw<Manifest>) {
    let config = Raw::write(config);
    let manifest = Raw::write(Manifest::new(config.descriptor(media_type::OCI_CONFIG), layers));
    (config, manifest)
}

impl World<'_> {
    /// Waits for the targets and their blobs, and writes the documents. `None`: the build was stopped.
    pub fn finish_images(&self, plans: &[Plan]) -> Result<Option<Documents>, BuildError> {
        if self.request.foresee {
            self.wait_for_stages(plans);
            return Ok(None);
        }
        let mut results = Vec::with_capacity(plans.len());
        for (number, plan) in plans.iter().enumerate() {
            let target = StageRef { platform: number, stage: plan.target };
            let result = match self.board.stage(&target) {
                Ok(result) => result,
                Err(Stopped) => return Ok(None),
            };
            self.seat.iter().for_each(|seat| seat.give(number, &result.layers));
            results.push(result);
        }
        if let Some(seat) = self.seat
            && let Err(Stopped) = seat.wait_for_bases()
        {
            return seat.loss().map_or(Ok(None), Err);
        }
        let mut platforms = Vec::with_capacity(plans.len());
        let mut tops = Vec::with_capacity(plans.len());
        for (plan, result) in plans.iter().zip(&results) {
            match self.finish_platform(plan, result)? {
                Some((built, top)) => {
                    platforms.push(built);
                    tops.push(top);
                }
                None => return Ok(None),
            }
        }
        let image = match platforms.as_slice() {
            [only] => only.manifest.clone(),
            several => {
                let manifests = several.iter().map(|built| Descriptor {
                    platform: Some(built.platform.clone()),
                    ..built.manifest.clone()
                });
                let index = Raw::write(ImageIndex::new(manifests.collect()));
                self.doors.store.put_blob(index.bytes())?;
                index.descriptor(media_type::OCI_INDEX)
            }
        };
        if self.request.pack_all {
            // Somebody wants the layers of the other stages too: what is begun would only be begun again.
            self.packer.settle();
        }
        Ok(Some(Documents { image, platforms, results, tops }))
    }

    /// Waits for all stages, and gives away what they lead to where nothing of it is due.
    fn wait_for_stages(&self, plans: &[Plan]) {
        for (platform, plan) in plans.iter().enumerate() {
            for stage in &plan.stages {
                let result = self.board.stage(&StageRef { platform, stage: stage.id });
                if let (Ok(result), Some(seat), true) = (result, self.seat, stage.id == plan.target) {
                    seat.give(platform, &result.layers);
                }
            }
        }
    }

    fn finish_platform(&self, plan: &Plan, result: &StageResult) -> Result<Option<Topped>, BuildError> {
        let Some(stage) = plan.stage(plan.target) else { return Ok(None) };
        let mut descriptors: Vec<Descriptor> = Vec::new();
        let mut config = stage.config.clone();
        config.rootfs.diff_ids.clear();
        if let Err(halt) = self.bring(result) {
            self.halt(halt);
            return Ok(None);
        }
        for layer in result.layers.iter() {
            let Some(blob) = self.image_blob(layer)? else { return Ok(None) };
            descriptors.push(blob.descriptor);
            config.rootfs.diff_ids.push(blob.diff_id);
        }
        let plain = documents(config.clone(), descriptors.clone()).1.digest();
        let top = match self.certificate_layer(stage, result) {
            Ok(top) => top,
            Err(halt) => {
                self.halt(halt);
                return Ok(None);
            }
        };
        if let Some(layer) = &top {
            let Some(blob) = self.image_blob(layer)? else { return Ok(None) };
            descriptors.push(blob.descriptor);
            config.rootfs.diff_ids.push(blob.diff_id);
            config.history.push(certificates::history(config.created.as_ref()));
        }
        let layers_size = descriptors.iter().map(|layer| layer.size).sum::<u64>();
        let (config, manifest) = documents(config, descriptors);
        let size = layers_size + config.bytes().len() as u64;
        let store = self.doors.store;
        store.put_blob(config.bytes())?;
        store.put_blob(manifest.bytes())?;
        let built = BuiltPlatform {
            platform: plan.platform.clone(),
            manifest: manifest.descriptor(media_type::OCI_MANIFEST),
            config: config.digest(),
            plain,
            size,
            layers: result.layers.known_ids(),
            all_layers: result.layers.iter().all(|layer| layer.known_id().is_some()),
        };
        Ok(Some((built, top)))
    }

    /// Brings as much of the layers as somebody wants to have of the image.
    fn bring(&self, result: &StageResult) -> Result<(), Halt> {
        let repacked = |layer: &&Arc<LazyLayer>| {
            layer.foreign_blob().is_some_and(|blob| !self.keeps(&blob) || blob.diff_id.is_none())
        };
        if self.request.keep == Keep::Files || result.layers.iter().any(|layer| repacked(&layer)) {
            self.snapshot(&result.layers)?;
        }
        let (mut shared, base): (Vec<_>, Vec<_>) =
            result.layers.iter().partition(|layer| layer.foreign_blob().is_some_and(|blob| !blob.fixed));
        shared.retain(|layer| !repacked(layer));
        if self.request.keep == Keep::Nothing {
            // What nobody could fetch later is fetched now.
            let origins = self.progress(|progress| progress.origins.clone());
            let can_be_had = |layer: &LazyLayer| {
                let blob = layer.foreign_blob().map(|blob| blob.descriptor.digest);
                origins.iter().any(|(digest, _)| Some(*digest) == blob)
            };
            shared.retain(|layer| !can_be_had(layer));
        } else {
            self.bring_blobs(base.into_iter())?;
        }
        self.bring_blobs(shared.into_iter()).map_err(blame_cache)
    }

    /// The blob that stands for a layer in the manifest. `None`: the build was stopped.
    fn image_blob(&self, layer: &LazyLayer) -> Result<Option<LayerBlob>, BuildError> {
        if let Some(blob) = layer.foreign_blob()
            && self.keeps(&blob)
        {
            let diff_id = match blob.diff_id {
                Some(diff_id) => Some(diff_id),
                None => self.doors.store.layer_by_blob(&blob.descriptor.digest)?.map(|known| known.diff_id),
            };
            if let Some(diff_id) = diff_id {
                return Ok(Some(LayerBlob { diff_id, descriptor: blob.descriptor }));
            }
        }
        match layer.known_id() {
            Some(id) => Ok(self.packer.blob(&id)?),
            None => Ok(None),
        }
    }
}
