//! The live view as lines: a pure function of state, time and size. `progress` draws them.

use std::time::Duration;

use super::format;
use super::line::{Line, Tone};
use super::state::{State, Status, Step, Transfer};

/// Lines of output under each running step, as far as the terminal is high enough.
const OUTPUT_LINES: usize = 4;

/// The frame: what is going on at `now`, in at most `height` lines.
pub fn frame(state: &State, now: Duration, height: usize) -> Vec<Line> {
    let running: Vec<(&Step, Duration)> = state
        .visible()
        .filter_map(|step| match step.status {
            Status::Running(since) => Some((step, since)),
            _ => None,
        })
        .collect();
    let height = height.max(1);
    let fixed = 1 + state.transfers.len();
    // Every running step gets its line before any gets output.
    let shown = running.len().min(height.saturating_sub(fixed));
    let output = match shown {
        0 => 0,
        _ => (height.saturating_sub(fixed + shown) / shown).min(OUTPUT_LINES),
    };
    let mut lines = Vec::new();
    for (step, since) in running.iter().take(shown) {
        lines.push(running_line(state, step, now.saturating_sub(*since)));
        let partial = step.lines.rest();
        let all = step.tail.iter().chain(&partial);
        let skipped = (step.tail.len() + usize::from(partial.is_some())).saturating_sub(output);
        lines.extend(all.skip(skipped).map(|text| Line::new().left(Tone::Dim, format!("     {text}"))));
    }
    lines.extend(state.transfers.iter().map(|(what, transfer)| transfer_line(what, *transfer)));
    lines.push(status_line(state, now, running.len() - shown));
    let excess = lines.len().saturating_sub(height);
    lines.drain(..excess);
    lines
}

/// The line that stays when a step has ended; cached steps are folded and leave none.
pub fn ended(state: &State, step: &Step) -> Option<Line> {
    if !step.info.makes_layer {
        return None;
    }
    let (mark, tone, wall, written) = match step.status {
        Status::Done(wall, written) => ("✓", Tone::Good, wall, Some(written)),
        Status::Failed(wall) => ("✗", Tone::Bad, wall, None),
        _ => return None,
    };
    let line = Line::new().left(tone, format!(" {mark} ")).left(Tone::Dim, heading(state, step));
    let line = line.left(Tone::Plain, step.info.text.clone());
    let size = written.map(format::size).unwrap_or_default();
    Some(
        line.right(Tone::Dim, format!("{size:>9}"))
            .right(Tone::Plain, format!("{:>8}", format::duration(wall))),
    )
}

/// The line for all steps that were cached, if there are any.
pub fn folded(state: &State) -> Option<Line> {
    let cached = state.count(|status| status == Status::Cached);
    (cached > 0).then(|| Line::new().left(Tone::Good, " ✓ ").left(Tone::Dim, cached_text(cached)))
}

fn cached_text(cached: usize) -> String {
    format!("{} cached", format::counted(cached as u64, "step"))
}

fn running_line(state: &State, step: &Step, elapsed: Duration) -> Line {
    Line::new()
        .left(Tone::Warn, " ● ")
        .left(Tone::Bold, heading(state, step))
        .left(Tone::Plain, step.info.text.clone())
        .right(Tone::Plain, format!("{:>8}", format::duration(elapsed)))
}

fn heading(state: &State, step: &Step) -> String {
    format!("#{} {}  ", step.info.id.number(), state.heading(&step.info))
}

fn transfer_line(what: &str, transfer: Transfer) -> Line {
    let amount = match transfer.total {
        Some(total) => format!("{} of {}", format::size(transfer.done), format::size(total)),
        None => format::size(transfer.done),
    };
    let line = Line::new().left(Tone::Warn, " ↓ ").left(Tone::Plain, what).right(Tone::Dim, amount);
    line.bar(transfer.done, transfer.total.unwrap_or_default())
}

fn status_line(state: &State, now: Duration, hidden: usize) -> Line {
    let all = state.visible().count();
    let text = if all == 0 {
        format!(" {}", state.title.as_deref().unwrap_or("planning"))
    } else {
        let done = state.count(|status| matches!(status, Status::Cached | Status::Done(..)));
        let cached = state.count(|status| status == Status::Cached);
        let cached = if cached > 0 { format!(", {cached} of them cached") } else { String::new() };
        let hidden = if hidden > 0 { format!(", {hidden} more running") } else { String::new() };
        format!(" {done} of {} done{cached}{hidden}", format::counted(all as u64, "step"))
    };
    Line::new().left(Tone::Dim, text).right(Tone::Dim, format!("{:>8}", format::duration(now)))
}

#[cfg(test)]
mod tests;
