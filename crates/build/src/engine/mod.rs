//! Ties the rooms of a build together: scheduling, keys, cache, commit, compression, records, the finished image.
//!
//! ```text
//!   Request ── parse, plan ──> Plan ── a thread a stage ──> snapshots ── packer ──> blobs ── finish ──> manifest, tags
//!                                         │ key ─ found? ─ run or copy ─ commit ─ record
//! ```
//! Stages run beside each other; a step that needs another stage waits for it. At most as many steps as there are jobs
//! run at once. Tars and their digests are made beside later steps. Results reach the catalog in batches.

mod agent;
mod board;
mod cachemount;
mod certificates;
mod checks;
mod commit;
mod commons;
mod copying;
mod downloads;
mod error;
mod event;
mod finish;
mod images;
mod judging;
mod key;
mod layers;
mod log;
mod materials;
mod mounts;
mod network;
mod outline;
mod output;
mod packing;
mod planning;
mod queue;
mod report;
mod request;
mod results;
mod run;
mod secrets;
mod snapshot;
mod stage;
mod storm;
mod trees;
mod trust;
mod twice;
mod upstream;
mod world;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Instant;

use dockerfile::Source;
use dockerfile::ignore::Patterns;
use oci::LayerId;
use oci::store::{Batch, BuildState, NewBuild};

use crate::context::{Context, ContextError, ContextOptions};
use crate::plan::{NamedContext, Plan};
use board::Board;
use downloads::Downloads;
use finish::Documents;
use outline::{largest_step, pending, step_infos, used_images};
use packing::{Packer, Told};
use queue::Queue;
use results::Results;
use world::{Progress, World, kill_all};

pub use board::Cancel;
pub use cachemount::{CacheMount, cache_mounts, remove_cache_mounts};
pub use certificates::{TrustStore, trust_stores};
pub use checks::{Check, CheckFailure, CheckKind, Finishing, Pattern, PatternError, Program};
pub use error::{BuildError, Refusal, StepError, StepFailure};
pub use event::{Event, Events, NoEvents, StepId, StepInfo};
pub use judging::{Denial, Finished, Inside, Judge};
pub use materials::Materials;
pub use planning::plans;
use planning::plans_among;
pub use report::{BuildReport, Overruled, RunPlace, StepReport, StepState};
pub use request::{Built, BuiltPlatform, Difference, Keep, Request, UsedImage};
pub use secrets::Secret;
pub use snapshot::Snapshot;
pub use storm::{
    Change, Outcome, OutcomeOf, Reason, Seat, State, Storm, StormImage, Verdict, Workshop, is_disk_full,
};
#[doc(hidden)]
pub use trust::fuzz_trust;
pub use upstream::{LayerSink, Resolved, SharedCache, SharedStep, Upstream, UpstreamError};
pub use world::{Doors, Git};

/// How many layers are packed at once; each uses every processor.
const PACKERS: usize = 2;

/// Builds what a request asks for.
///
/// # Errors
/// See [`BuildError`]. Steps that ended well before the failure keep their results.
pub fn build(request: &Request, doors: &Doors<'_>) -> Result<Built, BuildError> {
    let begin = Instant::now();
    let plans = plans(request, doors)?;
    build_planned(request, doors, &plans, None, begin)
}

/// Builds one image of a project. What it stands on may be built beside it, and it is whole only when that is.
///
/// # Errors
/// See [`BuildError`]. Steps that ended well before the failure keep their results.
pub fn build_among(request: &Request, doors: &Doors<'_>, seat: &Seat<'_>) -> Result<Built, BuildError> {
    let begin = Instant::now();
    let plans = seat_plans(request, doors, seat)?;
    build_planned(request, doors, plans, Some(seat), begin)
}

/// Finds out what [`build_among`] would run, of a request that says so. Nothing is written down.
///
/// # Errors
/// The Dockerfile is wrong, a base image is not to be had, or a context cannot be read.
pub fn foresee_among(
    request: &Request,
    doors: &Doors<'_>,
    seat: &Seat<'_>,
) -> Result<BuildReport, BuildError> {
    let plans = seat_plans(request, doors, seat)?;
    let world = world(request, doors, plans, (None, Some(seat)))?;
    run_all(&world, plans)?;
    let failure = world.progress(|mut progress| progress.failure.take());
    match failure {
        Some(failure) => Err(failure),
        None => Ok(world.progress(|progress| progress.report.clone())),
    }
}

/// The plans of an image of a project, for all of its attempts.
fn seat_plans<'s>(
    request: &Request,
    doors: &Doors<'_>,
    seat: &'s Seat<'_>,
) -> Result<&'s [Plan], BuildError> {
    // Others have planned by these already.
    if let Some(plans) = seat.plans.get() {
        return Ok(plans);
    }
    let plans = plans_among(request, doors, Some(seat));
    let plans = plans.map_err(|error| seat.loss().unwrap_or(error))?;
    seat.announce(&plans);
    Ok(seat.plans.get_or_init(|| plans))
}

fn build_planned(
    request: &Request,
    doors: &Doors<'_>,
    plans: &[Plan],
    seat: Option<&Seat<'_>>,
    begin: Instant,
) -> Result<Built, BuildError> {
    let mut world = world(request, doors, plans, (doors.cache, seat))?;
    world.record_build(BuildState::Running, None, Batch::default())?;
    let mut documents = run_all(&world, plans);
    let cache_failed = world.progress(|mut progress| progress.cache_failed.take());
    if let Some(why) = cache_failed
        && !doors.cancel.is_cancelled()
    {
        let message = format!("{why}; the build goes on without it");
        doors.events.event(Event::Warning { message, step: None });
        // What ran until then is found again.
        world.record_build(BuildState::Running, None, Batch::default())?;
        world = self::world(request, doors, plans, (None, seat))?;
        documents = run_all(&world, plans);
    }
    if let Ok(Some(made)) = &documents {
        let passed = match world.judge(plans, made) {
            Ok(Some(())) => world.check(plans, made),
            other => other,
        };
        match passed {
            Ok(Some(())) => {}
            Ok(None) => documents = Ok(None),
            Err(error) => documents = Err(error),
        }
    }
    let failure = world.progress(|mut progress| progress.failure.take());
    let mut report = world.final_report();
    match (failure, documents) {
        (None, Ok(Some(documents))) => {
            let batch = Batch {
                tags: request.tags.iter().map(|tag| (tag.clone(), documents.image.digest)).collect(),
                images: vec![documents.image.digest],
                origins: world.progress(|mut progress| std::mem::take(&mut progress.origins)),
                ..Batch::default()
            };
            world.record_build(BuildState::Succeeded, Some(documents.image.digest), batch)?;
            let differences = world.progress(|mut progress| std::mem::take(&mut progress.differences));
            let Documents { image, platforms, .. } = documents;
            let images = used_images(plans);
            let largest = largest_step(&report, &platforms);
            let bases = world.bases.into_inner().unwrap_or_else(PoisonError::into_inner);
            let bases = bases.into_iter().collect();
            Ok(Built { image, platforms, report, largest, differences, images, bases, wall: begin.elapsed() })
        }
        (failure, documents) => {
            let cancelled = doors.cancel.is_cancelled();
            let state = if cancelled { BuildState::Cancelled } else { BuildState::Failed };
            world.tell_cancelled(&report);
            // What stopped the build is what the user must hear of, not that it could not be noted down after that.
            if let Err(error) = world.record_build(state, None, Batch::default()) {
                let message = format!("the build's history could not be written: {error}");
                doors.events.event(Event::Warning { message, step: None });
            }
            match (failure, documents) {
                _ if cancelled => Err(BuildError::Cancelled(Box::new(report))),
                (Some(BuildError::Step(mut failure)), _) => {
                    failure.report = std::mem::take(&mut report);
                    Err(BuildError::Step(failure))
                }
                (Some(failure), _) | (None, Err(failure)) => Err(failure),
                (None, Ok(_)) => Err(BuildError::Cancelled(Box::new(report))),
            }
        }
    }
}

fn world<'a>(
    request: &'a Request,
    doors: &'a Doors<'a>,
    plans: &[Plan],
    (cache, seat): (Option<&'a dyn SharedCache>, Option<&'a Seat<'a>>),
) -> Result<World<'a>, BuildError> {
    let steps = step_infos(request, plans);
    let report = BuildReport { overruled: request.overruled.clone(), ..pending(&steps) };
    let progress = Progress { report, ..Progress::default() };
    doors.events.event(Event::Planned { steps });
    let board = Arc::new(match seat {
        Some(seat) => Board::among(seat.commons.clone(), seat.rank, seat.need),
        None => Board::new(request.jobs),
    });
    seat.iter().for_each(|seat| seat.set_over(false));
    let commons = board.commons().clone();
    let running = Arc::new(Mutex::new(BTreeMap::new()));
    let of_image: Arc<Mutex<HashSet<LayerId>>> = Arc::default();
    let told = doors.layers.map(|sink| told(sink, of_image.clone()));
    let packer = Packer::new(doors.store, request.compression, request.jobs.max(1)).tell(told);
    let (for_board, for_running, close_packer) = (board.clone(), running.clone(), packer.closer());
    doors.cancel.on_cancel(move || {
        for_board.stop();
        close_packer();
        kill_all(&for_running);
    });
    Ok(World {
        request,
        doors,
        board,
        seat,
        results: Results::new(doors.store, request.no_cache || request.twice, commons),
        cache,
        bases: Mutex::default(),
        of_image,
        packer,
        contexts: contexts(request, doors)?,
        state: Mutex::new(progress),
        running,
        downloads: Downloads::new(
            doors.store,
            doors.fetch,
            request.no_cache || request.twice,
            request.started,
        ),
        rules: key::rules(request.rules),
        logs: doors.store.logs_dir().join(&request.id),
    })
}

/// Tells a sink of every layer that is packed.
fn told<'a>(sink: &'a dyn LayerSink, of_image: Arc<Mutex<HashSet<LayerId>>>) -> Told<'a> {
    Box::new(move |layer, blob| {
        let of_image = of_image.lock().unwrap_or_else(PoisonError::into_inner).contains(layer);
        sink.layer(&blob.descriptor, of_image);
    })
}

fn contexts(request: &Request, doors: &Doors<'_>) -> Result<BTreeMap<String, Context>, BuildError> {
    let wrong = |error: ContextError| BuildError::Context(Box::new(error));
    let mut contexts = BTreeMap::new();
    let cache = doors.store.cache_dir("contexts")?;
    let options =
        |ignore| ContextOptions { ignore, cache: Some(cache.clone()), threads: request.jobs.max(2) };
    if let Some(root) = &request.context {
        let ignore = match &request.ignore {
            Some(source) => ignore(source)?,
            None => Patterns::default(),
        };
        contexts.insert(String::new(), Context::open(root, options(ignore)).map_err(wrong)?);
    }
    for (name, root) in &request.named_directories {
        let own = ignore(&Source::new(format!("{name}:.dockerignore"), ignore_text(root)?))?;
        let context = Context::open(root, options(own)).map_err(wrong)?;
        contexts.insert(name.clone(), context);
    }
    debug_assert!(request.named_contexts.iter().all(|(name, context)| {
        *context != NamedContext::Tree || request.named_directories.contains_key(name)
    }));
    Ok(contexts)
}

/// The text of a directory's ignore file, where it has one.
fn ignore_text(root: &Path) -> Result<String, BuildError> {
    let path = root.join(".dockerignore");
    match std::fs::read_to_string(&path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(String::new())
        }
        other => other.map_err(|source| {
            let action = format!("read `{}`", path.display());
            BuildError::Context(Box::new(StepError::Io { action, source }))
        }),
    }
}

/// An ignore file's patterns; one that cannot be read would let in what somebody wanted out.
fn ignore(source: &Source) -> Result<Patterns, BuildError> {
    let (patterns, diagnostics) = Patterns::parse(&source.text);
    match diagnostics.is_empty() {
        true => Ok(patterns),
        false => Err(BuildError::Ignore { source_text: source.clone(), diagnostics }),
    }
}

/// Runs every stage of every plan, and waits for the images.
fn run_all(world: &World<'_>, plans: &[Plan]) -> Result<Option<Documents>, BuildError> {
    let queue = Queue::new(plans);
    std::thread::scope(|scope| {
        scope.spawn(|| world.results.write_batches());
        for _ in 0..PACKERS {
            scope.spawn(|| world.packer.serve());
        }
        let _closing = Closing(world);
        for started in 0..queue.threads() {
            match Builder::new().spawn_scoped(scope, || queue.serve(world)) {
                Ok(_) => {}
                // A machine that has no more of them gets on with those it has.
                Err(_) if started > 0 => break,
                Err(error) => return Err(BuildError::Thread(error)),
            }
        }
        let documents = world.finish_images(plans);
        if !matches!(documents, Ok(Some(_))) {
            world.stop();
        }
        // What was learnt about the contexts is for the next build; losing it costs time, never correctness.
        for context in world.contexts.values() {
            let _ = context.save_cache();
        }
        documents
    })
}

/// Lets the serving threads return when dropped, so also when this thread panics.
struct Closing<'a>(&'a World<'a>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
        self.0.packer.close();
        self.0.results.close();
    }
}

impl World<'_> {
    /// Writes the build's line of the history, together with results that are not written yet.
    fn record_build(
        &self,
        state: BuildState,
        image: Option<oci::Digest>,
        mut batch: Batch,
    ) -> Result<(), BuildError> {
        batch.steps = self.results.rest();
        let report = if state == BuildState::Running { BuildReport::default() } else { self.final_report() };
        batch.builds.push(NewBuild {
            id: self.request.id.clone(),
            project: self.request.project.clone(),
            name: self.request.name.clone(),
            started: self.request.started,
            finished: None,
            state,
            image,
            detail: serde_json::to_string(&report).unwrap_or_default(),
        });
        Ok(self.doors.store.commit(&batch)?)
    }
}
