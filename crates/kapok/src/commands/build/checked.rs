//! The Dockerfile of a build, judged before its first step.

use build::engine::Request;
use policy::{Facts, Judgement, Level, Waivers, render};

use crate::cli::build::{Build, Progress};
use crate::commands::check::{project_directory, standards};
use crate::failure::Failure;
use crate::program::Program;
use crate::repository::Repository;
use crate::settings::Settings;

/// What the plan of a build says itself, with its own words and exit code.
const OF_THE_PLAN: [&str; 7] = [
    "dockerfile-syntax",
    "docker-check",
    "base-arg-undeclared",
    "stage-unknown",
    "expose-no-port",
    "copy-not-directory",
    "variable-undeclared",
];

/// Judges one Dockerfile; errors of the profile stop the build, warnings are one line.
pub fn check(
    program: &Program,
    arguments: &Build,
    settings: &Settings,
    request: &Request,
) -> Result<(), Failure> {
    let standards = standards(settings, None);
    let mut facts = Facts::of_dockerfile(&request.source.name, &request.source.text, &request.build_args);
    let root = project_directory(&program.environment.directory);
    let waivers = Waivers::load(&mut facts, &Repository::unlisted(&root), settings.check.waivers());
    let mut judgement = policy::judge(&facts, &standards, &waivers, Vec::new());
    let name = &request.source.name;
    judgement.findings.retain(|finding| facts.source(finding.place.source).name == *name);
    decide(program, arguments, &facts, judgement)
}

/// Judges the Dockerfiles of a project, by its files and waivers.
pub fn check_project(
    program: &Program,
    arguments: &Build,
    settings: &Settings,
    files: &Repository,
) -> Result<(), Failure> {
    let mut facts = Facts::gather(files);
    let waivers = Waivers::load(&mut facts, files, settings.check.waivers());
    let mut judgement = policy::judge(&facts, &standards(settings, None), &waivers, Vec::new());
    let dockerfiles: Vec<&str> = facts.dockerfiles.iter().map(|file| file.path.as_str()).collect();
    judgement
        .findings
        .retain(|finding| dockerfiles.contains(&facts.source(finding.place.source).name.as_str()));
    decide(program, arguments, &facts, judgement)
}

fn decide(
    program: &Program,
    arguments: &Build,
    facts: &Facts,
    mut judgement: Judgement,
) -> Result<(), Failure> {
    judgement.findings.retain(|finding| !OF_THE_PLAN.contains(&finding.rule.as_ref()));
    let count = |level| judgement.findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    if errors > 0 && arguments.no_check {
        program.warn(&format!("--no-check: {} of the check overruled", counted(errors, "error")));
        return Ok(());
    }
    if errors > 0 {
        judgement.findings.retain(|finding| finding.level == Level::Error);
        program.terminal.say(&render::human(facts, &judgement, program.terminal.colour));
        let message = format!("the check found {}; nothing was built", counted(errors, "error"));
        return Err(Failure::Denied { message });
    }
    if warnings > 0 && !arguments.quiet && arguments.progress != Progress::Json {
        program.warn(&format!("the check found {}; `kapok check` shows them", counted(warnings, "warning")));
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
