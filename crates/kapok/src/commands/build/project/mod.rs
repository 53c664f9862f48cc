//! `kapok build` of a project: all of its images, or some and what they need, on one scheduler.

pub mod bases;
pub mod budget;
mod checks;
mod ending;
pub mod inputs;
pub mod prepare;
pub mod trouble;
mod workshop;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use build::engine::{Cancel, Event, Overruled, Storm, StormImage};
use build::schedule::Work;

use super::checked;
use super::context::Means;
use super::sharing;
use crate::cli::build::{Build, Progress};
use crate::commands::vendor;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fetch::HttpFetch;
use crate::gated::GatedFetch;
use crate::gateway::RunGateway;
use crate::git::GitCommand;
use crate::program::Program;
use crate::projects::{self, Loaded};
use crate::signals;
use crate::story::{self, Told};
use crate::ui::storm::StormView;
use crate::ui::storm::state::{ImageState, StormState};
#[cfg(test)]
pub use ending::lines as ending_lines;
use prepare::Job;
use workshop::Shop;
pub use workshop::certificates;

/// The pause before the first retry.
const PAUSE: Duration = Duration::from_secs(2);

/// How often an image is tried again that does not say so itself.
const RETRIES: u32 = 2;

/// What an image is taken to take of which nobody knows.
const UNKNOWN: Duration = Duration::from_secs(30);

/// Builds the project's images, or those that are named and what they need.
pub fn run(program: &Program, arguments: &Build, loaded: &Loaded, words: &[String]) -> Result<Exit, Failure> {
    let wanted = loaded.select(words)?;
    let mut settings = program.settings_for(&loaded.root)?;
    if let Some(ca) = &loaded.project.ca {
        settings.network.ca.push(loaded.root.join(&ca.value));
    }
    if wanted.is_empty() {
        return Err(Failure::usage_with(
            format!("there is nothing to build in `{}`", loaded.root.display()),
            "name a build context with a Dockerfile, or declare `images` in kapok.yaml",
        ));
    }
    if !arguments.quiet && arguments.progress != Progress::Json {
        program.say(loaded.headline(wanted.len()).trim_end());
    }
    loaded.tell_findings(
        &wanted,
        program.terminal.colour && arguments.progress != Progress::Json,
        &|text| match arguments.progress {
            _ if arguments.quiet => {}
            Progress::Json => {
                let event = Event::Warning { message: text.trim_end().to_owned(), step: None };
                program.say(&crate::ui::json::line(Duration::ZERO, &event));
            }
            _ => program.say(text),
        },
    )?;
    let store = Arc::new(program.store(&settings)?);
    let checking = checked::Checking::new(program, arguments, &settings);
    let overruled = checking.project(loaded, &wanted, &store)?;
    let vendored =
        arguments.from_vendor.as_deref().map(|path| vendor::take_in(program, &store, path)).transpose()?;
    bases::provide(program, arguments, loaded, &settings, &store, &wanted)?;
    let fetch = HttpFetch::new(&program.environment);
    let git = GitCommand::new(&program.environment);
    let means = Means { store: &store, fetch: &fetch, git: &git, directory: &program.environment.directory };
    let registries = program.registries(&settings);
    let making = prepare::Making {
        program,
        arguments,
        loaded,
        settings: &settings,
        means: &means,
        registries: &registries,
        authorities: projects::authorities(loaded)?,
    };
    let mut jobs = making.jobs(&wanted)?;
    if let Some(mut overruled) = overruled {
        for job in &mut jobs {
            let findings = overruled.remove(&job.request.source.name).unwrap_or_default();
            job.request.overruled = Some(Overruled { findings });
        }
    }
    let histories = jobs
        .iter()
        .map(|job| story::latest(&store, &job.request.project, &job.name, 2))
        .collect::<Result<Vec<_>, _>>()?;
    let images = storm_images(&jobs, &histories);
    let cancel = Cancel::default();
    let storm = Storm {
        images: &images,
        budget: budget::of(&jobs, arguments, &settings),
        pause: PAUSE,
        cancel: cancel.clone(),
    };
    let stopped = cancel.clone();
    let ahead = storm.forecast();
    let state = state(&jobs, &histories, &ahead);
    let view = StormView::start(program.terminal, arguments.progress, arguments.quiet, state);
    signals::watch_impatiently(cancel, view.noter());
    let gateway = RunGateway::new(program.runtime().clone(), &store, &program.environment, &settings)?;
    let gated = GatedFetch::new(&fetch, &settings);
    let shop = Shop {
        program,
        arguments,
        jobs: &jobs,
        histories: &histories,
        store: &store,
        registries: &registries,
        spawner: program.spawner(),
        fetch: &gated,
        git: &git,
        gateway: gateway.with_stale(!arguments.no_stale),
        view: &view,
        checking: &checking,
        root: &loaded.root,
        plain: Mutex::new(vec![None; jobs.len()]),
        makers: Mutex::default(),
        vendored,
    };
    let outcomes = storm.run(&shop, &ahead);
    let (state, wall) = view.finish();
    if !arguments.cache_to.is_empty() && !stopped.is_cancelled() {
        let made = jobs.iter().zip(&outcomes);
        let made: Vec<_> =
            made.filter_map(|(job, outcome)| Some((&job.request, &outcome.made.as_ref()?.built))).collect();
        sharing::leave(program, &registries, &store, arguments, &made)?;
    }
    drop(shop);
    ending::tell(program, arguments, ending::Ended { jobs: &jobs, outcomes, state: &state, wall }, &store)
}

/// The images as the storm sees them.
pub fn storm_images(jobs: &[Job], histories: &[Vec<Told>]) -> Vec<StormImage> {
    let image = |(job, history): (&Job, &Vec<Told>)| StormImage {
        name: job.name.clone(),
        work: Work {
            needs: job.needs.clone(),
            millis: story::takes(history).unwrap_or(UNKNOWN).as_millis() as u64,
            need: job.need,
        },
        timeout: job.timeout,
        retries: job.retries.unwrap_or(RETRIES),
    };
    jobs.iter().zip(histories).map(image).collect()
}

/// What the view begins with.
fn state(jobs: &[Job], histories: &[Vec<Told>], ahead: &build::schedule::Forecast) -> StormState {
    let image = |(job, history): (&Job, &Vec<Told>)| ImageState::new(&job.name, story::takes(history));
    let images: Vec<ImageState> = jobs.iter().zip(histories).map(image).collect();
    let known = images.iter().all(|image| image.expected.is_some());
    StormState { images, expected: known.then(|| Duration::from_millis(ahead.makespan)) }
}
