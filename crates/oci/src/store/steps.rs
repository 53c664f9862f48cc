//! Results of steps, and the one transaction that makes a batch of them visible.

use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::{begin, parse};
use super::error::io as failed;
use super::images::{NewImage, tag_text};
use super::leases::Leased;
use super::{Batch, Pending, Store, StoreError};
use crate::manifest::DocumentError;
use crate::record::{Key, Record};
use crate::{Digest, LayerId};

/// The result of a step that ran before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedStep {
    /// Its record, a blob.
    pub record: Digest,
    /// The layer that it made.
    pub layer: Option<LayerId>,
}

impl Store {
    /// The result of the step with this key, if it ran before. Collection leaves it alone until this process ends, and
    /// takes what was used longer ago first.
    pub fn step(&self, key: &Key) -> Result<Option<CachedStep>, StoreError> {
        let text = key.to_string();
        let connection = self.connection();
        // A miss writes nothing.
        if find_step(&connection, &text)?.is_none() {
            return Ok(None);
        }
        let found = self.lease_step(&connection, &text);
        if !matches!(found, Ok(Some(_))) {
            // What was leased on the way was rolled back.
            self.leases.forget();
        }
        let Some((record, layer)) = found? else { return Ok(None) };
        Ok(Some(CachedStep { record: parse(record)?, layer: layer.map(parse).transpose()? }))
    }

    /// Leases a step with its record and its layer, if it is still there: another build may give the key another result.
    fn lease_step(&self, connection: &Connection, key: &str) -> Result<Option<StepRow>, StoreError> {
        let transaction = begin(connection)?;
        let Some((record, layer)) = find_step(&transaction, key)? else { return Ok(None) };
        self.lease(&transaction, Leased::Step, key)?;
        self.lease(&transaction, Leased::Blob, &record)?;
        if let Some(layer) = &layer {
            self.lease(&transaction, Leased::Layer, layer)?;
        }
        transaction.commit()?;
        Ok(Some((record, layer)))
    }

    /// Forgets the result of a step.
    pub fn forget_step(&self, key: &Key) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM steps WHERE key = ?1", [key.to_string()])?;
        Ok(())
    }

    /// A record.
    pub fn record(&self, digest: &Digest) -> Result<Record, StoreError> {
        let bytes = self.read_blob(digest)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Document { digest: *digest, source: DocumentError::Json(error) })
    }

    /// Stores a record as a blob.
    pub fn put_record(&self, record: &Record) -> Result<Digest, StoreError> {
        let bytes = serde_json::to_vec(record).map_err(|error| {
            let digest = record.key.0;
            StoreError::Document { digest, source: DocumentError::Json(error) }
        })?;
        self.put_blob(&bytes)
    }

    /// Makes everything that this process made so far, and the batch, visible in one transaction. What the batch names
    /// must have been put into the store before. Nobody waits for the disk: see [`settle`](Self::settle).
    pub fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let images = self.describe_images(batch)?;
        // One at a time, or two would commit, and then forget, the same pending rows.
        let _alone = self.committing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // The rows stay findable here while they are on their way.
        let pending = self.pending().clone();
        let made = !(pending.blobs.is_empty() && pending.layers.is_empty());
        let rows = !(pending.layer_blobs.is_empty() && pending.downloads.is_empty());
        let nothing = !made && !rows && batch.is_empty();
        if nothing {
            return Ok(());
        }
        if made && self.boot.is_none() {
            // What cannot be told from what an earlier run of the machine left must not be left.
            rustix::fs::syncfs(&self.handle).map_err(failed("sync", &self.root))?;
        }
        if let Err(error) = self.write(&pending, batch, &images) {
            // Its leases were rolled back with it.
            self.leases.forget();
            return Err(error);
        }
        self.pending().forget(&pending);
        Ok(())
    }

    fn write(&self, pending: &Pending, batch: &Batch, images: &[NewImage]) -> Result<(), StoreError> {
        let connection = self.connection();
        let transaction = begin(&connection)?;
        insert_pending(&transaction, pending)?;
        if let Some(boot) = &self.boot {
            super::settle::note(&transaction, pending, boot)?;
        }
        let tick: i64 =
            transaction
                .query_row("SELECT value + 1 FROM settings WHERE name = 'tick'", [], |row| row.get(0))?;
        for step in &batch.steps {
            let mut insert =
                transaction.prepare_cached("INSERT OR REPLACE INTO steps VALUES (?1, ?2, ?3, ?4)")?;
            let layer = step.layer.map(|layer| layer.to_string());
            insert.execute(params![step.key.to_string(), step.record.to_string(), layer, tick])?;
            self.lease(&transaction, Leased::Step, &step.key.to_string())?;
        }
        for (digest, repository) in &batch.origins {
            super::origins::insert(&transaction, digest, repository)?;
        }
        for image in images {
            image.insert(&transaction)?;
            self.lease(&transaction, Leased::Image, &image.digest.to_string())?;
        }
        for (reference, digest) in &batch.tags {
            let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2)")?;
            insert.execute(params![tag_text(reference), digest.to_string()])?;
        }
        for build in &batch.builds {
            super::builds::insert(&transaction, build)?;
            self.lease(&transaction, Leased::Build, &build.id)?;
        }
        Ok(transaction.commit()?)
    }
}

/// A step's record and layer.
type StepRow = (String, Option<String>);

fn find_step(connection: &Connection, key: &str) -> Result<Option<StepRow>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT record, layer FROM steps WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

impl Pending {
    /// Leaves what was added since a copy was taken.
    fn forget(&mut self, copy: &Pending) {
        self.blobs.retain(|digest, _| !copy.blobs.contains_key(digest));
        self.layers.retain(|id, _| !copy.layers.contains_key(id));
        self.layer_blobs.drain(..copy.layer_blobs.len().min(self.layer_blobs.len()));
        self.downloads.retain(|key, download| copy.downloads.get(key) != Some(download));
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.tags.is_empty()
            && self.images.is_empty()
            && self.builds.is_empty()
            && self.origins.is_empty()
    }
}

fn insert_pending(transaction: &Connection, pending: &Pending) -> Result<(), StoreError> {
    for (digest, size) in &pending.blobs {
        let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO blobs VALUES (?1, ?2)")?;
        insert.execute(params![digest.to_string(), *size as i64])?;
    }
    for (id, (entries, bytes)) in &pending.layers {
        let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO layers VALUES (?1, ?2, ?3)")?;
        insert.execute(params![id.to_string(), *entries as i64, *bytes as i64])?;
    }
    for blob in &pending.layer_blobs {
        // The same blob may come from outside and be made here; that it was made here is what counts.
        let mut insert = transaction.prepare_cached(
            "INSERT INTO layer_blobs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (digest) DO UPDATE SET
             own = excluded.own, compression = excluded.compression, level = excluded.level WHERE excluded.own = 1",
        )?;
        let (own, compression, level) = match blob.own {
            Some((compression, level)) => (1, compression.name(), level),
            None => (0, "", 0),
        };
        let (digest, layer, diff_id) =
            (blob.digest.to_string(), blob.layer.to_string(), blob.diff_id.to_string());
        insert.execute(params![
            digest,
            layer,
            diff_id,
            blob.media_type,
            blob.size as i64,
            own,
            compression,
            level
        ])?;
    }
    super::downloads::insert(transaction, &pending.downloads)
}
