//! What is known of a project's images while they are built: events in, state out. Time is given, nothing is drawn here.

use std::time::Duration;

use build::engine::{Event, Reason, State as Standing};

use crate::ui::state::State;
use crate::ui::{format, plain};

/// One thing that happened to an image.
#[derive(Clone, Debug)]
pub enum ImageEvent {
    /// Its build tells.
    Build(Event),
    /// Somebody takes care of it.
    Pending,
    /// It failed in a way that may pass, and is tried again after a pause.
    Again {
        /// What happened.
        reason: Reason,
        /// In words.
        message: String,
        /// The tries so far.
        attempt: u32,
        /// How long it waits.
        pause: Duration,
    },
    /// Nothing more will happen.
    Ended {
        /// How it stands.
        state: Standing,
        /// Why it is not complete.
        reason: Option<Reason>,
        /// In words, in one line; why it ran, where it is complete.
        message: String,
        /// Its digest, where it is complete.
        digest: Option<String>,
    },
}

/// A project's images.
#[derive(Clone, Debug, Default)]
pub struct StormState {
    /// In the order in which they are shown.
    pub images: Vec<ImageState>,
    /// How long all of it is expected to take; nothing where nobody knows.
    pub expected: Option<Duration>,
}

/// An image, as far as its build has come.
#[derive(Clone, Debug)]
pub struct ImageState {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// Why it is not complete.
    pub reason: Option<Reason>,
    /// What there is to say at its end.
    pub message: String,
    /// How long it took last time.
    pub expected: Option<Duration>,
    /// Its steps.
    pub steps: State,
    /// When its first step began.
    pub begun: Option<Duration>,
    /// When it ended.
    pub ended: Option<Duration>,
    /// The try that it is at, from 1.
    pub attempt: u32,
}

impl ImageState {
    /// An image that nobody has looked at.
    pub fn new(name: &str, expected: Option<Duration>) -> ImageState {
        ImageState {
            name: name.to_owned(),
            standing: Standing::New,
            reason: None,
            message: String::new(),
            expected,
            steps: State::default(),
            begun: None,
            ended: None,
            attempt: 1,
        }
    }

    /// How long it has been at work.
    pub fn elapsed(&self, now: Duration) -> Duration {
        match (self.begun, self.ended) {
            (Some(begun), Some(ended)) => ended.saturating_sub(begun),
            (Some(begun), None) => now.saturating_sub(begun),
            (None, _) => Duration::ZERO,
        }
    }
}

impl StormState {
    /// An image's name.
    pub fn name(&self, image: usize) -> &str {
        self.images.get(image).map_or("", |image| image.name.as_str())
    }

    /// Takes an event over, `at` being the time since the beginning. Answers the lines of output that it completed.
    pub fn apply(&mut self, at: Duration, image: usize, event: &ImageEvent) -> Vec<String> {
        let Some(image) = self.images.get_mut(image) else { return Vec::new() };
        match event {
            ImageEvent::Pending => image.standing = Standing::Pending,
            ImageEvent::Again { reason, attempt, .. } => {
                image.standing = Standing::Pending;
                image.reason = Some(*reason);
                image.attempt = attempt + 1;
            }
            ImageEvent::Ended { state, reason, message, .. } => {
                image.standing = *state;
                image.reason = *reason;
                image.message.clone_from(message);
                image.ended = Some(at);
            }
            ImageEvent::Build(event) => {
                if let Event::Planned { .. } = event {
                    image.steps = State::default();
                }
                let begins = matches!(
                    event,
                    Event::Started { .. }
                        | Event::Cached { .. }
                        | Event::Transfer { .. }
                        | Event::Tested { .. }
                );
                if begins && !image.standing.is_final() {
                    image.standing = Standing::Running;
                    image.begun.get_or_insert(at);
                }
                return image.steps.apply(at, event);
            }
        }
        Vec::new()
    }

    /// How many images stand so.
    pub fn count(&self, holds: impl Fn(Standing) -> bool) -> usize {
        self.images.iter().filter(|image| holds(image.standing)).count()
    }
}

/// The lines that an event adds to a log, each with the image's name.
pub fn plain_lines(
    state: &StormState,
    at: Duration,
    image: usize,
    event: &ImageEvent,
    completed: &[String],
) -> Vec<String> {
    let Some(image) = state.images.get(image) else { return Vec::new() };
    let name = &image.name;
    match event {
        ImageEvent::Pending => Vec::new(),
        ImageEvent::Build(Event::Warning { message, step: None }) => vec![super::warning(name, message)],
        ImageEvent::Build(event) => {
            let lines = plain::lines(&image.steps, at, event, completed);
            lines.into_iter().map(|line| format!("{name} {line}")).collect()
        }
        ImageEvent::Again { reason, message, attempt, pause } => {
            vec![format!("{name} {}", again(*reason, message, *attempt, *pause))]
        }
        ImageEvent::Ended { state, .. } => {
            let mut line = format!("{name} {state}");
            match image.reason {
                Some(reason) if image.message.is_empty() => line += &format!(" ({reason})"),
                Some(reason) => line += &format!(" ({reason}): {}", image.message),
                None => line += &format!(" in {}", format::duration(image.elapsed(at))),
            }
            vec![line]
        }
    }
}

/// What is said before another try.
pub fn again(reason: Reason, message: &str, attempt: u32, pause: Duration) -> String {
    format!("{reason}: {message}; try {} in {}", attempt + 1, format::duration(pause))
}
