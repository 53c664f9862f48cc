//! The board on which the threads of a build meet: finished stages, cancellation, and what the build has in common with
//! others.
//!
//! One mutex and one condition for the stages. A build has a handful of threads, one a stage, and each change is
//! seconds apart; finer locks would buy nothing and cost the certainty that no wake-up is ever missed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oci::record::Key;

use super::commons::{Claim, Commons, Permit};
use crate::schedule::{Budget, Need, Rank};

/// Ends a build from outside, for example on Ctrl-C. Clones mean the same build.
#[derive(Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    inner: Mutex<CancelInner>,
}

/// Called once when a build is cancelled.
type Hook = Box<dyn Fn() + Send>;

#[derive(Default)]
struct CancelInner {
    cancelled: bool,
    hooks: Vec<Hook>,
}

impl Cancel {
    /// Cancels: waiting threads wake, running sandboxes are killed. Further calls do nothing.
    pub fn cancel(&self) {
        let hooks = {
            let mut inner = lock(&self.0.inner);
            if std::mem::replace(&mut inner.cancelled, true) {
                return;
            }
            std::mem::take(&mut inner.hooks)
        };
        // Without the lock: whoever a hook wakes may ask at once whether it was cancelled.
        hooks.iter().for_each(|hook| hook());
    }

    /// True once [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        lock(&self.0.inner).cancelled
    }

    /// Has `hook` called when the build is cancelled; at once if it is already.
    pub fn on_cancel(&self, hook: impl Fn() + Send + 'static) {
        let mut inner = lock(&self.0.inner);
        if inner.cancelled {
            drop(inner);
            hook();
        } else {
            inner.hooks.push(Box::new(hook));
        }
    }
}

/// Why a thread does not go on: something else failed, or the build was cancelled. The reason is told elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Shared by the threads of one build. `S` names a stage, `R` is what a finished stage gives.
pub struct Board<S, R> {
    state: Mutex<State<S, R>>,
    changed: Condvar,
    stop_flag: AtomicBool,
    commons: Arc<Commons>,
    rank: Rank,
    need: Need,
}

struct State<S, R> {
    stopped: bool,
    finished: HashMap<S, Option<R>>,
}

impl<S: Eq + std::hash::Hash, R: Clone> Board<S, R> {
    /// The board of a build that is alone, with as many permits as steps may run at once; at least one.
    pub fn new(jobs: usize) -> Board<S, R> {
        Board::among(Arc::new(Commons::new(Budget::jobs(jobs))), 0, Need::default())
    }

    /// The board of one build among others: how urgent its steps are, and what each may use.
    pub fn among(commons: Arc<Commons>, rank: Rank, need: Need) -> Board<S, R> {
        let state = State { stopped: false, finished: HashMap::new() };
        let (state, changed, stop_flag) = (Mutex::new(state), Condvar::new(), AtomicBool::new(false));
        Board { state, changed, stop_flag, commons, rank, need }
    }

    /// What this build shares with others.
    pub fn commons(&self) -> &Arc<Commons> {
        &self.commons
    }

    /// Makes every waiting thread return [`Stopped`], and every later wait too.
    pub fn stop(&self) {
        self.stop_flag.store(true, Ordering::Relaxed);
        lock(&self.state).stopped = true;
        self.changed.notify_all();
        self.commons.wake();
    }

    /// Set by [`stop`](Self::stop), for work that looks at it now and then.
    pub fn stop_flag(&self) -> &AtomicBool {
        &self.stop_flag
    }

    /// True once [`stop`](Self::stop) was called.
    pub fn is_stopped(&self) -> bool {
        lock(&self.state).stopped
    }

    /// Waits for the right to run one step.
    pub fn permit(&self) -> Result<Permit<'_>, Stopped> {
        self.commons.permit(self.rank, self.need, &self.stop_flag)
    }

    /// Announces a stage's result; `None` when it will never have one.
    pub fn finish(&self, stage: S, result: Option<R>) {
        lock(&self.state).finished.insert(stage, result);
        self.changed.notify_all();
    }

    /// Waits for another stage's result.
    pub fn stage(&self, stage: &S) -> Result<R, Stopped> {
        let mut state = lock(&self.state);
        loop {
            if let Some(result) = state.finished.get(stage) {
                return result.clone().ok_or(Stopped);
            }
            if state.stopped {
                return Err(Stopped);
            }
            state = self.wait(state);
        }
    }

    /// Waits until no other thread works on this key, and takes it.
    pub fn claim(&self, key: &Key) -> Result<Claim<'_>, Stopped> {
        self.commons.claim(key, &self.stop_flag)
    }

    /// Waits a moment, or until something changes.
    pub fn pause(&self, most: Duration) -> Result<(), Stopped> {
        let state = lock(&self.state);
        if state.stopped {
            return Err(Stopped);
        }
        let (state, _) = self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner);
        if state.stopped { Err(Stopped) } else { Ok(()) }
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State<S, R>>) -> MutexGuard<'a, State<S, R>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// A panic elsewhere is reported there; what the mutex guards here stays consistent in every line.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;
    use std::sync::atomic::AtomicUsize;

    fn key(text: &str) -> Key {
        Key(Digest::of(text.as_bytes()))
    }

    #[test]
    fn never_more_permits_than_jobs() {
        let board: Board<u32, u32> = Board::new(2);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _permit = board.permit().unwrap();
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_stage_is_waited_for_and_a_failed_one_stops() {
        let board: Board<u32, u32> = Board::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| board.stage(&7));
            board.finish(7, Some(42));
            assert_eq!(waiting.join().unwrap(), Ok(42));
        });
        board.finish(8, None);
        assert_eq!(board.stage(&8), Err(Stopped));
    }

    #[test]
    fn one_thread_at_a_time_works_on_a_key() {
        let board: Board<u32, u32> = Board::new(4);
        let claim = board.claim(&key("a")).unwrap();
        assert!(board.claim(&key("b")).is_ok());
        std::thread::scope(|scope| {
            let second = scope.spawn(|| board.claim(&key("a")).is_ok());
            drop(claim);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn stopping_wakes_everybody() {
        let board: Board<u32, u32> = Board::new(1);
        let held = board.permit().unwrap();
        std::thread::scope(|scope| {
            let permit = scope.spawn(|| board.permit().is_err());
            let stage = scope.spawn(|| board.stage(&1).is_err());
            board.stop();
            assert!(permit.join().unwrap() && stage.join().unwrap());
            assert!(board.stop_flag().load(Ordering::Relaxed));
        });
        drop(held);
    }

    #[test]
    fn cancelling_calls_each_hook_once() {
        let (cancel, calls) = (Cancel::default(), Arc::new(AtomicUsize::new(0)));
        let count = |calls: &Arc<AtomicUsize>| {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
            }
        };
        cancel.on_cancel(count(&calls));
        cancel.cancel();
        cancel.clone().cancel();
        cancel.on_cancel(count(&calls));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
