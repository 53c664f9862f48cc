//! The layers of an image, unpacked and ready to mount.

use oci::Digest;
use oci::store::{Batch, Image, Layer, Store, StoreError};

use crate::cli::build::Progress;
use crate::failure::Failure;
use crate::program::Program;
use crate::registry::transfers::Transfers;
use crate::ui;

/// The image's layers, bottom first; those that are not here are fetched, those that are not unpacked yet are now.
pub fn of_image(program: &Program, store: &Store, image: &Image) -> Result<Vec<Layer>, Failure> {
    let layers = &image.manifest.value().layers;
    let diff_ids = &image.config.value().rootfs.diff_ids;
    bring(program, store, &image.descriptor.digest)?;
    let mut unpacked = Vec::with_capacity(layers.len());
    for (number, blob) in layers.iter().enumerate() {
        let id = store.import_layer(blob, diff_ids.get(number))?.id;
        unpacked.push(store.layer(&id)?.ok_or(StoreError::NoLayer(id))?);
    }
    Ok(unpacked)
}

/// Fetches what a build left elsewhere of an image, since no step needed it: of a base, or of a shared cache.
pub fn bring(program: &Program, store: &Store, image: &Digest) -> Result<(), Failure> {
    let mut missing = false;
    for layer in crate::registry::blobs(store, image)? {
        missing |= !store.has_blob(&layer.digest)? && store.layer_by_blob(&layer.digest)?.is_none();
    }
    if !missing {
        return Ok(());
    }
    let registries = program.registries(&program.settings()?);
    let view = ui::transfers(program.terminal, Progress::Auto, false, "fetching layers".to_owned());
    let brought = registries.bring(store, image, &Transfers::new(&*view));
    drop(view.finish());
    brought?;
    Ok(store.commit(&Batch::default())?)
}
