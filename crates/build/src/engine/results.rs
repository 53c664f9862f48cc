//! Results of steps: found in the store or made in this build, and written to the catalog in batches.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oci::record::{Key, Record};
use oci::store::{Batch, CachedStep, NewStep, Store, StoreError};

use super::commons::Commons;

/// How long a result may wait for its batch.
const BATCH_EVERY: Duration = Duration::from_secs(2);

/// Work that took this long waits for no batch: with [`BATCH_EVERY`], what a `kill -9` can cost at most.
const DEAR: Duration = Duration::from_millis(250);

/// How long batches may wait for the disk: what a machine that goes down can cost at most.
const SETTLE_EVERY: Duration = Duration::from_secs(30);

/// The results that a build knows.
pub struct Results<'a> {
    store: &'a Store,
    /// Forget what earlier builds found: `--no-cache`, and `--twice`, which has to run every step.
    fresh: bool,
    /// What builds beside this one have made in this very run.
    commons: Arc<Commons>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batch: Vec<NewStep>,
    /// What came from a shared cache: it counts here only once its layer is here.
    shared: Vec<NewStep>,
    closed: bool,
}

impl<'a> Results<'a> {
    /// Nothing made yet.
    pub fn new(store: &'a Store, fresh: bool, commons: Arc<Commons>) -> Results<'a> {
        Results { store, fresh, commons, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The result for this key. The second value says that this very build made it, or one beside it.
    pub fn find(&self, key: &Key) -> Result<Option<(CachedStep, bool)>, StoreError> {
        if let Some(step) = self.commons.made(key) {
            return Ok(Some((step, true)));
        }
        if self.fresh {
            return Ok(None);
        }
        Ok(self.store.step(key)?.map(|step| (step, false)))
    }

    /// Keeps a new result. It is visible in this build at once, to others with the next batch.
    pub fn add(&self, record: &Record) -> Result<CachedStep, StoreError> {
        let digest = self.store.put_record(record)?;
        let step = CachedStep { record: digest, layer: record.layer };
        let mut state = self.lock();
        state.batch.push(NewStep { key: record.key, record: digest, layer: record.layer });
        drop(state);
        self.commons.make(record.key, step);
        Ok(step)
    }

    /// Sees to it that work which took this long is not lost, whatever happens to this process from now on.
    pub fn secure(&self, taken: Duration) -> Result<(), StoreError> {
        if taken < DEAR {
            return Ok(());
        }
        let steps = std::mem::take(&mut self.lock().batch);
        self.write(steps)
    }

    /// Writes results; those that cannot be written wait for the next batch.
    fn write(&self, steps: Vec<NewStep>) -> Result<(), StoreError> {
        let batch = Batch { steps, ..Batch::default() };
        self.store.commit(&batch).inspect_err(|_| self.lock().batch.extend(batch.steps.clone()))
    }

    /// Notes down a result that another machine made.
    pub fn add_shared(&self, key: Key, step: CachedStep) {
        let mut state = self.lock();
        if state.shared.iter().all(|known| known.key != key) {
            state.shared.push(NewStep { key, record: step.record, layer: step.layer });
        }
    }

    /// Whether what earlier builds and other machines found counts for nothing.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Writes batches until [closed](Self::close). A failure is not lost: the last batch, which is the caller's,
    /// contains what could not be written.
    pub fn write_batches(&self) {
        let mut settled = Instant::now();
        let mut state = self.lock();
        while !state.closed {
            state = self.changed.wait_timeout(state, BATCH_EVERY).unwrap_or_else(PoisonError::into_inner).0;
            if state.closed || state.batch.is_empty() {
                continue;
            }
            let steps = std::mem::take(&mut state.batch);
            drop(state);
            // What could not be written is in the next batch.
            let _ = self.write(steps);
            if settled.elapsed() >= SETTLE_EVERY {
                // A disk that fails shows elsewhere; here it only means to look again the next time.
                let _ = self.store.settle();
                settled = Instant::now();
            }
            state = self.lock();
        }
    }

    /// Ends [`write_batches`](Self::write_batches).
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Takes what no batch has written yet, and of what other machines made that whose layers are here by now.
    pub fn rest(&self) -> Vec<NewStep> {
        let (mut steps, shared) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.batch), std::mem::take(&mut state.shared))
        };
        let here = |step: &NewStep| step.layer.is_some_and(|id| matches!(self.store.layer(&id), Ok(Some(_))));
        steps.extend(shared.into_iter().filter(here));
        steps
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use oci::layer::OverlayForm;
    use oci::record::{Usage, Written};

    use super::*;
    use crate::schedule::Budget;

    fn record(name: &[u8]) -> Record {
        Record {
            instruction: "RUN make".to_owned(),
            key: Key(oci::Digest::of(name)),
            parent: oci::SnapshotId::of(&[]),
            inputs: BTreeMap::new(),
            layer: None,
            written: Written::default(),
            normalised: Vec::new(),
            unreproducible: Vec::new(),
            unobserved: Vec::new(),
            intakes: Vec::new(),
            reads: None,
            log: None,
            usage: Usage::default(),
            limits: BTreeMap::new(),
            source_date_epoch: 0,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn work_that_took_long_is_kept_at_once_with_what_came_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let form =
            if rustix::process::geteuid().is_root() { OverlayForm::Trusted } else { OverlayForm::User };
        let store = Store::open(directory.path(), form).unwrap();
        let results = Results::new(&store, false, Arc::new(Commons::new(Budget::jobs(1))));
        let (short, long) = (record(b"short"), record(b"long"));
        results.add(&short).unwrap();
        results.secure(Duration::from_millis(3)).unwrap();
        assert!(store.step(&short.key).unwrap().is_none(), "it waits for others");
        results.add(&long).unwrap();
        results.secure(Duration::from_secs(60)).unwrap();
        assert!(store.step(&short.key).unwrap().is_some() && store.step(&long.key).unwrap().is_some());
        assert!(results.rest().is_empty());
    }
}
