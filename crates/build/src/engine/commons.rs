//! What builds have in common that run beside each other: permits, keys that somebody works on, results of this very run.
//!
//! A build alone has commons of its own; the builds of a project share one, so that at most as many steps run as the machine
//! holds, and a step that two images have runs once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    opening: Opening,
    granted: HashSet<Ticket>,
    in_flight: HashSet<Key>,
    made: HashMap<Key, CachedStep>,
}

/// When the first permits are given.
#[derive(Clone, Copy)]
enum Opening {
    /// So long after the first one asks.
    After(Duration),
    At(Instant),
}

impl Opening {
    /// How long that still is, once somebody has asked.
    fn left(self) -> Option<Duration> {
        match self {
            Opening::After(_) => None,
            Opening::At(at) => {
                Some(at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
            }
        }
    }
}

impl Commons {
    /// Nobody waits yet.
    pub fn new(budget: Budget) -> Commons {
        Commons::opening_after(Duration::ZERO, budget)
    }

    /// The first permits are given so long after the first one asks: of those that come at about the same time the most
    /// urgent goes first, not the one that was planned first.
    pub fn opening_after(pause: Duration, budget: Budget) -> Commons {
        let state = State {
            opening: Opening::After(pause),
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
        if let Opening::After(pause) = state.opening {
            state.opening = Opening::At(Instant::now() + pause);
        }
        loop {
            self.serve(&mut state);
            if stop.load(Ordering::Relaxed) {
                state.granted.remove(&ticket);
                state.scheduler.release(ticket);
                self.serve(&mut state);
                return Err(Stopped);
            }
            if state.granted.remove(&ticket) {
                return Ok(Permit { commons: self, ticket });
            }
            state = match state.opening.left() {
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wait(state),
            };
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
        if state.opening.left().is_some() {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_of_the_first_ones_goes_first() {
        let commons = Commons::opening_after(Duration::from_millis(40), Budget::jobs(1));
        let order = Mutex::new(Vec::new());
        let stop = AtomicBool::new(false);
        let run = &|rank: Rank| {
            let permit = commons.permit(rank, Need::default(), &stop);
            order.lock().unwrap().push(rank);
            drop(permit);
        };
        std::thread::scope(|scope| {
            for rank in [1, 3, 2] {
                scope.spawn(move || run(rank));
            }
        });
        assert_eq!(order.into_inner().unwrap(), [3, 2, 1]);
    }
}
