//! How large images are.

use rusqlite::{OptionalExtension, params};

use super::{Document, Store, StoreError};
use crate::{Digest, Manifest};

impl Store {
    /// Bytes of the files in an image's layers, which is what Docker calls its size; of an index, of all its images that
    /// are here. `None` if a layer was never unpacked here, so that nobody knows.
    pub fn unpacked_size(&self, image: &Digest) -> Result<Option<u64>, StoreError> {
        let index = match self.document(image)? {
            Document::Manifest(manifest) => return self.layers_size(manifest.value()),
            Document::Index(index) => index,
        };
        let mut total = 0;
        for descriptor in &index.value().manifests {
            let is_image = descriptor.platform.as_ref().is_none_or(|platform| platform.os != "unknown");
            if !is_image || !self.has_blob(&descriptor.digest)? {
                continue;
            }
            if let Document::Manifest(manifest) = self.document(&descriptor.digest)? {
                match self.layers_size(manifest.value())? {
                    Some(size) => total += size,
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(total))
    }

    fn layers_size(&self, manifest: &Manifest) -> Result<Option<u64>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT bytes FROM layers JOIN layer_blobs ON layers.id = layer_blobs.layer WHERE layer_blobs.digest = ?1",
        )?;
        let mut total = 0;
        for layer in &manifest.layers {
            let size = statement.query_row(params![layer.digest.to_string()], |row| row.get::<_, i64>(0));
            match size.optional()? {
                Some(size) => total += size.max(0) as u64,
                None => return Ok(None),
            }
        }
        Ok(Some(total))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::{image_of, layer_of, open};

    #[test]
    fn the_size_is_that_of_the_files_where_layers_are_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let layers = [layer_of(&store, &[("a", "12345")]), layer_of(&store, &[("b/c", "123"), ("d", "")])];
        let image = image_of(&store, &layers, "somebody");
        store.commit(&Batch { images: vec![image], ..Batch::default() }).unwrap();
        assert_eq!(store.unpacked_size(&image).unwrap(), Some(8));
        assert_eq!(store.unpacked_size(&image_of(&store, &[], "somebody")).unwrap(), Some(0));

        let connection = store.connection();
        connection.execute("DELETE FROM layers WHERE id = ?1", [layers[1].to_string()]).unwrap();
        drop(connection);
        assert_eq!(store.unpacked_size(&image).unwrap(), None);
    }
}
