//! Builds single images for the storm: doors, pushes, history.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use build::engine::{
    self, BuildError, BuildReport, Built, Change, Doors, Events, Git, Materials, NoEvents, OutcomeOf, Reason,
    Request, Seat, State, Verdict, Workshop,
};
use build::fetch::Fetch;
use build::sandbox::Spawner;
use oci::lock::Lock;
use oci::store::{Batch, BuildState, NewBuild, Store};
use oci::{Digest, LayerId};

use super::inputs::{self, Overlay};
use super::prepare::{self, Job};
use super::trouble::{Failed, Trouble, report_of, verdict};
use crate::changes;
use crate::cli::build::Build;
use crate::clock;
use crate::commands::build::checked::Checking;
use crate::commands::build::sharing::{Shared, Sharing};
use crate::commands::build::{failed, locked, result};
use crate::export::Files;
use crate::failure::Failure;
use crate::gateway::RunGateway;
use crate::lock::{LockMode, Locking};
use crate::program::Program;
use crate::refresh::Refresh;
use crate::registry::Registries;
use crate::story::{self, BaseUse, ImageReport, Told};
use crate::ui::storm::StormView;
use crate::ui::storm::state::ImageEvent;

/// What is needed to build any of the images.
pub struct Shop<'a> {
    /// The process.
    pub program: &'a Program,
    /// Flags.
    pub arguments: &'a Build,
    /// All images, by their numbers in the storm.
    pub jobs: &'a [Job],
    /// Their latest builds.
    pub histories: &'a [Vec<Told>],
    /// The store.
    pub store: &'a Arc<Store>,
    /// How registries are spoken to.
    pub registries: &'a Registries,
    /// Makes sandboxes.
    pub spawner: Result<&'a Spawner, Failure>,
    /// For ADD of a URL.
    pub fetch: &'a (dyn Fetch + Sync),
    /// For ADD of a repository.
    pub git: &'a (dyn Git + Sync),
    /// The way out of a RUN.
    pub gateway: RunGateway,
    /// Who is told.
    pub view: &'a StormView,
    /// What images are judged by.
    pub checking: &'a Checking<'a>,
    /// The project's directory.
    pub root: &'a Path,
    /// The digests of images that are complete, without certificates.
    pub plain: Mutex<Vec<Option<Digest>>>,
    /// Which image made which layer.
    pub makers: Mutex<HashMap<LayerId, usize>>,
    /// What `--from-vendor` took in.
    pub vendored: Option<Lock>,
}

/// A finished image.
pub struct Made {
    /// What the engine made.
    pub built: Built,
    /// Its pushes.
    pub shared: Shared,
    /// Its lock, where one is to be written.
    pub locking: Option<Locking>,
    /// Why its steps ran, in one line.
    pub why: String,
    /// Documents of upstreams that `--refresh` found changed.
    pub changed: Vec<String>,
}

impl Workshop for Shop<'_> {
    type Made = Made;
    type Failure = Failed;

    fn find(&self, of: usize, name: &str) -> Option<usize> {
        prepare::find(self.jobs, of, name)
    }

    fn build(&self, seat: &Seat<'_>) -> Result<Made, (Verdict, Failed)> {
        let job = &self.jobs[seat.image];
        self.make(job, seat).map_err(|trouble| {
            let report = match &trouble {
                Trouble::Build(error) => report_of(error),
                Trouble::Other(_) => BuildReport::default(),
            };
            let verdict = verdict(&trouble);
            let failure = match trouble {
                Trouble::Other(failure) => failure,
                Trouble::Build(error) => self.explain(*error, job),
            };
            (verdict, Failed { failure, report })
        })
    }

    fn tell(&self, image: usize, change: Change<'_, Self>) {
        let event = match change {
            Change::Pending => ImageEvent::Pending,
            Change::Again { verdict, failure, attempt, pause } => {
                ImageEvent::Again { reason: verdict.reason, message: failure.headline(), attempt, pause }
            }
            Change::Ended(outcome) => {
                self.note(image, outcome);
                ImageEvent::Ended {
                    state: outcome.state,
                    reason: outcome.reason,
                    message: self.message(image, outcome),
                    digest: outcome.made.as_ref().map(|made| made.built.image.digest.to_string()),
                }
            }
        };
        self.view.image(image, &event);
    }
}

impl Shop<'_> {
    fn make(&self, job: &Job, seat: &Seat<'_>) -> Result<Made, Trouble> {
        let mut request = Request { started: clock::now(), ..job.request.clone() };
        let locking = locked::open(
            self.program,
            self.arguments,
            &mut request,
            self.vendored.clone(),
            job.lock_name.as_deref(),
        )?;
        let own = locking.as_ref().map(|locking| self.gateway.again(locking.gateway_mode(self.store)));
        let gateway = own.as_ref().unwrap_or(&self.gateway);
        let doors = locking.as_ref().map(|locking| locked::doors(locking, self.fetch, self.git, self.store));
        let events = self.view.events(seat.image);
        let judge = self.checking.built_in(self.root, &job.name, &request, &events);
        let sharing = Sharing::new(&job.plans, self.registries, self.store, &events, &seat.cancel)?;
        let refresh =
            self.arguments.refresh.then(|| Refresh::new(gateway, locking.as_ref(), &events as &dyn Events));
        let offline = locking.as_ref().is_some_and(|locking| locking.mode() == LockMode::Offline);
        let open = |events| {
            let all = sharing.doors(Doors {
                store: self.store,
                spawner: self.spawner.as_ref().ok().copied(),
                fetch: doors.as_ref().map_or(self.fetch as &dyn Fetch, |(fetch, _)| fetch),
                git: doors.as_ref().map_or(self.git as &dyn Git, |(_, git)| git),
                upstream: None,
                cache: None,
                layers: None,
                gateway: Some(gateway),
                judge: Some(&judge),
                materials: match &refresh {
                    Some(refresh) => Some(refresh as &dyn Materials),
                    None => locking.as_ref().map(|locking| locking as &dyn Materials),
                },
                events,
                cancel: seat.cancel.clone(),
            });
            if offline { Doors { upstream: None, cache: None, ..all } } else { all }
        };
        let taken = self.taken(job, seat, &request, &open(&NoEvents))?;
        if let Some(taken) = &taken {
            request.context = Some(taken.directory.clone());
        }
        let built = sharing.beside(|| engine::build_among(&request, &open(&events), seat))?;
        for difference in &built.differences {
            let message = format!("wrote `{}` differently: {}", difference.path, difference.what);
            events.event(engine::Event::Warning { message, step: Some(difference.step) });
        }
        let mut shared = sharing.finish(&request, &built);
        if let Some(failure) = shared.failure.take() {
            return Err(Trouble::Other(failure));
        }
        if let Some(slot) = lock(&self.plain).get_mut(seat.image) {
            *slot = built.platforms.first().map(|platform| platform.plain);
        }
        let own = built.report.steps.iter().filter_map(|step| Some((step.layer?, seat.image)));
        lock(&self.makers).extend(own);
        let maker = |layer: &LayerId| {
            let image = lock(&self.makers).get(layer).copied().filter(|image| *image != seat.image)?;
            Some(self.jobs[image].name.clone())
        };
        let before = self.histories[seat.image].iter().find_map(|told| {
            let report: BuildReport = serde_json::from_str(&told.build.detail).ok()?;
            (!report.steps.is_empty()).then_some(report)
        });
        let mut why = match built.report.counts().0 {
            1.. if request.no_cache || request.twice => "earlier results were not to be used".to_owned(),
            _ => changes::summary(self.store, before.as_ref(), &built.report, &maker),
        };
        if why.is_empty() {
            why = self.without_steps(seat.image, &request, &built);
        }
        let changed = refresh.as_ref().map(Refresh::changed).unwrap_or_default();
        drop((taken, refresh));
        Ok(Made { built, shared, locking, why, changed })
    }

    /// Why an image is another one although no step of it ran; nothing where it is the same.
    fn without_steps(&self, image: usize, request: &Request, built: &Built) -> String {
        let history = self.histories[image].iter();
        let complete = history.filter(|told| told.build.state == BuildState::Succeeded);
        let Some((told, known)) = complete.filter_map(|told| Some((told, told.report.as_ref()?))).next()
        else {
            return "first build".to_owned();
        };
        if told.build.image == Some(built.image.digest) {
            return String::new();
        }
        let bases = self.bases(built);
        let other = bases.iter().find(|base| {
            known.bases.iter().any(|known| known.name == base.name && known.digest != base.digest)
        });
        match other {
            Some(base) => format!("its base `{}` changed", base.name),
            None if known.certificates != certificates(request) => "the certificates changed".to_owned(),
            None => "its configuration changed".to_owned(),
        }
    }

    /// The build context with files of other images in it, which have to be whole first; nothing where none are asked for.
    fn taken(
        &self,
        job: &Job,
        seat: &Seat<'_>,
        request: &Request,
        doors: &Doors<'_>,
    ) -> Result<Option<Overlay>, Trouble> {
        if job.taken.is_empty() {
            return Ok(None);
        }
        let files = |number: usize| -> Result<Files, Trouble> {
            let taken = &job.taken[number];
            let mut name = taken.reference.clone();
            if let Some(other) = taken.job {
                seat.await_whole(other)?;
                let digest = lock(&self.plain).get(other).copied().flatten();
                name = digest.map_or(name, |digest| digest.to_string());
            }
            let built = engine::build(&inputs::whole(request, number, &name), doors)?;
            Ok(result::merged(self.store, &built)?)
        };
        inputs::with_images(self.store, request.context.as_deref(), &job.taken, files).map(Some)
    }

    fn explain(&self, error: BuildError, job: &Job) -> Failure {
        let place = match &error {
            BuildError::Check(check) => job.tests.iter().find(|(name, _)| *name == check.name),
            _ => None,
        };
        match (self.explained(error, job), place) {
            (Failure::Test { output, message }, Some((_, place))) => {
                Failure::Test { output, message: format!("{place}: {message}") }
            }
            (failure, _) => failure,
        }
    }

    fn explained(&self, error: BuildError, job: &Job) -> Failure {
        match &self.spawner {
            Err(Failure::Sandbox(reason)) if failed::lacks_spawner(&error) => reason.clone().into(),
            _ => self
                .program
                .lacks_ids(failed::cause(&error))
                .unwrap_or_else(|| failed::explain_of(error, &job.shown, &job.name)),
        }
    }

    fn message(&self, image: usize, outcome: &OutcomeOf<Self>) -> String {
        match (&outcome.made, &outcome.failure, outcome.lost) {
            (Some(made), ..) => made.why.clone(),
            (None, _, Some(lost)) => format!("it stands on `{}`", self.jobs[lost].name),
            _ if outcome.reason == Some(Reason::DeadlineExceeded) => {
                let limit = self.jobs[image].timeout.unwrap_or(Duration::ZERO);
                format!("it took longer than {}", crate::ui::format::duration(limit))
            }
            (None, Some(failed), None) if outcome.state != State::Cancelled => failed.headline(),
            _ => String::new(),
        }
    }

    /// Writes the end of an image's build into the catalog, and forgets what is too old.
    fn note(&self, image: usize, outcome: &OutcomeOf<Self>) {
        let job = &self.jobs[image];
        let empty = BuildReport::default();
        let report = match (&outcome.made, &outcome.failure) {
            (Some(made), _) => &made.built.report,
            (None, Some(failed)) => &failed.report,
            (None, None) => &empty,
        };
        let told = self.image_report(image, outcome, report);
        let build = NewBuild {
            id: job.request.id.clone(),
            project: job.request.project.clone(),
            name: job.name.clone(),
            started: job.request.started,
            finished: Some(clock::now()),
            state: story::build_state(outcome.state),
            image: outcome.made.as_ref().map(|made| made.built.image.digest),
            detail: story::detail(report, &told),
        };
        let batch = Batch { builds: vec![build], ..Batch::default() };
        let written = self.store.commit(&batch).and_then(|()| self.forget(job));
        if let Err(error) = written {
            let message = format!("the build's history could not be written: {error}");
            let event = engine::Event::Warning { message, step: None };
            self.view.image(image, &ImageEvent::Build(event));
        }
    }

    fn forget(&self, job: &Job) -> Result<(), oci::store::StoreError> {
        use BuildState::{Cancelled, Failed, Succeeded};
        let name = (job.request.project.as_str(), job.name.as_str());
        let limits = [
            (Succeeded, job.history.successful),
            (Failed, job.history.failed),
            (Cancelled, job.history.failed),
        ];
        for (state, keep) in limits {
            let keep = keep.map_or(KEPT, |keep| keep as usize);
            self.store.forget_builds(name, state, Some(keep), Some(clock::now() - KEPT_SECONDS))?;
        }
        Ok(())
    }

    fn image_report(&self, image: usize, outcome: &OutcomeOf<Self>, report: &BuildReport) -> ImageReport {
        let job = &self.jobs[image];
        let (ran, cached) = report.counts();
        let took: u64 = report.steps.iter().map(|step| step.wall_ms).sum();
        let before = story::takes(&self.histories[image]).map_or(0, |time| time.as_millis() as u64);
        let whole = ran > 0 && cached == 0 && outcome.state == State::Complete;
        let bases = outcome.made.as_ref().map(|made| self.bases(&made.built)).unwrap_or_default();
        ImageReport {
            state: outcome.state,
            reason: outcome.reason,
            message: self.message(image, outcome),
            attempts: outcome.attempts,
            wall_ms: self.view.elapsed(image).as_millis() as u64,
            takes_ms: if whole { took } else { took.max(before) },
            ran,
            cached,
            plain: outcome.made.as_ref().and_then(|made| Some(made.built.platforms.first()?.plain)),
            bases,
            certificates: certificates(&job.request),
            names: job.request.tags.iter().map(oci::Reference::familiar).collect(),
        }
    }

    /// What an image stands on. An image of the project is complete when one that stands on it is.
    fn bases(&self, built: &Built) -> Vec<BaseUse> {
        let plain = |job: usize| lock(&self.plain).get(job).copied().flatten();
        let used = built.images.iter();
        used.map(|used| BaseUse {
            name: used.name.clone(),
            image: used.project.map(|job| self.jobs[job].name.clone()),
            digest: used.digest.or_else(|| plain(used.project?)),
        })
        .collect()
    }
}

/// The digest of the certificates that an image gets.
pub fn certificates(request: &Request) -> Option<Digest> {
    let authorities = &request.finishing.authorities;
    (!authorities.is_empty()).then(|| Digest::of(authorities))
}

/// Builds of an image that are kept where it does not say.
const KEPT: usize = 10;

/// Seconds after which they are not.
const KEPT_SECONDS: i64 = 90 * 86_400;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the locks of images that are complete, one after the other: they share a file.
pub fn write_locks(program: &Program, store: &Store, made: Vec<Made>) -> Result<(), Failure> {
    for Made { locking, built, .. } in made {
        if let Some(locking) = locking.filter(|locking| locking.mode() == LockMode::Write) {
            locking.write(program, store, &built)?;
        }
    }
    Ok(())
}
