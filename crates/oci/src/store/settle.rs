//! What the catalog speaks of before it is surely on the disk.
//!
//! A process that is killed takes nothing with it: what it wrote is the kernel's by then. Only a machine that goes down
//! does. So a transaction does not wait for the disk; it notes down what it speaks of and in which run of the machine
//! ([`boot`]), and one `syncfs`, at any time, settles whatever was committed before it began. Rows of another run are
//! looked at by whoever opens the store next: their files are read and compared with their names, and what is damaged is
//! forgotten with all that needs it, as if it had never been made.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::catalog::{begin, parse};
use super::error::io as failed;
use super::gc::column;
use super::{Document, Pending, Store, StoreError};
use crate::Digest;

/// Changes whenever the machine starts.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Rows that speak of what is no longer there.
const LEFT_OVER: [&str; 6] = [
    "DELETE FROM steps WHERE record NOT IN (SELECT digest FROM blobs)
     OR layer IS NOT NULL AND layer NOT IN (SELECT id FROM layers)",
    "DELETE FROM layer_blobs WHERE digest NOT IN (SELECT digest FROM blobs) OR layer NOT IN (SELECT id FROM layers)",
    "DELETE FROM downloads WHERE digest NOT IN (SELECT digest FROM blobs)",
    "DELETE FROM repository_blobs WHERE digest NOT IN (SELECT digest FROM blobs)
     AND digest NOT IN (SELECT id FROM leases WHERE kind = 'blob')",
    "DELETE FROM repository_manifests WHERE digest NOT IN (SELECT digest FROM blobs)",
    "DELETE FROM repository_tags WHERE NOT EXISTS (SELECT 1 FROM repository_manifests AS manifests
     WHERE manifests.repository = repository_tags.repository AND manifests.digest = repository_tags.digest)",
];

/// This run of the machine; nothing where the kernel does not say.
pub(super) fn boot() -> Option<String> {
    let text = std::fs::read_to_string(BOOT).ok()?;
    Some(text.trim().to_owned()).filter(|boot| !boot.is_empty())
}

/// Notes down what a transaction speaks of.
pub(super) fn note(transaction: &Connection, pending: &Pending, boot: &str) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO unsettled VALUES (?1, ?2, ?3)")?;
    for digest in pending.blobs.keys() {
        insert.execute(params!["blob", digest.to_string(), boot])?;
    }
    for layer in pending.layers.keys() {
        insert.execute(params!["layer", layer.to_string(), boot])?;
    }
    Ok(())
}

impl Store {
    /// Waits until everything that the catalog speaks of is on the disk. For promises to others, and for programs that
    /// run long; a build that ends does not need it.
    pub fn settle(&self) -> Result<(), StoreError> {
        let before = unsettled(&self.connection(), "boot = ?1", self.boot.as_deref().unwrap_or_default())?;
        if before.is_empty() {
            return Ok(());
        }
        rustix::fs::syncfs(&self.handle).map_err(failed("sync", &self.root))?;
        let connection = self.connection();
        let transaction = begin(&connection)?;
        for (kind, id) in &before {
            settled(&transaction, kind, id)?;
        }
        Ok(transaction.commit()?)
    }

    /// Looks at what an earlier run of the machine left unsettled.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        let boot = self.boot.as_deref().unwrap_or_default();
        let doubtful = unsettled(&self.connection(), "boot <> ?1", boot)?;
        if doubtful.is_empty() {
            return Ok(());
        }
        let mut damaged = Vec::new();
        for (kind, id) in &doubtful {
            let is_sound = match kind.as_str() {
                "layer" => self.is_sound_layer(&parse(id.clone())?),
                _ => self.is_sound_blob(&parse(id.clone())?),
            };
            if !is_sound {
                damaged.push((kind, id));
            }
        }
        {
            let connection = self.connection();
            let transaction = begin(&connection)?;
            // Another process may have been faster, and made anew what was damaged.
            let still: HashSet<(String, String)> =
                unsettled(&transaction, "boot <> ?1", boot)?.into_iter().collect();
            for (kind, id) in
                damaged.iter().filter(|(kind, id)| still.contains(&((*kind).clone(), (*id).clone())))
            {
                let query = match kind.as_str() {
                    "layer" => "DELETE FROM layers WHERE id = ?1",
                    _ => "DELETE FROM blobs WHERE digest = ?1",
                };
                transaction.prepare_cached(query)?.execute([id])?;
            }
            for (kind, id) in &still {
                settled(&transaction, kind, id)?;
            }
            if !damaged.is_empty() {
                for query in LEFT_OVER {
                    transaction.execute(query, [])?;
                }
            }
            transaction.commit()?;
        }
        if damaged.is_empty() { Ok(()) } else { self.forget_incomplete_images() }
    }

    /// Forgets images, and their names, of which something is gone that cannot be had again.
    fn forget_incomplete_images(&self) -> Result<(), StoreError> {
        let images = column(&self.connection(), "SELECT digest FROM images")?;
        let mut lost = Vec::new();
        for text in images {
            if !self.is_complete(&parse(text.clone())?)? {
                lost.push(text);
            }
        }
        let connection = self.connection();
        let transaction = begin(&connection)?;
        for digest in &lost {
            transaction.execute("DELETE FROM images WHERE digest = ?1", [digest])?;
        }
        transaction.execute("DELETE FROM tags WHERE digest NOT IN (SELECT digest FROM images)", [])?;
        Ok(transaction.commit()?)
    }

    fn is_complete(&self, image: &Digest) -> Result<bool, StoreError> {
        let parts = match self.document(image) {
            Ok(Document::Manifest(manifest)) => {
                let manifest = manifest.value();
                std::iter::once(&manifest.config).chain(&manifest.layers).map(|part| part.digest).collect()
            }
            Ok(Document::Index(_)) => Vec::new(),
            Err(_) => return Ok(false),
        };
        for part in parts {
            if !self.can_have(&part)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn unsettled(connection: &Connection, which: &str, boot: &str) -> Result<Vec<(String, String)>, StoreError> {
    let query = format!("SELECT kind, id FROM unsettled WHERE {which} ORDER BY kind, id");
    let mut statement = connection.prepare_cached(&query)?;
    let rows = statement.query_map([boot], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn settled(connection: &Connection, kind: &str, id: &str) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM unsettled WHERE kind = ?1 AND id = ?2")?;
    delete.execute([kind, id]).map(drop)
}
