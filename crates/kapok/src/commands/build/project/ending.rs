//! The end of a project's build: what failed and why, a table that says why each image ran, the exit code.

use std::collections::BTreeSet;
use std::time::Duration;

use build::engine::{OutcomeOf, State as Standing};
use oci::store::Store;

use super::prepare::Job;
use super::workshop::{Shop, write_locks};
use crate::cli::build::{Build, Progress};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::ui::format;
use crate::ui::line::Tone;
use crate::ui::storm::state::StormState;
use crate::ui::table::table;
use crate::ui::text::cut;

/// A project's build that is over.
pub struct Ended<'a> {
    /// The images.
    pub jobs: &'a [Job],
    /// What came of each.
    pub outcomes: Vec<OutcomeOf<Shop<'a>>>,
    /// What was seen.
    pub state: &'a StormState,
    /// How long it took.
    pub wall: Duration,
}

/// Columns of what is said of an image.
const MESSAGE: usize = 90;

/// Says how it ended.
pub fn tell(program: &Program, arguments: &Build, ended: Ended<'_>, store: &Store) -> Result<Exit, Failure> {
    let talk = !arguments.quiet && arguments.progress != Progress::Json;
    if talk {
        tell_failures(program, &ended);
        program.say(lines(ended.state, ended.wall).trim_end());
        for pushed in
            ended.outcomes.iter().filter_map(|outcome| outcome.made.as_ref()?.shared.pushed.as_ref())
        {
            for name in &pushed.names {
                program.say(&format!(
                    "pushed {} ({} sent)",
                    name.familiar(),
                    format::size(pushed.tally.bytes)
                ));
            }
        }
    }
    if arguments.quiet {
        let digests = ended.outcomes.iter().filter_map(|outcome| outcome.made.as_ref());
        let digests: String = digests.map(|made| format!("{}\n", made.built.image.digest)).collect();
        program.data(&digests)?;
    }
    let made = || ended.outcomes.iter().filter_map(|outcome| outcome.made.as_ref());
    if talk {
        let changed: BTreeSet<&String> = made().flat_map(|made| &made.changed).collect();
        for document in changed {
            program.say(&format!("changed upstream: {document}"));
        }
    }
    let differs = made().any(|made| !made.built.differences.is_empty());
    let complete = ended.outcomes.iter().all(|outcome| outcome.state == Standing::Complete);
    let stopped = ended.outcomes.iter().any(|outcome| {
        outcome.state == Standing::Cancelled && outcome.reason == Some(build::engine::Reason::CancelledBuild)
    });
    let exit = ended.outcomes.iter().find_map(|outcome| {
        let own = matches!(outcome.state, Standing::Failed | Standing::Error);
        let late = outcome.reason == Some(build::engine::Reason::DeadlineExceeded);
        let failure = outcome.failure.as_ref().filter(|_| !late);
        own.then(|| failure.map_or(Exit::StepFailed, |failed| failed.failure.exit()))
    });
    let made = ended.outcomes.into_iter().filter_map(|outcome| outcome.made).collect();
    write_locks(program, store, made)?;
    Ok(match exit {
        _ if complete && differs => Exit::No,
        _ if complete => Exit::Done,
        _ if stopped => Exit::Interrupted,
        Some(Exit::Interrupted) | None => Exit::StepFailed,
        Some(exit) => exit,
    })
}

/// Each failure with all that helps to understand it, under the image's name.
fn tell_failures(program: &Program, ended: &Ended<'_>) {
    for (job, outcome) in ended.jobs.iter().zip(&ended.outcomes) {
        let (Some(failed), None) = (&outcome.failure, outcome.lost) else { continue };
        if outcome.state == Standing::Cancelled {
            continue;
        }
        let reason = outcome.reason.map_or("", build::engine::Reason::name);
        let title = format!("image `{}` failed: {reason}", job.name);
        program.say(&format!("\n{}", Tone::Bold.paint(&title, program.terminal.colour)));
        if outcome.reason == Some(build::engine::Reason::DeadlineExceeded) {
            // That it was stopped is the consequence, not the cause.
            let limit = format::duration(job.timeout.unwrap_or_default());
            let late = Failure::usage_with(
                format!("it took longer than {limit}"),
                "raise the image's `timeout`, or let its steps do less",
            );
            program.say(late.render(program.terminal.colour).trim_end());
            continue;
        }
        program.say(failed.failure.render(program.terminal.colour).trim_end());
    }
}

/// The table, and one line for all of it.
pub fn lines(state: &StormState, wall: Duration) -> String {
    let rows: Vec<Vec<String>> = state
        .images
        .iter()
        .map(|image| {
            let steps = &image.steps;
            let all = steps.visible().count();
            let cached = steps.count(|status| status == crate::ui::state::Status::Cached);
            let ran = steps.count(|status| matches!(status, crate::ui::state::Status::Done(..)));
            let why = match (image.standing, image.message.as_str()) {
                (Standing::Complete, "") => "nothing changed".to_owned(),
                (_, message) => cut(message.lines().next().unwrap_or(""), MESSAGE),
            };
            vec![
                image.name.clone(),
                image.standing.name().to_owned(),
                match image.begun {
                    Some(_) => format::duration(image.elapsed(wall)),
                    None => String::new(),
                },
                if all == 0 { String::new() } else { format!("{ran} run, {cached} cached") },
                match image.reason {
                    Some(reason) if why.is_empty() => reason.name().to_owned(),
                    Some(reason) => format!("{reason}: {why}"),
                    None => why,
                },
            ]
        })
        .collect();
    let mut text = String::from("\n") + &table(&["IMAGE", "STATE", "TIME", "STEPS", "WHY"], &rows);
    let complete = state.count(|standing| standing == Standing::Complete);
    let all = state.images.len();
    text += &format!(
        "\n{complete} of {} complete in {}\n",
        format::counted(all as u64, "image"),
        format::duration(wall)
    );
    text
}
