//! `kapok check`: judges a repository's files without building anything.

mod policies;

use std::path::{Path, PathBuf};

use policy::rego::Policies;
use policy::{Date, Facts, Judgement, Standards, Waivers, render};

use crate::cli::check::{Check, CheckFormat};
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::judging::{self, WaiversPlace};
use crate::program::{Program, store_place};
use crate::repository::Repository;
use crate::settings::Settings;

/// Judges, and prints what was found.
pub fn run(program: &Program, arguments: &Check) -> Result<Exit, Failure> {
    let policies = policies::load(program, arguments)?;
    if let Some(policies) = &policies {
        if arguments.test {
            return policies::test(program, policies);
        }
        if let Some(documents) = policies::documents(arguments) {
            return judge_documents(program, arguments, policies, documents);
        }
    }
    let (root, only) = places(program, &arguments.paths)?;
    let settings = program.settings_for(&root)?;
    let repository = Repository::open(&root, &only).map_err(Failure::file("read", &root))?;
    let standards = standards(&settings, arguments.profile.map(Into::into));
    let mut facts = Facts::gather(&repository);
    // What is at hand is looked at; nobody makes a store for it.
    if store_place(&program.environment, &settings).is_ok_and(|place| place.is_dir())
        && let Ok(store) = program.store(&settings)
    {
        judging::look_at_bases(&store, &standards, &mut facts);
    }
    let more = policies.map_or(Ok(Vec::new()), |policies| policies::judge(&policies, &mut facts))?;
    let working = &program.environment.directory;
    let place = WaiversPlace::near(&root, working, settings.check.waivers());
    let partial = !only.is_empty() || !place.is_in(&root);
    let waivers = Waivers { partial, ..place.load(&mut facts, &root) };
    let judgement = policy::judge(&facts, &standards, &waivers, more);
    report(program, arguments, &facts, &judgement)
}

/// Judges documents by policies: one answer about all of them.
fn judge_documents(
    program: &Program,
    arguments: &Check,
    policies: &Policies,
    documents: &[PathBuf],
) -> Result<Exit, Failure> {
    let (facts, judgement) = policies::judge_documents(program, policies, documents)?;
    report(program, arguments, &facts, &judgement)
}

/// Prints what was found; the answer is no when something reaches the level.
fn report(
    program: &Program,
    arguments: &Check,
    facts: &Facts,
    judgement: &Judgement,
) -> Result<Exit, Failure> {
    match arguments.format {
        CheckFormat::Human => {
            program.data(&render::human(
                facts,
                judgement,
                program.terminal.colour && program.terminal.stdout_is_terminal,
            ))?;
            program.say(&render::summary(judgement));
        }
        CheckFormat::Json => program.data(&render::json(facts, judgement))?,
        CheckFormat::Sarif => {
            program.data(&render::sarif(facts, judgement, env!("CARGO_PKG_VERSION")))?;
        }
    }
    let reached = |level| judgement.findings.iter().any(|finding| finding.level >= level);
    Ok(if arguments.level.level().is_some_and(reached) { Exit::No } else { Exit::Done })
}

/// The settings' standards, today.
pub fn standards(settings: &Settings, profile: Option<policy::Profile>) -> Standards {
    settings.check.standards(profile, Date::of_seconds(clock::now()))
}

/// The directory that paths in the output begin at, and what in it is meant; nothing means all.
fn places(program: &Program, paths: &[PathBuf]) -> Result<(PathBuf, Vec<String>), Failure> {
    let here = &program.environment.directory;
    let full: Vec<PathBuf> = paths.iter().map(|path| here.join(path)).collect();
    for (given, path) in paths.iter().zip(&full) {
        if !path.exists() {
            let message = format!("`{}` does not exist", given.display());
            return Err(Failure::usage_with(message, "a path is a directory or a file"));
        }
    }
    match full.as_slice() {
        [] => Ok((project_directory(here), Vec::new())),
        [directory] if directory.is_dir() => Ok((directory.clone(), Vec::new())),
        several => {
            let mut only = Vec::new();
            for (given, path) in paths.iter().zip(several) {
                let plain = clean(path);
                let Ok(inside) = plain.strip_prefix(clean(here)) else {
                    let message = format!("`{}` is not below the working directory", given.display());
                    return Err(Failure::usage_with(
                        message,
                        "check one directory at a time, or go to a common one",
                    ));
                };
                only.push(inside.to_string_lossy().into_owned());
            }
            Ok((here.clone(), only))
        }
    }
}

/// The nearest directory above with a `kapok.yaml`, else this one.
fn project_directory(here: &Path) -> PathBuf {
    crate::projects::root(here).unwrap_or_else(|| here.to_owned())
}

/// A path without `.` and `..`.
fn clean(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
