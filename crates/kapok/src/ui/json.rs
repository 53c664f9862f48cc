//! Progress as JSON, one object a line; [`Line`] is the documented form.

use std::time::Duration;

use build::engine::{Event, Reason, State, StepId, StepInfo};
use serde::Serialize;

use super::storm::state::ImageEvent;

use crate::exit::Exit;

/// One line of `--progress json`. Fields are only ever added.
#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since the build began.
    at_ms: u128,
    /// The image of a project that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    /// What happened.
    #[serde(flatten)]
    what: What<'a>,
}

/// What happened; `event` names it. Steps have the numbers that `kapok logs IMAGE#STEP` takes.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum What<'a> {
    Planned {
        steps: Vec<Step<'a>>,
    },
    Started {
        step: u32,
    },
    Cached {
        step: u32,
    },
    Output {
        step: u32,
        text: String,
    },
    Finished {
        step: u32,
        wall_ms: u128,
        written: u64,
    },
    Failed {
        step: u32,
        wall_ms: u128,
    },
    Cancelled {
        step: u32,
    },
    Tested {
        test: &'a str,
        passed: bool,
        cached: bool,
        wall_ms: u128,
    },
    Transfer {
        what: &'a str,
        done: u64,
        total: Option<u64>,
    },
    Warning {
        message: &'a str,
        step: Option<u32>,
    },
    State {
        state: &'static str,
        reason: Option<&'static str>,
        message: Option<&'a str>,
        digest: Option<&'a str>,
    },
    Again {
        reason: &'static str,
        message: &'a str,
        attempt: u32,
        pause_ms: u128,
    },
    Built {
        digest: &'a str,
        names: &'a [String],
        size: Option<u64>,
    },
    Pulled {
        name: &'a str,
        digest: &'a str,
        fetched: u64,
    },
    Pushed {
        name: &'a str,
        digest: &'a str,
        sent: u64,
    },
    Copied {
        name: &'a str,
        digest: &'a str,
    },
    Error {
        message: &'a str,
        exit: u8,
    },
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
            step: info.id.number(),
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

/// The events with their fields, for the reference.
const EVENTS: &[(&str, &str, &str)] = &[
    (
        "planned",
        "`steps`: a list of `step`, `stage`, `number`, `of`, `text`, `platform`, `line`, `makes_layer`",
        "the plan is made",
    ),
    ("started", "`step`", "a step begins"),
    ("cached", "`step`", "its result was there"),
    ("output", "`step`, `text`", "it wrote to its output, not necessarily whole lines; secrets are masked"),
    ("finished", "`step`, `wall_ms`, `written`", "it ended well and wrote so many bytes"),
    ("failed", "`step`, `wall_ms`", "it failed"),
    ("cancelled", "`step`", "it was not reached"),
    (
        "tested",
        "`test`, `passed`, `cached`, `wall_ms`",
        "a test of the image passed or failed, now or in an earlier build",
    ),
    ("transfer", "`what`, `done`, `total` or null", "bytes are on their way"),
    ("warning", "`message`, `step` or null", "something deserves attention"),
    (
        "state",
        "`state`, `reason`, `message` and `digest`, or null",
        "an image of a project stands otherwise; `reason` says why it is not complete",
    ),
    (
        "again",
        "`reason`, `message`, `attempt`, `pause_ms`",
        "an image of a project failed in a way that may pass, and is tried again after a pause",
    ),
    (
        "built",
        "`digest`, `names`, `size` in bytes of files, or null",
        "the last line of a build that ended well",
    ),
    ("pulled", "`name`, `digest`, `fetched` in bytes", "`kapok pull` has an image"),
    ("pushed", "`name`, `digest`, `sent` in bytes", "`kapok push` has sent one"),
    ("copied", "`name`, `digest`", "`kapok copy` has copied one"),
    ("error", "`message`, `exit`", "the last line of any other; `exit` is the exit code"),
];

/// The reference's section on `--progress json`.
pub fn markdown() -> String {
    let mut page = String::from(
        "## Progress events\n\nWith `--progress json`, `kapok build`, `base`, `pull`, `push` and `copy` write one JSON object a line \
         to standard error, each with `at_ms` (milliseconds since they began) and `event`; in the build of a project also with `image`, its name. Fields are only \
         ever added.\n\n| event | fields | |\n|---|---|---|\n",
    );
    for (event, fields, meaning) in EVENTS {
        page += &format!("| `{event}` | {fields} | {meaning} |\n");
    }
    page.push('\n');
    page
}

/// An event as its line, without the line end.
pub fn line(at: Duration, event: &Event) -> String {
    write(at, what(event))
}

/// What happened to an image of a project, as its line; nothing for what is in the line before.
pub fn image_line(at: Duration, name: &str, event: &ImageEvent) -> Option<String> {
    let what = match event {
        ImageEvent::Build(event) => what(event),
        ImageEvent::Pending => {
            What::State { state: State::Pending.name(), reason: None, message: None, digest: None }
        }
        ImageEvent::Again { reason, message, attempt, pause } => {
            What::Again { reason: reason.name(), message, attempt: *attempt, pause_ms: pause.as_millis() }
        }
        ImageEvent::Ended { state, reason, message, digest } => What::State {
            state: state.name(),
            reason: reason.map(Reason::name),
            message: (!message.is_empty()).then_some(message),
            digest: digest.as_deref(),
        },
    };
    serde_json::to_string(&Line { at_ms: at.as_millis(), image: Some(name), what }).ok()
}

fn what(event: &Event) -> What<'_> {
    match event {
        Event::Planned { steps } => What::Planned { steps: steps.iter().map(Step::from).collect() },
        Event::Started { step } => What::Started { step: step.number() },
        Event::Cached { step } => What::Cached { step: step.number() },
        Event::Output { step, bytes } => {
            What::Output { step: step.number(), text: String::from_utf8_lossy(bytes).into_owned() }
        }
        Event::Finished { step, wall, written } => {
            What::Finished { step: step.number(), wall_ms: wall.as_millis(), written: *written }
        }
        Event::Failed { step, wall } => What::Failed { step: step.number(), wall_ms: wall.as_millis() },
        Event::Cancelled { step } => What::Cancelled { step: step.number() },
        Event::Tested { name, passed, cached, wall } => {
            What::Tested { test: name, passed: *passed, cached: *cached, wall_ms: wall.as_millis() }
        }
        Event::Transfer { what, done, total } => What::Transfer { what, done: *done, total: *total },
        Event::Warning { message, step } => What::Warning { message, step: step.map(StepId::number) },
    }
}

/// The last line of a build that ended well.
pub fn built(at: Duration, digest: &str, names: &[String], size: Option<u64>) -> String {
    write(at, What::Built { digest, names, size })
}

/// An image is in the store.
pub fn pulled(at: Duration, name: &str, digest: &str, fetched: u64) -> String {
    write(at, What::Pulled { name, digest, fetched })
}

/// An image is in a registry.
pub fn pushed(at: Duration, name: &str, digest: &str, sent: u64) -> String {
    write(at, What::Pushed { name, digest, sent })
}

/// An image is at another place too.
pub fn copied(at: Duration, name: &str, digest: &str) -> String {
    write(at, What::Copied { name, digest })
}

/// The last line of whatever did not.
pub fn error(at: Duration, message: &str, exit: Exit) -> String {
    write(at, What::Error { message: message.trim_end(), exit: exit.code() })
}

fn write(at: Duration, what: What<'_>) -> String {
    // Only maps with keys that are no text can fail to serialise, and there are none.
    serde_json::to_string(&Line { at_ms: at.as_millis(), image: None, what }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_documented() {
        let step = StepId(0);
        let events = [
            Event::Planned { steps: Vec::new() },
            Event::Started { step },
            Event::Cached { step },
            Event::Output { step, bytes: Vec::new() },
            Event::Finished { step, wall: Duration::ZERO, written: 0 },
            Event::Failed { step, wall: Duration::ZERO },
            Event::Cancelled { step },
            Event::Tested { name: String::new(), passed: true, cached: false, wall: Duration::ZERO },
            Event::Transfer { what: String::new(), done: 0, total: None },
            Event::Warning { message: String::new(), step: None },
        ];
        let at = Duration::ZERO;
        let ended = ImageEvent::Ended {
            state: State::Failed,
            reason: Some(Reason::TestFailed),
            message: "x".to_owned(),
            digest: None,
        };
        let again = ImageEvent::Again {
            reason: Reason::FetchSourceFailed,
            message: String::new(),
            attempt: 1,
            pause: Duration::ZERO,
        };
        let image = |event| image_line(at, "app", event).expect("a line").replace("\"image\":\"app\",", "");
        let ends = [
            image(&ended),
            image(&again),
            built(at, "", &[], None),
            pulled(at, "", "", 0),
            pushed(at, "", "", 0),
            copied(at, "", ""),
            error(at, "", Exit::Usage),
        ];
        assert_eq!(events.len() + ends.len(), EVENTS.len());
        let lines = events.iter().map(|event| line(at, event)).chain(ends);
        for (line, (name, fields, _)) in lines.zip(EVENTS) {
            let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(value["event"], *name);
            let object = value.as_object().expect("an object");
            for field in object.keys().filter(|field| !matches!(field.as_str(), "event" | "at_ms")) {
                assert!(fields.contains(&format!("`{field}`")), "`{name}` does not document `{field}`");
            }
        }
    }
}
