//! Draws a live view: frame over frame at the bottom of the terminal, and above them lines that stay.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::line::{Line, Tone};
use super::progress::Noter;
use super::{Terminal, text};

/// The view is drawn at most this often; between two frames events only change the state.
const FRAME: Duration = Duration::from_millis(80);

/// What is drawn.
pub trait Scene: Send + Sync + 'static {
    /// What is going on now, in at most so many lines.
    fn frame(&self, rows: usize) -> Vec<Line>;

    /// Lines that stay when the view goes.
    fn last(&self) -> Vec<Line>;
}

/// The thread that draws.
pub struct Painter {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    terminal: Terminal,
    scene: Arc<dyn Scene>,
    /// Lines to print above the frame, for good.
    above: Mutex<Vec<Line>>,
    /// Set once, at the end.
    over: Mutex<bool>,
    wake: Condvar,
}

impl Painter {
    /// Begins to draw.
    pub fn start(terminal: Terminal, scene: Arc<dyn Scene>) -> Painter {
        let shared = Arc::new(Shared {
            terminal,
            scene,
            above: Mutex::default(),
            over: Mutex::new(false),
            wake: Condvar::new(),
        });
        let painter = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("painter".into()).spawn(move || painter.paint()).ok();
        Painter { shared, thread: Mutex::new(thread) }
    }

    /// Prints a line above the frame.
    pub fn print(&self, line: Line) {
        self.shared.print(line);
    }

    /// Takes the frame away; what was printed stays.
    pub fn finish(&self) {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A painter that panicked has nothing left to draw.
            let _ = thread.join();
        }
    }

    /// Says something to the user without disturbing the view.
    pub fn noter(&self) -> Noter {
        let shared = Arc::clone(&self.shared);
        Box::new(move |text| shared.print(Line::new().left(Tone::Bold, text)))
    }
}

impl Drop for Painter {
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
        let frame = if last { Vec::new() } else { self.scene.frame(rows.saturating_sub(1)) };
        if last {
            above.extend(self.scene.last());
        }
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
