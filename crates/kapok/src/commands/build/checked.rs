//! The Dockerfile of a build, judged before its first step.

use build::engine::Request;
use policy::{Facts, Level, Waivers, render};

use crate::cli::build::{Build, Progress};
use crate::commands::check::standards;
use crate::failure::Failure;
use crate::program::Program;
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

/// Judges; errors of the profile stop the build, warnings are one line.
pub fn check(program: &Program, arguments: &Build, settings: &Settings, request: &Request) -> Result<(), Failure> {
    let standards = standards(settings, None);
    let facts = Facts::of_dockerfile(&request.source.name, &request.source.text, &request.build_args);
    let mut judgement = policy::judge(&facts, &standards, &Waivers::none(), Vec::new());
    let of_file = |finding: &policy::Finding| {
        facts.source(finding.place.source).name == request.source.name && !OF_THE_PLAN.contains(&finding.rule.as_ref())
    };
    judgement.findings.retain(of_file);
    let count = |level| judgement.findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    if errors > 0 && arguments.no_check {
        program.warn(&format!("--no-check: {} of the check overruled", counted(errors, "error")));
        return Ok(());
    }
    if errors > 0 {
        judgement.findings.retain(|finding| finding.level == Level::Error);
        program.terminal.say(&render::human(&facts, &judgement, program.terminal.colour));
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
