//! Collection: what neither a name, nor a recent step, nor a live process needs goes away.
//!
//! Two transactions. The first forgets: it finds what is reached and deletes the other rows. The second removes files: what
//! has neither row nor lease belongs to nobody, be it what was just forgotten or what a dead process left. Processes
//! lease before they place a file, so under the write lock nothing appears that is not leased. Should collection die in
//! between, files are left over, never rows.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;

use super::catalog::{begin, parse};
use super::error::io as failed;
use super::{Document, Store, StoreError, builds, downloads, process};
use crate::Digest;
use crate::remove::remove_tree;

/// What collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Blobs removed.
    pub blobs: u64,
    /// Layers removed.
    pub layers: u64,
    /// Images without a name forgotten.
    pub images: u64,
    /// Step results forgotten.
    pub steps: u64,
    /// Builds taken out of the history, with their logs.
    pub builds: u64,
    /// Files and directories removed that belonged to nothing.
    pub orphans: u64,
    /// Bytes freed, as the catalog counts them.
    pub freed: u64,
    /// Bytes that remain.
    pub kept: u64,
    /// Bytes of the budget that nothing took.
    pub left: u64,
}

impl Store {
    /// Removes what is needed neither by a named image or a manifest of a repository, nor by one of the step results used last that have room in
    /// `budget` bytes (`None`: all of them), nor by a live process, this one among them. Downloads have the room that the
    /// steps leave. Of the history, the latest hundred builds stay, with their logs.
    pub fn gc(&self, budget: Option<u64>) -> Result<GcReport, StoreError> {
        self.sweep()?;
        let mut report = GcReport::default();
        {
            let connection = self.connection();
            let transaction = begin(&connection)?;
            let reach = Reach::find(self, &transaction, budget)?;
            forget(&transaction, &reach, &mut report)?;
            transaction.commit()?;
        }
        let trash = self.remove_unowned(&mut report)?;
        remove_tree(&trash).map_err(failed("remove", &trash))?;
        self.finish_sweep();
        self.settle()?;
        Ok(report)
    }

    /// What [`gc`](Self::gc) would do, without doing it. Files that belong to nothing are not counted.
    pub fn gc_preview(&self, budget: Option<u64>) -> Result<GcReport, StoreError> {
        let mut report = GcReport::default();
        let connection = self.connection();
        let transaction = begin(&connection)?;
        forget(&transaction, &Reach::find(self, &transaction, budget)?, &mut report)?;
        transaction.rollback()?;
        Ok(report)
    }

    /// Moves away whatever has neither row nor lease; gives the place where it is now.
    fn remove_unowned(&self, report: &mut GcReport) -> Result<PathBuf, StoreError> {
        let trash = self.process_work()?.join("trash");
        fs::create_dir_all(&trash).map_err(failed("make", &trash))?;
        let connection = self.connection();
        let transaction = begin(&connection)?;
        let mut removed = 0;
        for (number, path) in self.unowned(&transaction)?.into_iter().enumerate() {
            fs::rename(&path, trash.join(number.to_string())).map_err(failed("remove", &path))?;
            removed += 1;
        }
        for (number, path) in builds::unowned_logs(self, &transaction)?.into_iter().enumerate() {
            fs::rename(&path, trash.join(format!("logs-{number}"))).map_err(failed("remove", &path))?;
        }
        transaction.commit()?;
        report.orphans = u64::saturating_sub(removed, report.blobs + report.layers);
        Ok(trash)
    }

    /// Files and directories that nothing speaks of.
    pub(super) fn unowned(&self, connection: &Connection) -> Result<Vec<PathBuf>, StoreError> {
        let mut owned: HashSet<String> = column(connection, "SELECT digest FROM blobs")?;
        owned.extend(column(connection, "SELECT id FROM leases WHERE kind = 'blob'")?);
        let mut layers: HashSet<String> = column(connection, "SELECT id FROM layers")?;
        layers.extend(column(connection, "SELECT id FROM leases WHERE kind = 'layer'")?);
        let mut unowned = Vec::new();
        let mut look =
            |directory: &Path, algorithm: &str, owned: &HashSet<String>| -> Result<(), StoreError> {
                for name in process::names(directory)? {
                    if !owned.contains(&format!("{algorithm}:{name}")) {
                        unowned.push(directory.join(name));
                    }
                }
                Ok(())
            };
        for algorithm in ["sha256", "sha512"] {
            look(&self.root.join("blobs").join(algorithm), algorithm, &owned)?;
        }
        look(&self.root.join("layers"), "sha256", &layers)?;
        unowned.sort();
        Ok(unowned)
    }
}

/// What stays.
#[derive(Default)]
struct Reach {
    blobs: HashSet<String>,
    layers: HashSet<String>,
    images: HashSet<String>,
    steps: HashSet<String>,
    /// Of the budget.
    left: u64,
}

/// A step as its row says.
struct StepRow {
    key: String,
    record: String,
    layer: Option<String>,
}

/// What collection reads of a record.
#[derive(Deserialize)]
struct RecordLinks {
    log: Option<String>,
    reads: Option<String>,
}

impl Reach {
    fn find(store: &Store, connection: &Connection, budget: Option<u64>) -> Result<Reach, StoreError> {
        let mut reach = Reach {
            blobs: column(connection, "SELECT id FROM leases WHERE kind = 'blob'")?,
            layers: column(connection, "SELECT id FROM leases WHERE kind = 'layer'")?,
            ..Reach::default()
        };
        let roots: HashSet<String> = column(
            connection,
            "SELECT digest FROM images WHERE digest IN (SELECT digest FROM tags)
             OR digest IN (SELECT id FROM leases WHERE kind = 'image')",
        )?;
        for image in roots {
            reach.add_image(store, connection, &image, 0)?;
            reach.images.insert(image);
        }
        for manifest in column(connection, "SELECT digest FROM repository_manifests")? {
            reach.add_image(store, connection, &manifest, 0)?;
        }
        let left = reach.add_steps(store, connection, budget)?;
        reach.left = reach.add_downloads(connection, left)?;
        // Blobs that were made of layers that stay.
        let made = "SELECT digest, layer FROM layer_blobs WHERE own = 1";
        for (blob, layer) in pairs(connection, made)? {
            if reach.layers.contains(&layer) {
                reach.blobs.insert(blob);
            }
        }
        Ok(reach)
    }

    /// A manifest or index and everything it names, as far as it is here.
    fn add_image(
        &mut self,
        store: &Store,
        connection: &Connection,
        digest: &str,
        depth: usize,
    ) -> Result<(), StoreError> {
        const DEEPEST: usize = 4;
        if depth > DEEPEST || !self.blobs.insert(digest.to_owned()) && depth > 0 {
            return Ok(());
        }
        match store.document(&parse(digest.to_owned())?) {
            Ok(Document::Manifest(manifest)) => {
                self.blobs.insert(manifest.value().config.digest.to_string());
                for layer in &manifest.value().layers {
                    let blob = layer.digest.to_string();
                    let mut statement =
                        connection.prepare_cached("SELECT layer FROM layer_blobs WHERE digest = ?1")?;
                    self.layers
                        .extend(statement.query_row([&blob], |row| row.get::<_, String>(0)).optional()?);
                    self.blobs.insert(blob);
                }
            }
            Ok(Document::Index(index)) => {
                for manifest in &index.value().manifests {
                    self.add_image(store, connection, &manifest.digest.to_string(), depth + 1)?;
                }
            }
            // Damage is for `verify` to report; what cannot be read cannot name anything.
            Err(_) => {}
        }
        Ok(())
    }

    /// Downloads, those used last as long as they fit; the room that is left.
    fn add_downloads(&mut self, connection: &Connection, mut left: u64) -> Result<u64, StoreError> {
        for (digest, size) in downloads::by_use(connection)? {
            if self.blobs.contains(&digest) {
                continue;
            }
            if size > left {
                break;
            }
            left -= size;
            self.blobs.insert(digest);
        }
        Ok(left)
    }

    /// Step results: leased ones, and those used last as long as what only they need fits; the room that is left.
    fn add_steps(
        &mut self,
        store: &Store,
        connection: &Connection,
        budget: Option<u64>,
    ) -> Result<u64, StoreError> {
        let leased: HashSet<String> = column(connection, "SELECT id FROM leases WHERE kind = 'step'")?;
        let blob_sizes: HashMap<String, u64> = sizes(connection, "SELECT digest, size FROM blobs")?;
        let layer_sizes: HashMap<String, u64> = sizes(connection, "SELECT id, bytes FROM layers")?;
        let mut own: HashMap<String, Vec<String>> = HashMap::new();
        for (blob, layer) in pairs(connection, "SELECT digest, layer FROM layer_blobs WHERE own = 1")? {
            own.entry(layer).or_default().push(blob);
        }
        let mut left = budget.unwrap_or(u64::MAX);
        for step in step_rows(connection)? {
            let whole = blob_sizes.contains_key(&step.record)
                && step.layer.as_ref().is_none_or(|layer| layer_sizes.contains_key(layer));
            let is_leased = leased.contains(&step.key);
            if !whole || (left == 0 && !is_leased) {
                continue;
            }
            let mut blobs = vec![step.record.clone()];
            blobs.extend(record_links(store, &step.record)?);
            blobs.extend(step.layer.iter().filter_map(|layer| own.get(layer)).flatten().cloned());
            let new_blobs = blobs
                .iter()
                .filter(|blob| !self.blobs.contains(*blob))
                .filter_map(|blob| blob_sizes.get(blob));
            let new_layer = step.layer.as_ref().filter(|layer| !self.layers.contains(*layer));
            let cost =
                new_blobs.sum::<u64>() + new_layer.and_then(|layer| layer_sizes.get(layer)).unwrap_or(&0);
            if cost > left && !is_leased {
                // What was used longer ago goes too, however small: a chain of steps is of use only as a whole.
                left = 0;
                continue;
            }
            left = left.saturating_sub(cost);
            self.blobs.extend(blobs);
            self.layers.extend(step.layer);
            self.steps.insert(step.key);
        }
        Ok(left)
    }
}

/// Other blobs that a record names.
fn record_links(store: &Store, record: &str) -> Result<Vec<String>, StoreError> {
    let digest: Digest = parse(record.to_owned())?;
    let links =
        store.read_blob(&digest).ok().and_then(|bytes| serde_json::from_slice::<RecordLinks>(&bytes).ok());
    Ok(links.into_iter().flat_map(|links| [links.log, links.reads]).flatten().collect())
}

/// Deletes the rows of what is not reached.
fn forget(connection: &Connection, reach: &Reach, report: &mut GcReport) -> Result<(), StoreError> {
    report.left = reach.left;
    for (digest, size) in sizes(connection, "SELECT digest, size FROM blobs")? {
        if reach.blobs.contains(&digest) {
            report.kept += size;
        } else {
            connection.prepare_cached("DELETE FROM blobs WHERE digest = ?1")?.execute(params![digest])?;
            report.blobs += 1;
            report.freed += size;
        }
    }
    for (id, size) in sizes(connection, "SELECT id, bytes FROM layers")? {
        if reach.layers.contains(&id) {
            report.kept += size;
        } else {
            connection.prepare_cached("DELETE FROM layers WHERE id = ?1")?.execute(params![id])?;
            report.layers += 1;
            report.freed += size;
        }
    }
    for digest in column(connection, "SELECT digest FROM images")?.difference(&reach.images) {
        connection.prepare_cached("DELETE FROM images WHERE digest = ?1")?.execute(params![digest])?;
        report.images += 1;
    }
    for key in column(connection, "SELECT key FROM steps")?.difference(&reach.steps) {
        connection.prepare_cached("DELETE FROM steps WHERE key = ?1")?.execute(params![key])?;
        report.steps += 1;
    }
    connection.execute(
        "DELETE FROM layer_blobs WHERE digest NOT IN (SELECT digest FROM blobs) OR layer NOT IN (SELECT id FROM layers)",
        [],
    )?;
    connection.execute(
        "DELETE FROM unsettled WHERE id NOT IN (SELECT digest FROM blobs) AND id NOT IN (SELECT id FROM layers)",
        [],
    )?;
    downloads::forget(connection, &reach.blobs)?;
    report.builds = builds::forget_old(connection)?;
    connection.execute("DELETE FROM tags WHERE digest NOT IN (SELECT digest FROM images)", [])?;
    for digest in column(connection, "SELECT digest FROM origins")?.difference(&reach.blobs) {
        connection.prepare_cached("DELETE FROM origins WHERE digest = ?1")?.execute(params![digest])?;
    }
    // A push under way has blobs that no row speaks of yet, only its process's leases.
    connection.execute(
        "DELETE FROM repository_blobs WHERE digest NOT IN (SELECT digest FROM blobs)
         AND digest NOT IN (SELECT id FROM leases WHERE kind = 'blob')",
        [],
    )?;
    Ok(())
}

pub(super) fn column(connection: &Connection, query: &str) -> Result<HashSet<String>, StoreError> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn sizes(connection: &Connection, query: &str) -> Result<HashMap<String, u64>, StoreError> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn pairs(connection: &Connection, query: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn step_rows(connection: &Connection) -> Result<Vec<StepRow>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT key, record, layer FROM steps ORDER BY used DESC, key")?;
    let rows = statement
        .query_map([], |row| Ok(StepRow { key: row.get(0)?, record: row.get(1)?, layer: row.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
