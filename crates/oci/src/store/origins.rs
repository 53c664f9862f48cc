//! Where blobs came from: they need not be here as long as nobody reads them, and another repository of the same
//! registry need not be sent them.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::exists;
use super::{Store, StoreError};
use crate::{Digest, Reference};

const KNOWN: &str = "SELECT 1 FROM origins WHERE digest = ?1";

impl Store {
    /// A repository that has, or had, this blob; the latest that was noted down. The reference's tag means nothing.
    pub fn origin(&self, digest: &Digest) -> Result<Option<Reference>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT repository FROM origins WHERE digest = ?1")?;
        let found = statement.query_row([digest.to_string()], |row| row.get::<_, String>(0)).optional()?;
        Ok(found.and_then(|text| text.parse().ok()))
    }

    /// Whether the blob is here, or it is known where it can be had.
    pub(super) fn can_have(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.has_blob(digest)? || exists(&self.connection(), KNOWN, &digest.to_string())?)
    }
}

pub(super) fn insert(
    connection: &Connection,
    digest: &Digest,
    repository: &Reference,
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO origins VALUES (?1, ?2)")?;
    insert.execute(params![digest.to_string(), repository.name()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::open;
    use super::*;
    use crate::descriptor::media_type;
    use crate::{Descriptor, ImageConfig, Manifest, Platform, Raw};

    /// An image whose layer is nowhere near, its documents in the store.
    fn distant(store: &Store) -> (Digest, Digest) {
        let config = Raw::write(ImageConfig::for_platform(&Platform::linux("amd64")));
        let layer = Descriptor::of(media_type::OCI_LAYER_GZIP, b"elsewhere");
        store.put_blob(config.bytes()).unwrap();
        let manifest =
            Raw::write(Manifest::new(config.descriptor(media_type::OCI_CONFIG), vec![layer.clone()]));
        (store.put_blob(manifest.bytes()).unwrap(), layer.digest)
    }

    #[test]
    fn an_image_may_be_named_while_its_layers_are_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let (image, layer) = distant(&store);
        let name: Reference = "registry.example.org/team/base:1".parse().unwrap();
        let tags = vec![(name.clone(), image)];
        let refused = store.commit(&Batch { tags: tags.clone(), ..Batch::default() });
        assert!(matches!(refused, Err(StoreError::NoBlob(digest)) if digest == layer));

        let origins = vec![(layer, name.clone())];
        store.commit(&Batch { tags, origins, ..Batch::default() }).unwrap();
        assert_eq!(store.origin(&layer).unwrap().unwrap().name(), name.name());
        assert_eq!(store.origin(&image).unwrap(), None);
        assert_eq!(store.verify(1).unwrap().findings, [""; 0]);
        drop(store);

        // It is known as long as an image needs it.
        let store = open(directory.path());
        store.gc(None).unwrap();
        assert!(store.origin(&layer).unwrap().is_some());
        store.untag(&name).unwrap();
        drop(store);
        let store = open(directory.path());
        store.gc(None).unwrap();
        assert_eq!(store.origin(&layer).unwrap(), None);
    }
}
