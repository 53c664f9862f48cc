//! Progress as plain lines, for logs of continuous integration: every line says which step it belongs to.

use std::time::Duration;

use build::engine::{Event, StepId};

use super::format;
use super::state::{State, Status, Step};

/// The lines that an event adds; `completed` is what [`State::apply`] answered for it.
pub fn lines(state: &State, at: Duration, event: &Event, completed: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let step = |id: &StepId| state.steps.get(id);
    match event {
        Event::Started { step: id } => lines.extend(step(id).and_then(|step| started(state, step))),
        Event::Cached { step: id } => {
            lines.extend(step(id).and_then(|step| Some(format!("{}: cached", started(state, step)?))));
        }
        Event::Output { step: id, .. } => lines.extend(output(state, *id, at, completed)),
        Event::Finished { step: id, wall, written } => {
            lines.extend(output(state, *id, at, completed));
            let (time, size) = (format::duration(*wall), format::size(*written));
            lines.extend(step(id).and_then(|step| ended(step, &format!("done in {time}, wrote {size}"))));
        }
        Event::Failed { step: id, wall } => {
            lines.extend(output(state, *id, at, completed));
            lines.extend(
                step(id).and_then(|step| ended(step, &format!("failed after {}", format::duration(*wall)))),
            );
        }
        Event::Warning { message, step: None } => lines.push(warning(message)),
        Event::Warning { message, step: Some(id) } => {
            lines.push(format!("#{} warning: {message}", id.number()))
        }
        Event::Tested { name, passed, cached, wall } => {
            lines.push(format!("test {name}: {}", tested(*passed, *cached, *wall)));
        }
        Event::Transfer { .. } => lines.extend_from_slice(completed),
        Event::Planned { .. } | Event::Cancelled { .. } => {}
    }
    lines
}

/// How a test went.
pub fn tested(passed: bool, cached: bool, wall: Duration) -> String {
    match (passed, cached) {
        (true, true) => "passed before".to_owned(),
        (true, false) => format!("passed in {}", format::duration(wall)),
        (false, _) => format!("failed after {}", format::duration(wall)),
    }
}

/// A warning as it stands alone. Those about a place in a Dockerfile come rendered.
pub fn warning(message: &str) -> String {
    match message.starts_with("warning") {
        true => message.to_owned(),
        false => format!("warning: {message}"),
    }
}

fn started(state: &State, step: &Step) -> Option<String> {
    step.info
        .makes_layer
        .then(|| format!("#{} [{}] {}", step.info.id.number(), state.heading(&step.info), step.info.text))
}

fn ended(step: &Step, how: &str) -> Option<String> {
    step.info.makes_layer.then(|| format!("#{} {how}", step.info.id.number()))
}

/// Output is stamped with the time since its step began, as that is what a reader compares.
fn output(state: &State, id: StepId, at: Duration, completed: &[String]) -> Vec<String> {
    let since = match state.steps.get(&id).map(|step| step.status) {
        Some(Status::Running(since)) => at.saturating_sub(since),
        Some(Status::Done(wall, _) | Status::Failed(wall)) => wall,
        _ => at,
    };
    let stamp = format!("#{} {}.{:03}", id.number(), since.as_secs(), since.subsec_millis());
    completed.iter().map(|line| format!("{stamp} {line}").trim_end().to_owned()).collect()
}
