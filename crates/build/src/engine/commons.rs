//! What builds have in common that run beside each other: permits, keys that somebody works on, results of this very run.
//!
//! A build alone has commons of its own; the builds of a project share one, so that at most as many steps run as the machine
//! holds, and a step that two images have runs once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use oci::record::Key;
use oci::store::CachedStep;

use super::board::Stopped;
use crate::schedule::{Budget, Need, Rank, Scheduler, Ticket};

/// Shared by all threads of all builds of a project.
pub struct Commons {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    scheduler: Scheduler,
    granted: HashSet<Ticket>,
    in_flight: HashSet<Key>,
    made: HashMap<Key, CachedStep>,
}

impl Commons {
    /// Nobody waits yet.
    pub fn new(budget: Budget) -> Commons {
        let state = State {
            scheduler: Scheduler::new(budget),
            granted: HashSet::new(),
            in_flight: HashSet::new(),
            made: HashMap::new(),
        };
        Commons { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits for the right to run one step.
    pub fn permit(&self, rank: Rank, need: Need, stop: &AtomicBool) -> Result<Permit<'_>, Stopped> {
        let mut state = self.lock();
        let ticket = state.scheduler.ask(rank, need);
        self.serve(&mut state);
        loop {
            if stop.load(Ordering::Relaxed) {
                state.granted.remove(&ticket);
                state.scheduler.release(ticket);
                self.serve(&mut state);
                return Err(Stopped);
            }
            if state.granted.remove(&ticket) {
                return Ok(Permit { commons: self, ticket });
            }
            state = self.wait(state);
        }
    }

    /// Waits until no other thread works on this key, and takes it. Whoever has the same step runs it once: the second
    /// finds the first one's result when its turn comes.
    pub fn claim(&self, key: &Key, stop: &AtomicBool) -> Result<Claim<'_>, Stopped> {
        let mut state = self.lock();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Stopped);
            }
            if state.in_flight.insert(*key) {
                return Ok(Claim { commons: self, key: *key });
            }
            state = self.wait(state);
        }
    }

    /// A result that one of the builds made.
    pub fn made(&self, key: &Key) -> Option<CachedStep> {
        self.lock().made.get(key).copied()
    }

    /// Notes down a result for all of them.
    pub fn make(&self, key: Key, step: CachedStep) {
        self.lock().made.insert(key, step);
    }

    /// Has everybody who waits look whether they still have to.
    pub fn wake(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    fn serve(&self, state: &mut State) {
        let mut any = false;
        while let Some(ticket) = state.scheduler.grant() {
            state.granted.insert(ticket);
            any = true;
        }
        if any {
            self.changed.notify_all();
        }
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic elsewhere is reported there; what the mutex guards here stays consistent in every line.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run one step; given back when dropped.
pub struct Permit<'a> {
    commons: &'a Commons,
    ticket: Ticket,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.commons.lock();
        state.scheduler.release(self.ticket);
        self.commons.serve(&mut state);
    }
}

/// The sole right to compute a key's result; given back when dropped.
pub struct Claim<'a> {
    commons: &'a Commons,
    key: Key,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.commons.lock().in_flight.remove(&self.key);
        self.commons.changed.notify_all();
    }
}
