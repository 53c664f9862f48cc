//! Shows a whole project being built: a line an image, lines with the image's name, or JSON.

pub mod live;
pub mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use build::engine::{Event, Events};

use super::line::{Line, Tone};
use super::painter::{Painter, Scene};
use super::progress::Noter;
use super::{Terminal, json, plain};
use crate::cli::build::Progress;
use state::{ImageEvent, StormState};

/// How a project's build is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Quiet,
    Plain,
    Json,
    Live,
}

/// Takes the events of all images, from all threads.
pub struct StormView {
    terminal: Terminal,
    style: Style,
    kept: Arc<Kept>,
    painter: Option<Painter>,
}

struct Kept {
    begun: Instant,
    state: Mutex<StormState>,
}

impl StormView {
    /// The view that was asked for, as far as the terminal can.
    pub fn start(terminal: Terminal, progress: Progress, quiet: bool, state: StormState) -> StormView {
        let style = match progress {
            _ if quiet => Style::Quiet,
            Progress::Auto if terminal.live => Style::Live,
            Progress::Auto | Progress::Plain => Style::Plain,
            Progress::Json => Style::Json,
        };
        let kept = Arc::new(Kept { begun: Instant::now(), state: Mutex::new(state) });
        let painter = (style == Style::Live).then(|| Painter::start(terminal, kept.clone()));
        StormView { terminal, style, kept, painter }
    }

    /// One thing happened to an image.
    pub fn image(&self, image: usize, event: &ImageEvent) {
        let mut state = self.kept.lock();
        // The time is taken under the lock, so that it never runs backwards from line to line.
        let at = self.kept.begun.elapsed();
        let completed = state.apply(at, image, event);
        match self.style {
            Style::Quiet => {}
            Style::Json => {
                let name = state.name(image);
                if let Some(line) = json::image_line(at, name, event) {
                    self.terminal.say(&(line + "\n"));
                }
            }
            Style::Plain => {
                // Written under the lock: lines stay in the order of their events.
                let lines = state::plain_lines(&state, at, image, event, &completed);
                if !lines.is_empty() {
                    self.terminal.say(&(lines.join("\n") + "\n"));
                }
            }
            Style::Live => {
                if let Some(painter) = &self.painter {
                    live::above(&state, image, event).into_iter().for_each(|line| painter.print(line));
                }
            }
        }
    }

    /// How long an image has been at work, from its first step on.
    pub fn elapsed(&self, image: usize) -> Duration {
        let now = self.kept.begun.elapsed();
        self.kept.lock().images.get(image).map_or(Duration::ZERO, |image| image.elapsed(now))
    }

    /// What one image's build tells.
    pub fn events(&self, image: usize) -> ImageEvents<'_> {
        ImageEvents { view: self, image }
    }

    /// Says something to the user without disturbing the view.
    pub fn noter(&self) -> Noter {
        if let Some(painter) = &self.painter {
            return painter.noter();
        }
        let (terminal, style, begun) = (self.terminal, self.style, self.kept.begun);
        Box::new(move |text| match style {
            Style::Quiet => {}
            Style::Json => {
                let event = Event::Warning { message: text.to_owned(), step: None };
                terminal.say(&(json::line(begun.elapsed(), &event) + "\n"));
            }
            Style::Plain | Style::Live => terminal.say(&format!("{text}\n")),
        })
    }

    /// Takes the view away and answers what was seen, and how long it took.
    pub fn finish(&self) -> (StormState, Duration) {
        if let Some(painter) = &self.painter {
            painter.finish();
        }
        (self.kept.lock().clone(), self.kept.begun.elapsed())
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, StormState> {
        // A thread that panicked elsewhere leaves a state that can still be shown.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scene for Kept {
    fn frame(&self, rows: usize) -> Vec<Line> {
        live::frame(&self.lock(), self.begun.elapsed(), rows)
    }

    fn last(&self) -> Vec<Line> {
        Vec::new()
    }
}

/// The events of one image's build.
pub struct ImageEvents<'a> {
    view: &'a StormView,
    image: usize,
}

impl Events for ImageEvents<'_> {
    fn event(&self, event: Event) {
        self.view.image(self.image, &ImageEvent::Build(event));
    }
}

/// A line above the live view.
fn note(tone: Tone, text: impl Into<String>) -> Line {
    Line::new().left(tone, text)
}

/// A warning about an image.
fn warning(name: &str, message: &str) -> String {
    match message.contains('\n') {
        true => plain::warning(message),
        false => format!("{name}: {}", plain::warning(message)),
    }
}
