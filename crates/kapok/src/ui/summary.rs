//! The end of a build: digest, names, time, steps, the slowest, sizes.

use std::time::Duration;

use build::engine::StepId;

use super::format;
use super::state::{State, Status, Step};

/// What the summary says about the image.
pub struct Result<'a> {
    /// The image's digest.
    pub digest: &'a str,
    /// Its names.
    pub names: &'a [String],
    /// Bytes of the files in all its layers, its base's included; unknown while some of them were not needed here.
    pub size: Option<u64>,
    /// Bytes of its blobs: what a push sends.
    pub compressed: u64,
    /// The step whose layer is its largest, and the bytes of that layer's files.
    pub largest: Option<(StepId, u64)>,
}

/// Steps that the list of the slowest has.
const SLOWEST: usize = 3;
/// A step faster than this is not worth a line.
const WORTH_A_LINE: Duration = Duration::from_millis(50);

/// The summary as lines.
pub fn lines(state: &State, result: &Result<'_>, wall: Duration) -> Vec<String> {
    let run = state.count(|status| matches!(status, Status::Done(..)));
    let cached = state.count(|status| status == Status::Cached);
    let names = if result.names.is_empty() { String::new() } else { format!(" {}", result.names.join(", ")) };
    let mut lines = vec![
        format!("built{names} in {}", format::duration(wall)),
        format!("  digest   {}", result.digest),
        format!("  steps    {} run, {cached} cached", run),
    ];
    let mut slowest: Vec<(Duration, &Step)> = done(state).collect();
    slowest.retain(|(wall, _)| *wall >= WORTH_A_LINE);
    slowest.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.info.id.cmp(&b.1.info.id)));
    for (index, (wall, step)) in slowest.iter().take(SLOWEST).enumerate() {
        let title = if index == 0 { "slowest" } else { "" };
        lines.push(format!("  {title:<8} {:>8}  {}", format::duration(*wall), named(state, step)));
    }
    let largest = result
        .largest
        .and_then(|(id, written)| Some((state.visible().find(|step| step.info.id == id)?, written)));
    let compressed = format::size(result.compressed);
    lines.push(match result.size {
        Some(size) => format!("  size     {} ({compressed} compressed)", format::size(size)),
        None => format!("  size     {compressed} compressed"),
    });
    if let Some((step, written)) = largest.filter(|(_, written)| *written > 0) {
        lines.push(format!("  largest  {:>8}  {}", format::size(written), named(state, step)));
    }
    lines
}

fn done(state: &State) -> impl Iterator<Item = (Duration, &Step)> {
    state.visible().filter_map(|step| match step.status {
        Status::Done(wall, _) => Some((wall, step)),
        _ => None,
    })
}

fn named(state: &State, step: &Step) -> String {
    let text = super::text::cut(&step.info.text, 60);
    format!("#{} [{}] {text}", step.info.id.number(), state.heading(&step.info))
}
