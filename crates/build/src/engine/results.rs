//! Results of steps: found in the store or made in this build, and written to the catalog in batches.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oci::record::{Key, Record};
use oci::store::{Batch, CachedStep, NewStep, Store, StoreError};

use super::commons::Commons;

/// How long a result may wait for its batch: what a `kill -9` can cost at most.
const BATCH_EVERY: Duration = Duration::from_secs(2);

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
            let batch = Batch { steps, ..Batch::default() };
            let written = self.store.commit(&batch);
            if settled.elapsed() >= SETTLE_EVERY {
                // A disk that fails shows elsewhere; here it only means to look again the next time.
                let _ = self.store.settle();
                settled = Instant::now();
            }
            state = self.lock();
            if written.is_err() {
                state.batch.extend(batch.steps);
            }
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
