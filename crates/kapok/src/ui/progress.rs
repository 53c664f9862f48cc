//! Shows a build's events: keeps the state, asks the pure renderers, writes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use build::engine::{Event, Events};

use super::line::{Line, Tone};
use super::quiet::Quiet;
use super::state::State;
use super::{Terminal, json, live, plain, text};
use crate::cli::build::Progress;

/// The live view is drawn at most this often; between two frames events only change the state.
const FRAME: Duration = Duration::from_millis(80);

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
    shared: Arc<Shared>,
    painter: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    terminal: Terminal,
    kept: Arc<Kept>,
    /// Lines to print above the frame, for good.
    above: Mutex<Vec<Line>>,
    /// Set once, at the end.
    over: Mutex<bool>,
    wake: Condvar,
}

impl Live {
    fn start(terminal: Terminal, kept: Arc<Kept>) -> Live {
        let shared = Arc::new(Shared {
            terminal,
            kept,
            above: Mutex::default(),
            over: Mutex::new(false),
            wake: Condvar::new(),
        });
        let painter = Arc::clone(&shared);
        let painter = std::thread::Builder::new().name("painter".into()).spawn(move || painter.paint()).ok();
        Live { shared, painter: Mutex::new(painter) }
    }
}

impl Events for Live {
    fn event(&self, event: Event) {
        let (state, ..) = self.shared.kept.take(&event);
        match &event {
            Event::Finished { step, .. } | Event::Failed { step, .. } => {
                let line = state.steps.get(step).and_then(|step| live::ended(&state, step));
                line.into_iter().for_each(|line| self.shared.print(line));
            }
            Event::Warning { message, .. } => {
                for line in plain::warning(message).lines() {
                    self.shared.print(Line::new().left(Tone::Warn, line));
                }
            }
            _ => {}
        }
    }
}

impl View for Live {
    fn finish(&self) -> State {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(painter) = self.painter.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A painter that panicked has nothing left to draw.
            let _ = painter.join();
        }
        self.shared.kept.state()
    }

    fn noter(&self) -> Noter {
        let shared = Arc::clone(&self.shared);
        Box::new(move |text| shared.print(Line::new().left(Tone::Bold, text)))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn print(&self, line: Line) {
        self.above.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Draws frame after frame until the end. Nothing of the terminal is changed that would have to be restored, so a
    /// process that is killed leaves a usable terminal.
    fn paint(&self) {
        let mut drawn: Vec<usize> = Vec::new();
        loop {
            let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
            let (over, _) = self
                .wake
                .wait_timeout_while(over, FRAME, |over| !*over)
                .unwrap_or_else(PoisonError::into_inner);
            let last = *over;
            drop(over);
            drawn = self.draw(&drawn, last);
            if last {
                return;
            }
        }
    }

    /// Draws over a frame whose lines had these widths; answers those of the new one.
    fn draw(&self, drawn: &[usize], last: bool) -> Vec<usize> {
        let (columns, rows) = self.terminal.size();
        let mut above = std::mem::take(&mut *self.above.lock().unwrap_or_else(PoisonError::into_inner));
        let state = self.kept.lock();
        let now = self.kept.begun.elapsed();
        let frame = if last { Vec::new() } else { live::frame(&state, now, rows.saturating_sub(1)) };
        if last {
            above.extend(live::folded(&state));
        }
        drop(state);
        let fitted = |lines: &[Line]| -> Vec<String> {
            // One column stays free: a cursor behind the last column wraps on some terminals.
            lines.iter().map(|line| line.fit(columns.saturating_sub(1), self.terminal.colour)).collect()
        };
        let (above, frame) = (fitted(&above), fitted(&frame));
        self.terminal.say(&redraw(drawn, columns, &above, &frame));
        frame.iter().map(|line| text::width(&text::readable(line.as_bytes()))).collect()
    }
}

/// The bytes that replace a frame. Lines are overwritten and cleared behind their end, so that nothing flickers; the
/// whole is marked as one update for terminals that know that (mode 2026).
fn redraw(drawn: &[usize], columns: usize, above: &[String], frame: &[String]) -> String {
    // A line that was wider than the terminal is now has been wrapped by it.
    let up: usize = drawn.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
    let mut out = String::from("\u{1b}[?2026h");
    if up > 0 {
        out += &format!("\r\u{1b}[{up}A");
    }
    for line in above.iter().chain(frame) {
        out += line;
        out += "\u{1b}[K\n";
    }
    out + "\u{1b}[J\u{1b}[?2026l"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_replaced_in_place() {
        let text = redraw(&[10, 30], 20, &["done".into()], &["running".into()]);
        assert_eq!(text, "\u{1b}[?2026h\r\u{1b}[3Adone\u{1b}[K\nrunning\u{1b}[K\n\u{1b}[J\u{1b}[?2026l");
    }

    #[test]
    fn the_first_frame_moves_nothing() {
        assert!(!redraw(&[], 80, &[], &["x".into()]).contains("\u{1b}[0A"));
    }
}
