//! Repositories of the registry that serves this store: which blobs, manifests and tags each has. They are apart from
//! the names of images: who pushes to a registry does not change what a name means to a build.
//!
//! A manifest stays with all that it names until it is removed. A blob stays as long as a manifest names it, or the
//! process that brought or looked it up lives: a push under way loses nothing.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use super::catalog::{begin, parse};
use super::{Batch, Store, StoreError};
use crate::{Descriptor, Digest};

/// A manifest or image index of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryManifest {
    /// Media type, digest and size; artifact type and annotations as a list of referrers shows them.
    pub descriptor: Descriptor,
    /// The manifest that this one speaks about.
    pub subject: Option<Digest>,
    /// How many manifests are below each other: 0 for an image.
    pub depth: u32,
}

const MANIFEST: &str = "media_type, digest, size, artifact_type, annotations, subject, depth";

impl Store {
    /// Names of repositories after `after`, sorted.
    pub fn repositories(&self, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let query = "SELECT repository FROM repository_blobs WHERE repository > ?1
                     UNION SELECT repository FROM repository_manifests WHERE repository > ?1 ORDER BY 1 LIMIT ?2";
        self.texts(query, params![after, rows(limit)])
    }

    /// Whether a repository has anything.
    pub fn has_repository(&self, repository: &str) -> Result<bool, StoreError> {
        let query = "SELECT 1 FROM repository_blobs WHERE repository = ?1
                     UNION ALL SELECT 1 FROM repository_manifests WHERE repository = ?1";
        Ok(self.connection().prepare_cached(query)?.exists([repository])?)
    }

    /// Whether a blob is in a repository. What is found there stays until this process ends.
    pub fn repository_has_blob(&self, repository: &str, blob: &Digest) -> Result<bool, StoreError> {
        let there = {
            let connection = self.connection();
            let query = "SELECT 1 FROM repository_blobs WHERE repository = ?1 AND digest = ?2";
            connection.prepare_cached(query)?.exists(params![repository, blob.to_string()])?
        };
        Ok(there && self.has_blob(blob)?)
    }

    /// Puts a blob into a repository.
    pub fn add_repository_blob(&self, repository: &str, blob: &Digest) -> Result<(), StoreError> {
        if !self.has_blob(blob)? {
            return Err(StoreError::NoBlob(*blob));
        }
        let connection = self.connection();
        let mut insert =
            connection.prepare_cached("INSERT OR IGNORE INTO repository_blobs VALUES (?1, ?2)")?;
        insert.execute(params![repository, blob.to_string()])?;
        Ok(())
    }

    /// Takes a blob out of a repository; whether it was there.
    pub fn remove_repository_blob(&self, repository: &str, blob: &Digest) -> Result<bool, StoreError> {
        let query = "DELETE FROM repository_blobs WHERE repository = ?1 AND digest = ?2";
        let connection = self.connection();
        Ok(connection.prepare_cached(query)?.execute(params![repository, blob.to_string()])? > 0)
    }

    /// Some repositories that have a blob.
    pub fn repositories_with_blob(&self, blob: &Digest, limit: usize) -> Result<Vec<String>, StoreError> {
        let query = "SELECT repository FROM repository_blobs WHERE digest = ?1 ORDER BY 1 LIMIT ?2";
        self.texts(query, params![blob.to_string(), rows(limit)])
    }

    /// A manifest of a repository.
    pub fn repository_manifest(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<Option<RepositoryManifest>, StoreError> {
        let query =
            format!("SELECT {MANIFEST} FROM repository_manifests WHERE repository = ?1 AND digest = ?2");
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&query)?;
        let row =
            statement.query_row(params![repository, digest.to_string()], |row| Ok(read(row))).optional()?;
        row.transpose()
    }

    /// Adds a manifest, whose bytes are a blob, and lets tags name it. Everything that this process put into the store
    /// is on the disk before.
    pub fn put_repository_manifest(
        &self,
        repository: &str,
        manifest: &RepositoryManifest,
        tags: &[String],
    ) -> Result<(), StoreError> {
        let descriptor = &manifest.descriptor;
        if !self.has_blob(&descriptor.digest)? {
            return Err(StoreError::NoBlob(descriptor.digest));
        }
        self.commit(&Batch::default())?;
        self.settle()?;
        let annotations = serde_json::to_string(&descriptor.annotations).unwrap_or_default();
        let digest = descriptor.digest.to_string();
        let connection = self.connection();
        let transaction = begin(&connection)?;
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO repository_manifests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                repository,
                digest,
                descriptor.media_type,
                descriptor.size as i64,
                descriptor.artifact_type,
                annotations,
                manifest.subject.map(|subject| subject.to_string()),
                manifest.depth,
            ])?;
        for tag in tags {
            let mut insert =
                transaction.prepare_cached("INSERT OR REPLACE INTO repository_tags VALUES (?1, ?2, ?3)")?;
            insert.execute(params![repository, tag, digest])?;
        }
        Ok(transaction.commit()?)
    }

    /// Removes a manifest and the tags that name it; whether it was there.
    pub fn remove_repository_manifest(&self, repository: &str, digest: &Digest) -> Result<bool, StoreError> {
        let connection = self.connection();
        let transaction = begin(&connection)?;
        let named = params![repository, digest.to_string()];
        transaction.execute("DELETE FROM repository_tags WHERE repository = ?1 AND digest = ?2", named)?;
        let removed = transaction
            .execute("DELETE FROM repository_manifests WHERE repository = ?1 AND digest = ?2", named)?;
        transaction.commit()?;
        Ok(removed > 0)
    }

    /// Manifests of a repository that speak about `subject`.
    pub fn repository_referrers(
        &self,
        repository: &str,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, StoreError> {
        let query = format!(
            "SELECT {MANIFEST} FROM repository_manifests WHERE repository = ?1 AND subject = ?2 ORDER BY digest"
        );
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&query)?;
        let found = statement.query_map(params![repository, subject.to_string()], |row| Ok(read(row)))?;
        found.map(|row| Ok(row??.descriptor)).collect()
    }

    /// What a tag of a repository names.
    pub fn repository_tag(&self, repository: &str, tag: &str) -> Result<Option<Digest>, StoreError> {
        let query = "SELECT digest FROM repository_tags WHERE repository = ?1 AND tag = ?2";
        let connection = self.connection();
        let mut statement = connection.prepare_cached(query)?;
        let row: Option<String> =
            statement.query_row(params![repository, tag], |row| row.get(0)).optional()?;
        row.map(parse).transpose()
    }

    /// Removes a tag of a repository; whether it was there.
    pub fn remove_repository_tag(&self, repository: &str, tag: &str) -> Result<bool, StoreError> {
        let query = "DELETE FROM repository_tags WHERE repository = ?1 AND tag = ?2";
        Ok(self.connection().prepare_cached(query)?.execute(params![repository, tag])? > 0)
    }

    /// Tags of a repository after `after`, sorted.
    pub fn repository_tags(
        &self,
        repository: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let query =
            "SELECT tag FROM repository_tags WHERE repository = ?1 AND tag > ?2 ORDER BY tag LIMIT ?3";
        self.texts(query, params![repository, after, rows(limit)])
    }

    fn texts(&self, query: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(query)?;
        let found = statement.query_map(values, |row| row.get(0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn read(row: &Row<'_>) -> Result<RepositoryManifest, StoreError> {
    let media_type: String = row.get(0)?;
    let mut descriptor = Descriptor::new(&media_type, parse(row.get(1)?)?, row.get::<_, i64>(2)? as u64);
    descriptor.artifact_type = row.get(3)?;
    let annotations: BTreeMap<String, String> =
        serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default();
    descriptor.annotations = annotations;
    let subject: Option<String> = row.get(5)?;
    Ok(RepositoryManifest { descriptor, subject: subject.map(parse).transpose()?, depth: row.get(6)? })
}

#[cfg(test)]
mod tests {
    use super::super::tests::open;
    use super::*;
    use crate::descriptor::media_type;
    use crate::{Manifest, Raw};

    #[test]
    fn verification_finds_what_a_repository_lacks() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let put = |bytes: &[u8]| {
            Descriptor::new("application/x", store.put_blob(bytes).unwrap(), bytes.len() as u64)
        };
        let layer = put(b"layer");
        let manifest = Raw::write(Manifest::new(put(b"config"), vec![layer.clone()]));
        store.put_blob(manifest.bytes()).unwrap();
        let descriptor = manifest.descriptor(media_type::OCI_MANIFEST);
        let entry = RepositoryManifest { descriptor, subject: None, depth: 0 };
        store.put_repository_manifest("team/app", &entry, &["v1".to_owned()]).unwrap();
        assert_eq!(store.verify(1).unwrap().findings, [""; 0]);

        let nothing = Digest::of(b"nothing");
        let lose = |query: &str, digest: &Digest| {
            assert_eq!(store.connection().execute(query, [digest.to_string()]).unwrap(), 1);
        };
        lose("INSERT INTO repository_tags VALUES ('team/app', 'lost', ?1)", &nothing);
        lose("DELETE FROM blobs WHERE digest = ?1", &layer.digest);
        let image = entry.descriptor.digest;
        assert_eq!(
            store.verify(1).unwrap().findings,
            [
                format!("the tag team/app:lost speaks of {nothing}, which is not there"),
                format!("manifest {image} lacks its blob {}", layer.digest),
            ]
        );
        lose("DELETE FROM blobs WHERE digest = ?1", &image);
        let findings = store.verify(1).unwrap().findings;
        assert!(findings.contains(&format!("the repository team/app speaks of {image}, which is not there")));
    }
}
