//! `kapok plan` of a project: which images have steps that would run, why, and how long that takes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use build::engine::{
    self, BuildError, BuildReport, Cancel, Change, Doors, Outcome, Reason, Request, Seat, State, StepState,
    Storm, StormImage, Verdict, Workshop,
};
use build::schedule::Work;
use oci::store::Store;
use serde_json::{Value, json};

use super::Warnings;
use crate::changes;
use crate::cli::Format;
use crate::cli::build::{Build, Plan as Arguments};
use crate::commands::build::context::Means;
use crate::commands::build::project::inputs::{self, Overlay, Taken};
use crate::commands::build::project::prepare::{self, Job, Making};
use crate::commands::build::project::trouble::Trouble;
use crate::commands::build::project::{budget, certificates, storm_images};
use crate::commands::build::{failed, result};
use crate::exit::Exit;
use crate::export::Files;
use crate::failure::Failure;
use crate::fetch::HttpFetch;
use crate::gateway::RunGateway;
use crate::git::GitCommand;
use crate::program::Program;
use crate::projects::{self, Loaded};
use crate::registry::images::RegistryImages;
use crate::story::{self, Told};
use crate::ui::format;
use crate::ui::table::table;
use crate::ui::text::cut;

/// Columns of the last cell.
const WHY: usize = 100;

/// What would become of an image.
struct Foreseen {
    name: String,
    report: BuildReport,
    /// What the first step that is due is due for; empty if none is.
    why: String,
    takes: Option<Duration>,
    failure: Option<Failure>,
}

impl Foreseen {
    fn due(&self) -> usize {
        let due = |state| matches!(state, StepState::Due | StepState::Pending);
        self.report.steps.iter().filter(|step| due(step.state)).count()
    }

    fn cached(&self) -> usize {
        self.report.counts().1
    }

    fn word(&self) -> &'static str {
        match &self.failure {
            Some(_) => "fails",
            None if self.builds() => "builds",
            None => "nothing",
        }
    }

    /// Whether there is something to do.
    fn builds(&self) -> bool {
        self.due() > 0 || !self.why.is_empty()
    }
}

/// Looks at every step's key, runs nothing, and prints what is due.
pub fn run(program: &Program, arguments: &Arguments, loaded: &Loaded) -> Result<Exit, Failure> {
    let words = [arguments.input.context.clone()].into_iter().filter(|word| !word.is_empty());
    let wanted = loaded.select(&words.chain(arguments.images.clone()).collect::<Vec<_>>())?;
    let settings = program.settings_for(&loaded.root)?;
    let store = Arc::new(program.store(&settings)?);
    let (fetch, git) = (HttpFetch::new(&program.environment), GitCommand::new(&program.environment));
    let means = Means { store: &store, fetch: &fetch, git: &git, directory: &program.environment.directory };
    let registries = program.registries(&settings);
    let flags = Build::of_plan(arguments);
    let making = Making {
        program,
        arguments: &flags,
        loaded,
        settings: &settings,
        means: &means,
        registries: &registries,
        authorities: projects::authorities(loaded)?,
    };
    let jobs = making.jobs(&wanted)?;
    let histories: Vec<Vec<Told>> = jobs
        .iter()
        .map(|job| story::latest(&store, &job.request.project, &job.name, 2))
        .collect::<Result<_, _>>()?;
    let images = storm_images(&jobs, &histories);
    let storm = Storm {
        images: &images,
        budget: budget::of(&jobs, &flags, &settings),
        pause: Duration::ZERO,
        cancel: Cancel::default(),
    };
    let warnings = Warnings(program);
    let upstream = RegistryImages::new(&registries, &store, &warnings, Cancel::default());
    let gateway = RunGateway::new(program.runtime().clone(), &store, &program.environment, &settings)?;
    let foresight = Foresight { jobs: &jobs, store: &store, fetch: &fetch, git: &git, upstream, gateway };
    let outcomes = storm.run(&foresight, &storm.forecast());
    let foreseen: Vec<Foreseen> = jobs
        .iter()
        .zip(&histories)
        .zip(outcomes)
        .map(|((job, history), outcome)| foreseen(&store, job, history, &jobs, outcome))
        .collect();
    program.data(&match arguments.format {
        Format::Table => text(&foreseen, &images, &storm),
        Format::Json => as_json(&foreseen),
    })?;
    for one in &foreseen {
        if let Some(failure) = &one.failure {
            program.say(&format!("\nimage `{}`", one.name));
            program.say(failure.render(program.terminal.colour).trim_end());
        }
    }
    Ok(foreseen.iter().find_map(|one| one.failure.as_ref()).map_or(Exit::Done, Failure::exit))
}

/// Asks the engine what is due, image by image.
struct Foresight<'a> {
    jobs: &'a [Job],
    store: &'a Store,
    fetch: &'a HttpFetch,
    git: &'a GitCommand,
    upstream: RegistryImages<'a>,
    gateway: RunGateway,
}

/// Why an image is not all there: its steps, or an error.
type Lacking = Mutex<Result<BuildReport, Box<BuildError>>>;

impl Workshop for Foresight<'_> {
    type Made = BuildReport;
    type Failure = Lacking;

    fn find(&self, of: usize, name: &str) -> Option<usize> {
        prepare::find(self.jobs, of, name)
    }

    fn build(&self, seat: &Seat<'_>) -> Result<BuildReport, (Verdict, Lacking)> {
        let job = &self.jobs[seat.image];
        let mut request = Request { foresee: true, ..job.request.clone() };
        let doors = Doors {
            store: self.store,
            spawner: None,
            fetch: self.fetch,
            git: self.git,
            upstream: Some(&self.upstream),
            cache: None,
            layers: None,
            gateway: Some(&self.gateway),
            judge: None,
            materials: None,
            events: &engine::NoEvents,
            cancel: seat.cancel.clone(),
        };
        let verdict = Verdict { state: State::Pending, reason: Reason::GenericBuildFailed, passing: false };
        let lacking = |error: BuildError| (verdict, Mutex::new(Err(Box::new(error))));
        let context = self.context(job, seat, &doors).map_err(lacking)?;
        if let Some(context) = &context {
            request.context = Some(context.directory.clone());
        }
        match engine::foresee_among(&request, &doors, seat) {
            Ok(report) if report.steps.iter().all(is_done) => Ok(report),
            Ok(report) => Err((verdict, Mutex::new(Ok(report)))),
            Err(error) => Err((verdict, Mutex::new(Err(Box::new(error))))),
        }
    }

    fn tell(&self, _image: usize, _change: Change<'_, Self>) {}
}

impl Foresight<'_> {
    /// The build context with what it has of other images; nothing where it is as the repository has it, or where those
    /// cannot be had here: then a COPY of theirs says so.
    fn context(&self, job: &Job, seat: &Seat<'_>, doors: &Doors<'_>) -> Result<Option<Overlay>, BuildError> {
        for other in job.taken.iter().filter_map(|taken| taken.job) {
            seat.await_whole(other)?;
        }
        let name = |taken: &Taken| {
            let tag = taken.job.and_then(|other| self.jobs[other].request.tags.first());
            tag.map_or_else(|| taken.reference.clone(), ToString::to_string)
        };
        let files = |number: usize| -> Result<Files, Trouble> {
            let request = inputs::whole(&job.request, number, &name(&job.taken[number]));
            Ok(result::merged(self.store, &engine::build(&request, doors)?)?)
        };
        if job.taken.is_empty() {
            return Ok(None);
        }
        Ok(inputs::with_images(self.store, job.request.context.as_deref(), &job.taken, files).ok())
    }
}

fn is_done(step: &engine::StepReport) -> bool {
    matches!(step.state, StepState::Cached | StepState::Metadata)
}

fn foreseen(
    store: &Store,
    job: &Job,
    history: &[Told],
    jobs: &[Job],
    outcome: Outcome<BuildReport, Lacking>,
) -> Foreseen {
    let lost = outcome.lost.map(|image| jobs[image].name.clone());
    let lacking = outcome
        .failure
        .map(|lacking| lacking.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    let (report, failure) = match (outcome.made, lacking) {
        (Some(report), _) | (None, Some(Ok(report))) => (report, None),
        // For want of an image whose plan failed: that one says why.
        (None, Some(Err(error))) if lost.is_none() => {
            (BuildReport::default(), Some(failed::explain(*error, &job.shown)))
        }
        (None, _) => (BuildReport::default(), None),
    };
    let before: Option<BuildReport> =
        history.iter().find_map(|told| serde_json::from_str(&told.build.detail).ok());
    let first = report.steps.iter().find(|step| !is_done(step));
    let why = match (first, &lost) {
        (Some(step), _) if step.state == StepState::Due => {
            changes::foreseen(store, before.as_ref(), &report, step)
        }
        (_, Some(base)) => format!("it stands on `{base}`"),
        (Some(step), None) => format!("#{} stands on what is due", step.id.number()),
        (None, None) if failure.is_none() => without_steps(job, history),
        (None, None) => String::new(),
    };
    Foreseen { name: job.name.clone(), report, why, takes: story::takes(history), failure }
}

/// Why an image is built of which every step is there; empty if there is nothing to do.
fn without_steps(job: &Job, history: &[Told]) -> String {
    let Some(told) = history.first() else { return "never built".to_owned() };
    let report = told.report.as_ref();
    match (told.state(), report) {
        (State::Complete, Some(report)) if report.certificates != certificates(&job.request) => {
            "the certificates changed".to_owned()
        }
        (State::Complete, _) => String::new(),
        (_, report) => match report.and_then(|report| report.reason) {
            Some(reason) => format!("its latest build is not complete: {reason}"),
            None => "its latest build is not complete".to_owned(),
        },
    }
}

fn text(all: &[Foreseen], images: &[StormImage], storm: &Storm<'_>) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                one.word().to_owned(),
                format!("{} due, {} cached", one.due(), one.cached()),
                one.takes.map_or_else(String::new, format::duration),
                cut(&one.why, WHY),
            ]
        })
        .collect();
    let due = all.iter().filter(|one| one.builds());
    let works: Vec<StormImage> = images
        .iter()
        .zip(all)
        .map(|(image, one)| {
            let millis = if one.builds() { image.work.millis } else { 0 };
            StormImage { work: Work { millis, ..image.work.clone() }, ..image.clone() }
        })
        .collect();
    let ahead = Storm { images: &works, cancel: Cancel::default(), ..*storm }.forecast();
    let count = due.count();
    let known = all.iter().all(|one| one.takes.is_some() || one.due() == 0);
    let time = match (count, known) {
        (0, _) => String::new(),
        (_, true) => format!(", about {}", format::duration(Duration::from_millis(ahead.makespan))),
        (_, false) => ", in a time that nobody knows yet".to_owned(),
    };
    let heading = ["IMAGE", "PLAN", "STEPS", "LAST TIME", "WHY"];
    let images = format::counted(all.len() as u64, "image");
    format!("{}\n{count} of {images} to build{time}\n", table(&heading, &rows))
}

fn as_json(all: &[Foreseen]) -> String {
    let images: Vec<Value> = all
        .iter()
        .map(|one| {
            let steps: Vec<Value> = one
                .report
                .steps
                .iter()
                .map(|step| {
                    let (number, text, state) = (step.id.number(), &step.text, step.state);
                    json!({ "step": number, "stage": step.stage, "text": text, "state": state })
                })
                .collect();
            json!({
                "name": one.name,
                "plan": one.word(),
                "due": one.due(),
                "cached": one.cached(),
                "takes_ms": one.takes.map(|time| time.as_millis() as u64),
                "why": one.why,
                "steps": steps,
            })
        })
        .collect();
    serde_json::to_string_pretty(&json!({ "images": images })).unwrap_or_default() + "\n"
}
