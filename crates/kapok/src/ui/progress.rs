//! Shows a build's events: keeps the state, asks the pure renderers, writes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use build::engine::{Event, Events};

use super::line::{Line, Tone};
use super::painter::{Painter, Scene};
use super::quiet::Quiet;
use super::state::State;
use super::{Terminal, json, live, plain};
use crate::cli::build::Progress;

/// A way to show a build.
pub trait View: Events + Send {
    /// Takes the view away and answers what was seen. Later events are shown no more.
    fn finish(&self) -> State;

    /// Says something to the user without disturbing the view; works from any thread, as long as the process lives.
    fn noter(&self) -> Noter;
}

/// Says something to the user.
pub type Noter = Box<dyn Fn(&str) + Send>;

/// The view of a build that was asked for, as far as the terminal can.
pub fn view(terminal: Terminal, progress: Progress, quiet: bool) -> Box<dyn View> {
    view_of(terminal, progress, quiet, State::default())
}

/// The view of transfers that are no build's; `title` says what they are for: `pulling debian`.
pub fn transfers(terminal: Terminal, progress: Progress, quiet: bool, title: String) -> Box<dyn View> {
    view_of(terminal, progress, quiet, State { title: Some(title), ..State::default() })
}

fn view_of(terminal: Terminal, progress: Progress, quiet: bool, state: State) -> Box<dyn View> {
    let kept = Kept::new(state);
    match progress {
        _ if quiet => Box::new(Quiet(kept)),
        Progress::Auto if terminal.live => Box::new(Live::start(terminal, kept)),
        Progress::Auto | Progress::Plain => Box::new(Plain { terminal, kept }),
        Progress::Json => Box::new(Json { terminal, kept }),
    }
}

/// The state, shared by the threads that send events.
pub struct Kept {
    begun: Instant,
    state: Mutex<State>,
}

impl Kept {
    fn new(state: State) -> Arc<Kept> {
        Arc::new(Kept { begun: Instant::now(), state: Mutex::new(state) })
    }

    /// Takes an event over; answers the lock, the time, and the lines of output that the event completed.
    fn take(&self, event: &Event) -> (MutexGuard<'_, State>, Duration, Vec<String>) {
        let mut state = self.lock();
        // The time is taken under the lock, so that it never runs backwards from line to line.
        let at = self.begun.elapsed();
        let completed = state.apply(at, event);
        (state, at, completed)
    }

    /// Takes an event over.
    pub fn apply(&self, event: &Event) {
        drop(self.take(event));
    }

    /// A copy of the state.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked elsewhere leaves a state that can still be shown.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Plain {
    terminal: Terminal,
    kept: Arc<Kept>,
}

impl Events for Plain {
    fn event(&self, event: Event) {
        let (state, at, completed) = self.kept.take(&event);
        let lines = plain::lines(&state, at, &event, &completed);
        if !lines.is_empty() {
            // Written under the lock: lines stay in the order of their events.
            self.terminal.say(&(lines.join("\n") + "\n"));
        }
    }
}

impl View for Plain {
    fn finish(&self) -> State {
        self.kept.state()
    }

    fn noter(&self) -> Noter {
        let terminal = self.terminal;
        Box::new(move |text| terminal.say(&format!("{text}\n")))
    }
}

struct Json {
    terminal: Terminal,
    kept: Arc<Kept>,
}

impl Events for Json {
    fn event(&self, event: Event) {
        let (_state, at, _) = self.kept.take(&event);
        self.terminal.say(&(json::line(at, &event) + "\n"));
    }
}

impl View for Json {
    fn finish(&self) -> State {
        self.kept.state()
    }

    fn noter(&self) -> Noter {
        let (terminal, kept) = (self.terminal, Arc::clone(&self.kept));
        Box::new(move |text| {
            let event = Event::Warning { message: text.to_owned(), step: None };
            terminal.say(&(json::line(kept.begun.elapsed(), &event) + "\n"));
        })
    }
}

/// The live view: a thread draws, events only change what it will draw.
struct Live {
    kept: Arc<Kept>,
    painter: Painter,
}

impl Scene for Kept {
    fn frame(&self, rows: usize) -> Vec<Line> {
        let state = self.lock();
        live::frame(&state, self.begun.elapsed(), rows)
    }

    fn last(&self) -> Vec<Line> {
        live::folded(&self.lock()).into_iter().collect()
    }
}

impl Live {
    fn start(terminal: Terminal, kept: Arc<Kept>) -> Live {
        Live { painter: Painter::start(terminal, kept.clone()), kept }
    }
}

impl Events for Live {
    fn event(&self, event: Event) {
        let (state, ..) = self.kept.take(&event);
        match &event {
            Event::Finished { step, .. } | Event::Failed { step, .. } => {
                let line = state.steps.get(step).and_then(|step| live::ended(&state, step));
                line.into_iter().for_each(|line| self.painter.print(line));
            }
            Event::Warning { message, .. } => {
                for line in plain::warning(message).lines() {
                    self.painter.print(Line::new().left(Tone::Warn, line));
                }
            }
            _ => {}
        }
    }
}

impl View for Live {
    fn finish(&self) -> State {
        self.painter.finish();
        self.kept.state()
    }

    fn noter(&self) -> Noter {
        self.painter.noter()
    }
}
