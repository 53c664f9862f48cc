//! From a step's upper directory to a layer of the store: normalise, index, search for secrets, rename.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use oci::layer::{Normalised, Rules, normalise, scan_directory_unless};
use oci::store::{Layer, Store, WorkDir};
use oci::tree::{PathIndex, View};

use super::error::StepError;
use super::secrets::{Needles, search_upper};

/// How an upper is committed.
pub struct Commit<'a> {
    /// Where it goes.
    pub store: &'a Store,
    /// Which files are treated.
    pub rules: Rules,
    /// Later times become this one.
    pub epoch: i64,
    /// Values that must not be in it.
    pub needles: &'a Needles,
    /// Threads that read files.
    pub threads: usize,
    /// Set when nobody wants the layer any more.
    pub stop: &'a AtomicBool,
}

/// A committed layer, and what the record says of it.
pub struct Committed {
    /// The layer.
    pub layer: Layer,
    /// What was treated.
    pub normalised: Vec<Normalised>,
    /// Private keys and keystores that the step wrote, with what they are.
    pub unreproducible: Vec<String>,
}

impl Commit<'_> {
    /// Commits the upper of a work directory over the layers below.
    ///
    /// # Errors
    /// A secret was found, or a file could not be read or treated. The store is then as before.
    pub fn commit(&self, work: WorkDir, below: &View) -> Result<Committed, StepError> {
        let upper = work.upper();
        let (index, normalised, unreproducible) = self.settle(&upper, below)?;
        if let Some(leak) = search_upper(self.needles, &upper, &index)
            .map_err(|source| StepError::Io { action: "search the layer for secrets".into(), source })?
        {
            return Err(StepError::Leak { secret: leak.secret, path: leak.path });
        }
        let id = self.store.commit_layer(work, index)?;
        let layer = self.store.layer(&id)?.ok_or(oci::store::StoreError::NoLayer(id))?;
        Ok(Committed { layer, normalised, unreproducible })
    }

    /// Normalises an upper in place and reads what it holds, without making it a layer.
    pub fn settle(
        &self,
        upper: &Path,
        below: &View,
    ) -> Result<(PathIndex, Vec<Normalised>, Vec<String>), StepError> {
        let form = self.store.form();
        let shows_below = |path: &[u8]| below.lookup(path).is_some();
        let normalised = normalise(upper, &self.rules, self.epoch, form, &shows_below)?;
        let scanned = scan_directory_unless(upper, form, self.threads, self.stop)?;
        let unreproducible = scanned
            .keys
            .iter()
            .map(|key| format!("{} ({})", String::from_utf8_lossy(&key.path), key.what))
            .collect();
        Ok((scanned.index, normalised, unreproducible))
    }
}
