//! The live view of a project: a line an image, and one for all of it. A pure function of state, time and size.

use std::time::Duration;

use build::engine::{Event, State as Standing};

use super::state::{ImageEvent, ImageState, StormState, again};
use super::{note, warning};
use crate::ui::format;
use crate::ui::line::{Line, Tone};
use crate::ui::state::{Status, Step};
use crate::ui::text::{cut, width};

/// Columns that names get at most; the longest of real projects have more.
const NAME: usize = 28;

/// The frame: what is going on at `now`, in at most `rows` lines. Where there are more images than lines, those that run come
/// first, then those that failed, that wait, that are done.
pub fn frame(state: &StormState, now: Duration, rows: usize) -> Vec<Line> {
    let room = rows.saturating_sub(1);
    let mut shown: Vec<usize> = (0..state.images.len()).collect();
    if shown.len() > room {
        shown.sort_by_key(|image| urgency(state.images[*image].standing));
        shown.truncate(room.saturating_sub(1));
        shown.sort_unstable();
    }
    let column = state.images.iter().map(|image| width(&image.name)).max().unwrap_or(0).min(NAME);
    let mut lines: Vec<Line> =
        shown.iter().map(|image| image_line(&state.images[*image], now, column)).collect();
    let hidden = state.images.len() - shown.len();
    if hidden > 0 && room > 0 {
        lines.push(Line::new().left(Tone::Dim, format!("   and {hidden} more")));
    }
    lines.push(status_line(state, now));
    let excess = lines.len().saturating_sub(rows.max(1));
    lines.drain(..excess);
    lines
}

/// Lines that stay above the frame.
pub fn above(state: &StormState, image: usize, event: &ImageEvent) -> Vec<Line> {
    let Some(image) = state.images.get(image) else { return Vec::new() };
    match event {
        ImageEvent::Build(Event::Warning { message, .. }) => {
            warning(&image.name, message).lines().map(|line| note(Tone::Warn, line)).collect()
        }
        ImageEvent::Again { reason, message, attempt, pause } => {
            vec![note(Tone::Warn, format!("{}: {}", image.name, again(*reason, message, *attempt, *pause)))]
        }
        _ => Vec::new(),
    }
}

fn urgency(standing: Standing) -> u8 {
    match standing {
        Standing::Running => 0,
        Standing::Failed | Standing::Error => 1,
        Standing::Pending => 2,
        Standing::Cancelled => 3,
        Standing::New => 4,
        Standing::Complete => 5,
    }
}

fn image_line(image: &ImageState, now: Duration, column: usize) -> Line {
    let (mark, tone) = match image.standing {
        Standing::New => ("·", Tone::Dim),
        Standing::Pending => ("·", Tone::Plain),
        Standing::Running => ("●", Tone::Warn),
        Standing::Complete => ("✓", Tone::Good),
        Standing::Failed | Standing::Error => ("✗", Tone::Bad),
        Standing::Cancelled => ("–", Tone::Dim),
    };
    let name = cut(&image.name, column);
    let name = format!("{name}{}  ", " ".repeat(column.saturating_sub(width(&name))));
    let quiet = matches!(image.standing, Standing::New | Standing::Pending | Standing::Cancelled);
    let line = Line::new()
        .left(tone, format!(" {mark} "))
        .left(if quiet { Tone::Dim } else { Tone::Bold }, name)
        .left(Tone::Plain, format!("{:<9}  ", image.standing.name()))
        .left(Tone::Dim, doing(image));
    let time = match image.standing {
        Standing::New | Standing::Pending => String::new(),
        _ if image.begun.is_none() => String::new(),
        _ => format::duration(image.elapsed(now)),
    };
    let time = format!("{time:>7}");
    match image.expected.filter(|_| !image.standing.is_final()) {
        Some(expected) => {
            line.right(Tone::Plain, time).right(Tone::Dim, format!(" of {:>6}", format::duration(expected)))
        }
        None => line.right(Tone::Plain, time).right(Tone::Dim, " ".repeat(10)),
    }
}

/// What an image is at.
fn doing(image: &ImageState) -> String {
    if let Some(reason) = image.reason {
        let again = if image.attempt > 1 && !image.standing.is_final() {
            format!("try {} after ", image.attempt)
        } else {
            String::new()
        };
        return format!("{again}{reason}");
    }
    let steps = &image.steps;
    let all = steps.visible().count();
    let done = steps.count(|status| matches!(status, Status::Cached | Status::Done(..)));
    let cached = steps.count(|status| status == Status::Cached);
    match image.standing {
        Standing::Complete if all == cached => "nothing changed".to_owned(),
        Standing::Complete => format!("{} run, {cached} cached", all - cached),
        Standing::Running => {
            let mut running = steps.visible().filter(|step| matches!(step.status, Status::Running(_)));
            match running.next() {
                Some(Step { info, .. }) => format!("{}/{all} {}", done + 1, info.text),
                None if done == all && all > 0 => format!("{done}/{all} finishing"),
                None => match steps.transfers.keys().next() {
                    Some(what) => format!("{done}/{all} fetching {what}"),
                    None => format!("{done}/{all}"),
                },
            }
        }
        _ => String::new(),
    }
}

fn status_line(state: &StormState, now: Duration) -> Line {
    let ended = state.count(Standing::is_final);
    let failed = state.count(|standing| matches!(standing, Standing::Failed | Standing::Error));
    let running = state.count(|standing| standing == Standing::Running);
    let mut text = format!(" {ended} of {}", format::counted(state.images.len() as u64, "image"));
    if running > 0 {
        text += &format!(", {running} running");
    }
    if failed > 0 {
        text += &format!(", {failed} failed");
    }
    let (done, total) = progress(state, now);
    let line = Line::new().left(Tone::Dim, text).bar(done, total);
    let time = format!("{:>7}", format::duration(now));
    match state.expected {
        Some(expected) => {
            line.right(Tone::Plain, time).right(Tone::Dim, format!(" of {:>6}", format::duration(expected)))
        }
        None => line.right(Tone::Plain, time).right(Tone::Dim, " ".repeat(10)),
    }
}

/// How much of the work is done, by the time that each image is expected to take; an image without one counts as the
/// others do on average.
fn progress(state: &StormState, now: Duration) -> (u64, u64) {
    let known: Vec<u64> =
        state.images.iter().filter_map(|image| Some(image.expected?.as_millis() as u64)).collect();
    let usual = known.iter().sum::<u64>().checked_div(known.len() as u64).unwrap_or(1000).max(1);
    let (mut done, mut total) = (0, 0);
    for image in &state.images {
        let expected = image.expected.map_or(usual, |time| time.as_millis() as u64).max(1);
        total += expected;
        done += match image.standing {
            standing if standing.is_final() => expected,
            // What runs longer than expected is never quite done.
            Standing::Running => (image.elapsed(now).as_millis() as u64).min(expected * 9 / 10),
            _ => 0,
        };
    }
    (done, total)
}
