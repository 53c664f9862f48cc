//! What is known of a running build: events in, state out. Time is given, nothing is drawn here.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use build::engine::{Event, StepId, StepInfo};

use super::format;
use super::text::{Lines, cut, squeezed};

/// Lines of a running step's output that are kept for the view.
const TAIL: usize = 8;

/// Columns of such a line that are kept; no terminal is wider.
const TAIL_COLUMNS: usize = 500;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not begun.
    Waiting,
    /// Running since this time.
    Running(Duration),
    /// Its result was there.
    Cached,
    /// Done: how long it took, and the bytes it wrote.
    Done(Duration, u64),
    /// Failed after this time.
    Failed(Duration),
    /// Not reached.
    Cancelled,
}

/// A step and what is known of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What the plan says.
    pub info: StepInfo,
    /// Where it stands.
    pub status: Status,
    /// Its last complete lines of output.
    pub tail: VecDeque<String>,
    /// The line that it is writing.
    pub lines: Lines,
}

/// Something large on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes moved.
    pub done: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// A build as seen from its events.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// All steps of the plan.
    pub steps: BTreeMap<StepId, Step>,
    /// What is on its way, by name.
    pub transfers: BTreeMap<String, Transfer>,
    /// Whether steps of several platforms are built.
    pub several_platforms: bool,
    /// What is done before there are steps, or instead: `planning`, if nobody says otherwise.
    pub title: Option<String>,
}

impl State {
    /// Takes an event over, `at` being the time since the build began. Answers the lines that it completed.
    pub fn apply(&mut self, at: Duration, event: &Event) -> Vec<String> {
        match event {
            Event::Planned { steps } => self.plan(steps),
            Event::Started { step } => self.set(*step, Status::Running(at)),
            Event::Cached { step } => self.set(*step, Status::Cached),
            Event::Finished { step, wall, written } => {
                self.set(*step, Status::Done(*wall, *written));
                return self.end_output(*step);
            }
            Event::Failed { step, wall } => {
                self.set(*step, Status::Failed(*wall));
                return self.end_output(*step);
            }
            Event::Cancelled { step } => self.set(*step, Status::Cancelled),
            Event::Output { step, bytes } => return self.output(*step, bytes),
            Event::Transfer { what, done, total } => return self.transfer(what, *done, *total),
            Event::Tested { .. } | Event::Warning { .. } => {}
        }
        Vec::new()
    }

    /// Steps that make a layer, and so are worth a line.
    pub fn visible(&self) -> impl Iterator<Item = &Step> {
        self.steps.values().filter(|step| step.info.makes_layer)
    }

    /// How many visible steps stand so.
    pub fn count(&self, holds: impl Fn(Status) -> bool) -> usize {
        self.visible().filter(|step| holds(step.status)).count()
    }

    /// The heading of a step: `builder 2/4`, with the platform where there are several.
    pub fn heading(&self, info: &StepInfo) -> String {
        let platform = if self.several_platforms { format!("{} ", info.platform) } else { String::new() };
        format!("{platform}{} {}/{}", info.stage, info.number, info.of)
    }

    fn plan(&mut self, steps: &[StepInfo]) {
        for info in steps {
            let step = Step {
                info: StepInfo { text: squeezed(&info.text), ..info.clone() },
                status: Status::Waiting,
                tail: VecDeque::new(),
                lines: Lines::default(),
            };
            self.steps.insert(info.id, step);
        }
        let mut platforms = self.steps.values().map(|step| &step.info.platform);
        let first = platforms.next().cloned();
        self.several_platforms = platforms.any(|platform| Some(platform) != first.as_ref());
    }

    fn set(&mut self, id: StepId, status: Status) {
        if let Some(step) = self.steps.get_mut(&id) {
            step.status = status;
        }
    }

    fn output(&mut self, id: StepId, bytes: &[u8]) -> Vec<String> {
        let Some(step) = self.steps.get_mut(&id) else { return Vec::new() };
        let lines = step.lines.take(bytes);
        step.keep(&lines);
        lines
    }

    fn end_output(&mut self, id: StepId) -> Vec<String> {
        let Some(step) = self.steps.get_mut(&id) else { return Vec::new() };
        step.tail.clear();
        step.lines.finish().into_iter().collect()
    }

    /// A transfer that was under way and has come to its end completes a line.
    fn transfer(&mut self, what: &str, done: u64, total: Option<u64>) -> Vec<String> {
        if total.is_some_and(|total| done >= total) {
            let ended = self.transfers.remove(what);
            return ended.map(|_| format!("{what}: {}", format::size(done))).into_iter().collect();
        }
        self.transfers.insert(what.to_owned(), Transfer { done, total });
        Vec::new()
    }
}

impl Step {
    fn keep(&mut self, lines: &[String]) {
        for line in lines.iter().filter(|line| !line.trim().is_empty()) {
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(cut(line, TAIL_COLUMNS));
        }
    }
}
