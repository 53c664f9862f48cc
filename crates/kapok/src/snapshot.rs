//! The layers of an image, unpacked and ready to mount.

use oci::store::{Image, Layer, Store, StoreError};

use crate::failure::Failure;

/// The image's layers, bottom first; those that are not unpacked yet are now.
pub fn of_image(store: &Store, image: &Image) -> Result<Vec<Layer>, Failure> {
    let layers = &image.manifest.value().layers;
    let diff_ids = &image.config.value().rootfs.diff_ids;
    let mut unpacked = Vec::with_capacity(layers.len());
    for (number, blob) in layers.iter().enumerate() {
        let id = store.import_layer(blob, diff_ids.get(number))?.id;
        unpacked.push(store.layer(&id)?.ok_or(StoreError::NoLayer(id))?);
    }
    Ok(unpacked)
}
