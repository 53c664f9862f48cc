//! From finished stages to an image: configuration, manifest, index.

use oci::descriptor::media_type;
use oci::{Descriptor, ImageIndex, Manifest, Raw};

use super::board::Stopped;
use super::error::BuildError;
use super::request::BuiltPlatform;
use super::snapshot::ImageLayer;
use super::world::{StageRef, StageResult, World};
use crate::plan::{Plan, StageBase, StageId};

/// The documents of a finished image, all of them in the store.
pub struct Documents {
    /// The manifest, or the index over several.
    pub image: Descriptor,
    /// Each platform's image.
    pub platforms: Vec<BuiltPlatform>,
}

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

impl World<'_> {
    /// Waits for the targets and their blobs, and writes the documents. `None`: the build was stopped.
    pub fn finish_images(&self, plans: &[Plan]) -> Result<Option<Documents>, BuildError> {
        let mut platforms = Vec::with_capacity(plans.len());
        for (number, plan) in plans.iter().enumerate() {
            let target = StageRef { platform: number, stage: plan.target };
            let result = match self.board.stage(&target) {
                Ok(result) => result,
                Err(Stopped) => return Ok(None),
            };
            match self.finish_platform(plan, &result)? {
                Some(built) => platforms.push(built),
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
        Ok(Some(Documents { image, platforms }))
    }

    fn finish_platform(
        &self,
        plan: &Plan,
        result: &StageResult,
    ) -> Result<Option<BuiltPlatform>, BuildError> {
        let Some(stage) = plan.stage(plan.target) else { return Ok(None) };
        let mut descriptors: Vec<Descriptor> = Vec::with_capacity(result.layers.len());
        let mut config = stage.config.clone();
        config.rootfs.diff_ids.clear();
        for layer in &result.layers {
            let (descriptor, diff_id) = match layer {
                ImageLayer::Base { descriptor, diff_id } => (descriptor.as_ref().clone(), *diff_id),
                ImageLayer::Made(id) => match self.packer.blob(id)? {
                    Some(blob) => (blob.descriptor, blob.diff_id),
                    None => return Ok(None),
                },
            };
            descriptors.push(descriptor);
            config.rootfs.diff_ids.push(diff_id);
        }
        let config = Raw::write(config);
        let store = self.doors.store;
        store.put_blob(config.bytes())?;
        let config_descriptor = config.descriptor(media_type::OCI_CONFIG);
        let size = descriptors.iter().map(|layer| layer.size).sum::<u64>() + config_descriptor.size;
        let manifest = Raw::write(Manifest::new(config_descriptor, descriptors));
        store.put_blob(manifest.bytes())?;
        Ok(Some(BuiltPlatform {
            platform: plan.platform.clone(),
            manifest: manifest.descriptor(media_type::OCI_MANIFEST),
            config: config.digest(),
            size,
            layers: result.snapshot.layer_ids(),
        }))
    }
}
