//! Leases: what a process uses stays, until the process ends.
//!
//! A lease is a row, so that collection in another process sees it under the write lock. The order decides: first the
//! lease, then the look whether the thing is there. What is seen after that stays.

use std::collections::HashSet;
use std::sync::Mutex;

use rusqlite::{Connection, params};

use super::{Store, StoreError};

/// What can be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Leased {
    Blob,
    Layer,
    /// With its record, its layer and what they name.
    Step,
    /// With everything it names.
    Image,
    /// Its line of the history, and its logs.
    Build,
}

/// The leases that this process took, so that none is written twice.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashSet<(Leased, String)>>);

impl Leases {
    /// The rows may be gone: whatever is used next is leased again.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clear();
    }
}

impl Leased {
    fn name(self) -> &'static str {
        match self {
            Leased::Blob => "blob",
            Leased::Layer => "layer",
            Leased::Step => "step",
            Leased::Image => "image",
            Leased::Build => "build",
        }
    }
}

impl Store {
    /// Keeps something from collection until this process ends; it need not be there yet.
    pub(super) fn lease(&self, connection: &Connection, kind: Leased, id: &str) -> Result<(), StoreError> {
        let known = |leases: &Leases| {
            leases.0.lock().unwrap_or_else(|e| e.into_inner()).contains(&(kind, id.to_owned()))
        };
        if known(&self.leases) {
            return Ok(());
        }
        let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO leases VALUES (?1, ?2, ?3)")?;
        statement.execute(params![self.process.name, kind.name(), id])?;
        self.leases.0.lock().unwrap_or_else(|e| e.into_inner()).insert((kind, id.to_owned()));
        Ok(())
    }
}

/// Ends a process's leases. The steps among them count as used now: that is the order in which collection takes them.
pub(super) fn end(connection: &Connection, process: &str) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE steps SET used = (SELECT value FROM settings WHERE name = 'tick') + 1
         WHERE key IN (SELECT id FROM leases WHERE process = ?1 AND kind = 'step')",
        [process],
    )?;
    let ended = connection.execute("DELETE FROM leases WHERE process = ?1", [process])?;
    if ended > 0 {
        connection.execute("UPDATE settings SET value = value + 1 WHERE name = 'tick'", [])?;
    }
    Ok(())
}
