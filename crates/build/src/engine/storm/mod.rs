//! All images of a project at once, on one scheduler.
//!
//! ```text
//!   forecast ──> order ── a thread an image ──> plan (waits for the plans of its bases) ── build (waits for their layers)
//!                                                  └──────────── Desk ────────────────────────────┘      │
//!                        Commons: permits, keys, results                           again, after a while ─┤
//!                                                                                  Complete, Failed, ... ┘
//! ```
//! Images are taken in an order in which each comes after those that it needs; of those that are taken and not finished, the
//! first waits for none. So any number of threads finishes all of them.

mod desk;
mod state;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::board::Cancel;
use super::commons::Commons;
use crate::plan::Plan;
use crate::schedule::{Budget, Forecast, Work, forecast};
use desk::Desk;

pub use desk::Seat;
pub use state::{Reason, State, Verdict, is_disk_full};

/// Images that are on their way at once. Most of them wait; how many steps run, permits decide.
const MOST_OPEN: usize = 128;

/// Images that wait for no other are planned in about this time. Where there are more of them than can run at once, nobody
/// runs before.
const PLANNING: Duration = Duration::from_millis(25);

/// No pause before another try is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An image of a project, as far as the order of things goes.
#[derive(Debug, Clone, Default)]
pub struct StormImage {
    /// Its name.
    pub name: String,
    /// What it stands on, how long it takes, what a step of it may use.
    pub work: Work,
    /// How long it may take once its first step began.
    pub timeout: Option<Duration>,
    /// How often it is tried again after a failure that may pass.
    pub retries: u32,
}

/// What is to be built, and within which bounds.
pub struct Storm<'a> {
    /// The images; what they need is before or after them, as it comes.
    pub images: &'a [StormImage],
    /// What all steps together may use.
    pub budget: Budget,
    /// The pause before the first retry; each further one is twice as long.
    pub pause: Duration,
    /// Stops everything.
    pub cancel: Cancel,
}

/// Builds single images; the storm says when.
pub trait Workshop: Sync {
    /// What a finished image is.
    type Made: Send;
    /// Why there is none.
    type Failure: Send;

    /// Which image of the project a name in a Dockerfile means for the image `of`.
    fn find(&self, of: usize, name: &str) -> Option<usize>;

    /// Builds one image, with [`build_among`](super::build_among).
    ///
    /// # Errors
    /// Whatever went wrong, and what to make of it.
    fn build(&self, seat: &Seat<'_>) -> Result<Self::Made, (Verdict, Self::Failure)>;

    /// An image's build stands otherwise now.
    fn tell(&self, image: usize, change: Change<'_, Self>);
}

/// What has become of an image's build.
pub enum Change<'c, W: Workshop + ?Sized> {
    /// Somebody takes care of it.
    Pending,
    /// It failed, in a way that may pass, and is tried again after a pause.
    Again {
        /// Why.
        verdict: Verdict,
        /// What it said.
        failure: &'c W::Failure,
        /// The tries so far.
        attempt: u32,
        /// How long it waits.
        pause: Duration,
    },
    /// Nothing more will happen.
    Ended(&'c Outcome<W::Made, W::Failure>),
}

/// How the build of an image ended.
pub struct Outcome<M, F> {
    /// Complete, Failed, Error or Cancelled.
    pub state: State,
    /// Why it is not complete.
    pub reason: Option<Reason>,
    /// The image that it lacked.
    pub lost: Option<usize>,
    /// What it made.
    pub made: Option<M>,
    /// What went wrong in the end, where something did.
    pub failure: Option<F>,
    /// How often it was tried.
    pub attempts: u32,
    /// The time from its turn to its end, waiting included.
    pub wall: Duration,
}

/// What a workshop's build of an image came to.
pub type OutcomeOf<W> = Outcome<<W as Workshop>::Made, <W as Workshop>::Failure>;

/// What one try gave.
type Attempt<W> = Result<<W as Workshop>::Made, (Verdict, <W as Workshop>::Failure)>;

impl Storm<'_> {
    /// What will happen if everything takes as long as expected.
    pub fn forecast(&self) -> Forecast {
        let works: Vec<Work> = self.images.iter().map(|image| image.work.clone()).collect();
        forecast(&works, self.budget)
    }

    fn commons(&self) -> Commons {
        let free = self.images.iter().filter(|image| image.work.needs.is_empty()).count();
        let pause = if free > self.budget.jobs { PLANNING } else { Duration::ZERO };
        Commons::opening_after(pause, self.budget)
    }

    /// Builds all images; answers how each ended. A failure stops only what needs the image.
    pub fn run<W: Workshop>(&self, workshop: &W, ahead: &Forecast) -> Vec<OutcomeOf<W>> {
        let floor = Floor {
            storm: self,
            workshop,
            ahead,
            desk: Arc::new(Desk::new(self.images.iter().map(|image| image.name.clone()).collect())),
            commons: Arc::new(self.commons()),
            outcomes: Mutex::new(self.images.iter().map(|_| None).collect()),
            cancels: Mutex::new(self.images.iter().map(|_| None).collect()),
            late: self.images.iter().map(|_| AtomicBool::new(false)).collect(),
            next: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        };
        let desk = floor.desk.clone();
        self.cancel.on_cancel(move || desk.wake());
        std::thread::scope(|scope| {
            scope.spawn(|| floor.watch_the_clock());
            let _closing = Closing(&floor);
            std::thread::scope(|scope| {
                // The first thread is this one: a machine that has no more of them gets on with it.
                for _ in 1..self.images.len().min(MOST_OPEN) {
                    if std::thread::Builder::new().spawn_scoped(scope, || floor.serve()).is_err() {
                        break;
                    }
                }
                floor.serve();
            });
        });
        let outcomes = floor.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(Outcome::never)).collect()
    }
}

impl<M, F> Outcome<M, F> {
    /// Of an image that nobody got to.
    fn never() -> Outcome<M, F> {
        Outcome {
            state: State::Cancelled,
            reason: Some(Reason::CancelledBuild),
            lost: None,
            made: None,
            failure: None,
            attempts: 0,
            wall: Duration::ZERO,
        }
    }
}

/// What the threads of a storm share.
struct Floor<'a, W: Workshop> {
    storm: &'a Storm<'a>,
    workshop: &'a W,
    ahead: &'a Forecast,
    desk: Arc<Desk>,
    commons: Arc<Commons>,
    outcomes: Mutex<Vec<Option<OutcomeOf<W>>>>,
    /// Of the builds that run now.
    cancels: Mutex<Vec<Option<Cancel>>>,
    /// Whose time was up.
    late: Vec<AtomicBool>,
    next: AtomicUsize,
    over: AtomicBool,
}

/// Ends the clock when dropped, also by a panic.
struct Closing<'f, 'a, W: Workshop>(&'f Floor<'a, W>);

impl<W: Workshop> Drop for Closing<'_, '_, W> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
        self.0.desk.wake();
    }
}

/// Says of an image that it will never be there, unless it was said how it ended: nobody may wait for a thread that
/// panicked.
struct Promise<'f>(&'f Desk, usize);

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(self.1, false);
        }
    }
}

impl<W: Workshop> Floor<'_, W> {
    fn serve(&self) {
        while let Some(image) = self.ahead.order.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let promise = Promise(&self.desk, *image);
            let outcome = self.build(*image);
            self.desk.end(*image, outcome.state == State::Complete);
            drop(promise);
            self.workshop.tell(*image, Change::Ended(&outcome));
            lock(&self.outcomes)[*image] = Some(outcome);
        }
    }

    fn build(&self, image: usize) -> OutcomeOf<W> {
        let begun = Instant::now();
        let asked = &self.storm.images[image];
        let (plans, used) = (OnceLock::new(), Mutex::new(BTreeSet::new()));
        if self.storm.cancel.is_cancelled() {
            return Outcome::never();
        }
        self.workshop.tell(image, Change::Pending);
        for attempt in 1.. {
            let (result, lost) = self.attempt(image, attempt, &plans, &used);
            let ended = |state, reason| Outcome {
                state,
                reason,
                lost,
                attempts: attempt,
                wall: begun.elapsed(),
                ..Outcome::never()
            };
            let (verdict, failure) = match result {
                Ok(made) => return Outcome { made: Some(made), ..ended(State::Complete, None) },
                Err(failed) => failed,
            };
            let failure = Some(failure);
            if self.late[image].load(Ordering::Relaxed) {
                return Outcome { failure, ..ended(State::Failed, Some(Reason::DeadlineExceeded)) };
            }
            if self.storm.cancel.is_cancelled() {
                return Outcome { failure, ..ended(State::Cancelled, Some(Reason::CancelledBuild)) };
            }
            if lost.is_some() {
                return Outcome { failure, ..ended(State::Cancelled, Some(Reason::DependencyFailed)) };
            }
            if !verdict.passing || attempt > asked.retries {
                return Outcome { failure, ..ended(verdict.state, Some(verdict.reason)) };
            }
            let pause = self.storm.pause.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_PAUSE);
            if let Some(failure) = &failure {
                self.workshop.tell(image, Change::Again { verdict, failure, attempt, pause });
            }
            self.rest(image, pause);
        }
        Outcome::never()
    }

    /// One try. The second value is the image for want of which it failed.
    fn attempt(
        &self,
        image: usize,
        attempt: u32,
        plans: &OnceLock<Vec<Plan>>,
        used: &Mutex<BTreeSet<usize>>,
    ) -> (Attempt<W>, Option<usize>) {
        let cancel = Cancel::default();
        let inner = cancel.clone();
        self.storm.cancel.on_cancel(move || inner.cancel());
        let desk = self.desk.clone();
        cancel.on_cancel(move || desk.wake());
        lock(&self.cancels)[image] = Some(cancel.clone());
        if self.late[image].load(Ordering::Relaxed) {
            cancel.cancel();
        }
        let find =
            |name: &str| self.workshop.find(image, name).filter(|found| self.comes_before(*found, image));
        let asked = &self.storm.images[image];
        let seat = Seat {
            image,
            attempt,
            cancel,
            desk: &self.desk,
            commons: self.commons.clone(),
            rank: self.ahead.ranks.get(image).copied().unwrap_or(0),
            need: asked.work.need,
            timeout: asked.timeout,
            names: &find,
            plans,
            used,
            lost: Mutex::new(None),
            over: AtomicBool::new(false),
        };
        let result = self.workshop.build(&seat);
        lock(&self.cancels)[image] = None;
        (result, seat.lost())
    }

    /// Whether an image is taken before another one: nobody may wait for one that comes later.
    fn comes_before(&self, one: usize, other: usize) -> bool {
        let place = |image| self.ahead.order.iter().position(|known| *known == image);
        place(one) < place(other)
    }

    /// Waits before another try, unless it will not come to that.
    fn rest(&self, image: usize, pause: Duration) {
        let until = Instant::now() + pause;
        let over = || {
            Instant::now() >= until
                || self.storm.cancel.is_cancelled()
                || self.late[image].load(Ordering::Relaxed)
        };
        while !over() {
            self.desk.wait_until(until, &over);
        }
    }

    /// Stops the builds whose time is up.
    fn watch_the_clock(&self) {
        let over = || self.over.load(Ordering::Relaxed);
        while !over() {
            for image in self.desk.overdue(&over) {
                self.late[image].store(true, Ordering::Relaxed);
                let cancel = lock(&self.cancels)[image].clone();
                if let Some(cancel) = cancel {
                    cancel.cancel();
                }
                self.desk.wake();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
