//! `kapok build`: from flags to an image, and to everything that was asked for beside it.

mod agents;
mod checked;
pub mod context;
pub mod failed;
pub mod input;
mod locked;
pub mod project;
pub mod request;
pub mod result;
mod sharing;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use build::engine::{self, Cancel, Doors, Materials};

use crate::cli::build::{Build, Progress};
use crate::commands::vendor;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fetch::HttpFetch;
use crate::gated::GatedFetch;
use crate::gateway::RunGateway;
use crate::git::GitCommand;
use crate::lock::LockMode;
use crate::program::Program;
use crate::projects::{self, Loaded};
use crate::refresh::Refresh;
use crate::signals;
use crate::ui;
use context::Means;
use sharing::{Plans, Sharing};

/// Builds.
pub fn run(program: &Program, arguments: &Build) -> Result<Exit, Failure> {
    let begun = Instant::now();
    built(program, arguments).map_err(|failure| match arguments.quiet {
        true => failure,
        false => tell(program, arguments.progress, begun, failure),
    })
}

/// With JSON progress a failure is an event too, so that a program reads nothing else.
pub fn tell(program: &Program, progress: Progress, begun: Instant, failure: Failure) -> Failure {
    if progress != Progress::Json {
        return failure;
    }
    let failure = program.explain(failure);
    program.say(&ui::json::error(begun.elapsed(), &failure.render(false), failure.exit()));
    Failure::Told(failure.exit())
}

/// A project, or one image: what the words mean.
fn built(program: &Program, arguments: &Build) -> Result<Exit, Failure> {
    let word = arguments.input.context.as_str();
    refuse_alone(program, arguments)?;
    match meaning(program, arguments)? {
        Meaning::Project(loaded) => {
            let words: Vec<String> =
                [word].into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect();
            project::run(program, arguments, &loaded, &[words, arguments.images.clone()].concat())
        }
        Meaning::Context if arguments.images.is_empty() => build(program, arguments),
        Meaning::Context => Err(Failure::usage_with(
            format!("`{word}` is a build context, and a build has one"),
            "several words are images of a project; `kapok graph` lists them",
        )),
    }
}

/// What `kapok build` was asked for.
pub enum Meaning {
    /// Images of a project.
    Project(Box<Loaded>),
    /// A build context.
    Context,
}

/// What the words of a command line mean: nothing at all is the project, a word that is no path an image of it.
fn meaning(program: &Program, arguments: &Build) -> Result<Meaning, Failure> {
    words_mean(program, &arguments.input.context, alone(arguments).is_some())
}

/// A flag that only one image can have.
fn alone(arguments: &Build) -> Option<&'static str> {
    let input = &arguments.input;
    let given = [
        ("--file", input.file.is_some()),
        ("--target", input.target.is_some()),
        ("--from", input.from.is_some()),
        ("--tag", !arguments.tag.is_empty()),
        ("--output", !arguments.output.is_empty()),
        ("--iidfile", arguments.iidfile.is_some()),
        ("--metadata-file", arguments.metadata_file.is_some()),
    ];
    given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
}

/// Such a flag means the Dockerfile that is here. Where there is none and a project is, that is said.
fn refuse_alone(program: &Program, arguments: &Build) -> Result<(), Failure> {
    let here = &program.environment.directory;
    let own = ["Dockerfile", "Containerfile"].iter().any(|name| here.join(name).is_file());
    let Some(flag) = alone(arguments) else { return Ok(()) };
    if own || arguments.input.file.is_some() || !arguments.input.context.is_empty() {
        return Ok(());
    }
    match projects::load(here)?.project.images.len() {
        0 => Ok(()),
        images => Err(Failure::usage_with(
            format!(
                "`{flag}` is for one image, and this is a project with {}",
                ui::format::counted(images as u64, "image")
            ),
            "name a build context, `kapok build DIRECTORY`; a project's images stay in the store under their names, where `kapok save` and `kapok copy` take them from",
        )),
    }
}

/// The same for a word, and flags that only one image can have.
pub fn words_mean(program: &Program, word: &str, alone: bool) -> Result<Meaning, Failure> {
    let here = &program.environment.directory;
    let other = !word.is_empty()
        && (project::prepare::is_path(word)
            || context::is_url(word)
            || context::git_reference(word).is_some());
    if alone || other {
        return Ok(Meaning::Context);
    }
    let is_directory = !word.is_empty() && here.join(word).is_dir();
    if is_directory && projects::root(here).is_none() {
        return Ok(Meaning::Context);
    }
    let loaded = projects::load(here)?;
    // A directory means its files, unless somebody declared an image of that name.
    let declared = loaded
        .project
        .image(word)
        .is_some_and(|image| image.declared_by != ::project::DeclaredBy::Dockerfile);
    match is_directory && !declared {
        true => Ok(Meaning::Context),
        false => Ok(Meaning::Project(Box::new(loaded))),
    }
}

fn build(program: &Program, arguments: &Build) -> Result<Exit, Failure> {
    result::check(program, arguments)?;
    let place = settings_directory(program, &arguments.input.context);
    let mut settings = program.settings_for(&place)?;
    let authorities = projects::authorities_near(&place)?;
    settings.network.ca.extend(authorities.iter().map(|(path, _)| path.clone()));
    let store = Arc::new(program.store(&settings)?);
    // Without sandboxes a build of COPYs still works; it is refused when a step needs one.
    let spawner = program.spawner();
    let fetch = HttpFetch::new(&program.environment);
    let git = GitCommand::new(&program.environment);
    let means = Means { store: &store, fetch: &fetch, git: &git, directory: &program.environment.directory };
    let vendored =
        arguments.from_vendor.as_deref().map(|path| vendor::take_in(program, &store, path)).transpose()?;
    let mut prepared = request::prepare(program, &arguments.input, &settings, &means)?;
    let _agents = request::complete(&mut prepared.request, program, arguments, &settings)?;
    prepared.request.finishing.authorities = authorities.map(|(_, bytes)| bytes).unwrap_or_default();
    let checking = checked::Checking::new(program, arguments, &settings);
    prepared.request.overruled = checking.dockerfile(&prepared.request, &store)?;
    let registries = program.registries(&settings);
    let gated = GatedFetch::new(&fetch, &settings);
    let locking = locked::open(program, arguments, &mut prepared.request, vendored, None)?;
    let gateway = RunGateway::new(program.runtime().clone(), &store, &program.environment, &settings)?;
    let mut gateway = gateway.with_stale(!arguments.no_stale);
    if let Some(locking) = &locking {
        gateway = gateway.in_mode(locking.gateway_mode(&store));
    }
    let locked_doors = locking.as_ref().map(|locking| locked::doors(locking, &gated, &git, &store));
    let plans = Plans::of(program, &registries, arguments, &mut prepared.request)?;
    let request = &prepared.request;

    let view = ui::view(program.terminal, arguments.progress, arguments.quiet);
    let cancel = Cancel::default();
    signals::watch_impatiently(cancel.clone(), view.noter());
    let refresh = arguments.refresh.then(|| Refresh::new(&gateway, locking.as_ref(), &*view));
    let ending = cancel.clone();
    let judge = checking.built(request, &*view);
    let sharing = Sharing::new(&plans, &registries, &store, &*view, &cancel)?;
    let doors = sharing.doors(Doors {
        store: &store,
        spawner: spawner.as_ref().ok().copied(),
        fetch: locked_doors.as_ref().map_or(&gated, |(fetch, _)| fetch),
        git: locked_doors.as_ref().map_or(&git, |(_, git)| git),
        upstream: None,
        cache: None,
        layers: None,
        gateway: Some(&gateway),
        judge: Some(&judge),
        materials: match &refresh {
            Some(refresh) => Some(refresh),
            None => locking.as_ref().map(|locking| locking as &dyn Materials),
        },
        events: &*view,
        cancel,
    });
    let offline = locking.as_ref().is_some_and(|locking| locking.mode() == LockMode::Offline);
    let doors = if offline { Doors { upstream: None, cache: None, ..doors } } else { doors };
    let outcome = sharing.beside(|| engine::build(request, &doors));
    // The image is in the store: nothing has to be undone when the rest is stopped.
    let outcome = outcome.map(|built| {
        ending.on_cancel(|| std::process::exit(Exit::Interrupted.code().into()));
        (sharing.finish(request, &built), built)
    });
    let state = view.finish();
    match outcome {
        Ok((shared, built)) => {
            result::deliver(program, arguments, request, &store, &built, &shared, &state)?;
            for changed in refresh.iter().flat_map(Refresh::changed) {
                program.say(&format!("changed upstream: {changed}"));
            }
            drop((locked_doors, refresh));
            if let Some(locking) = locking.filter(|locking| locking.mode() == LockMode::Write) {
                locking.write(program, &store, &built)?;
            }
            match shared.failure {
                None => Ok(result::exit(&built)),
                Some(failure) => Err(failure),
            }
        }
        Err(error) => match spawner {
            Err(reason) if failed::lacks_spawner(&error) => Err(reason),
            _ => Err(program
                .lacks_ids(failed::cause(&error))
                .unwrap_or_else(|| failed::explain(error, &request.source))),
        },
    }
}

/// Settings come from the nearest `kapok.yaml` of the build context, where that is a directory.
pub fn settings_directory(program: &Program, context: &str) -> std::path::PathBuf {
    let directory = program.environment.directory.join(Path::new(context));
    if directory.is_dir() { directory } else { program.environment.directory.clone() }
}
