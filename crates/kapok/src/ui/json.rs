//! Progress as JSON, one object a line; [`Line`] is the documented form.

use std::time::Duration;

use build::engine::{Event, StepInfo};
use serde::Serialize;

use super::state::number;

/// One line of `--progress json`. Fields are only ever added.
#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since the build began.
    at_ms: u128,
    /// What happened.
    #[serde(flatten)]
    what: What<'a>,
}

/// What happened; `event` names it. Steps have the numbers that `kapok logs IMAGE#STEP` takes.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum What<'a> {
    Planned { steps: Vec<Step<'a>> },
    Started { step: u32 },
    Cached { step: u32 },
    Output { step: u32, text: String },
    Finished { step: u32, wall_ms: u128, written: u64 },
    Failed { step: u32, wall_ms: u128 },
    Cancelled { step: u32 },
    Transfer { what: &'a str, done: u64, total: Option<u64> },
    Warning { message: &'a str, step: Option<u32> },
}

#[derive(Serialize)]
struct Step<'a> {
    step: u32,
    stage: &'a str,
    number: usize,
    of: usize,
    text: &'a str,
    platform: String,
    line: usize,
    makes_layer: bool,
}

impl<'a> From<&'a StepInfo> for Step<'a> {
    fn from(info: &'a StepInfo) -> Step<'a> {
        Step {
            step: number(info.id),
            stage: &info.stage,
            number: info.number,
            of: info.of,
            text: &info.text,
            platform: info.platform.to_string(),
            line: info.line,
            makes_layer: info.makes_layer,
        }
    }
}

/// An event as its line, without the line end.
pub fn line(at: Duration, event: &Event) -> String {
    let what = match event {
        Event::Planned { steps } => What::Planned { steps: steps.iter().map(Step::from).collect() },
        Event::Started { step } => What::Started { step: number(*step) },
        Event::Cached { step } => What::Cached { step: number(*step) },
        Event::Output { step, bytes } => {
            What::Output { step: number(*step), text: String::from_utf8_lossy(bytes).into_owned() }
        }
        Event::Finished { step, wall, written } => {
            What::Finished { step: number(*step), wall_ms: wall.as_millis(), written: *written }
        }
        Event::Failed { step, wall } => What::Failed { step: number(*step), wall_ms: wall.as_millis() },
        Event::Cancelled { step } => What::Cancelled { step: number(*step) },
        Event::Transfer { what, done, total } => What::Transfer { what, done: *done, total: *total },
        Event::Warning { message, step } => What::Warning { message, step: step.map(number) },
    };
    // Only maps with keys that are no text can fail to serialise, and there are none.
    serde_json::to_string(&Line { at_ms: at.as_millis(), what }).unwrap_or_default()
}
