//! What a build tells while it runs. The engine sends values; only the product's terminal room turns them into text.

use std::time::Duration;

use oci::Platform;

/// Receives the events of a build, from several threads at once.
///
/// Implementations must be quick: a step's output waits for them.
pub trait Events: Sync {
    /// One thing happened.
    fn event(&self, event: Event);
}

/// The number of a step within one build, from 0 in plan order over all stages and platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl StepId {
    /// The number under which the step is shown and addressed, from 1: `#5`.
    pub fn number(self) -> u32 {
        self.0.saturating_add(1)
    }
}

/// What is known of a step before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepInfo {
    /// The step's number within the build.
    pub id: StepId,
    /// The stage's name, or its index where it has none.
    pub stage: String,
    /// Position within its stage, from 1.
    pub number: usize,
    /// Number of steps of its stage.
    pub of: usize,
    /// The instruction as written, on one line.
    pub text: String,
    /// The platform it is built for; shown where a build has several.
    pub platform: Platform,
    /// Line of the Dockerfile on which the instruction starts, from 1.
    pub line: usize,
    /// False for instructions that only change the configuration.
    pub makes_layer: bool,
}

/// One thing that happened in a build.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The plan is made: these steps will be needed.
    Planned {
        /// All steps, in plan order.
        steps: Vec<StepInfo>,
    },
    /// A step's result is computed now.
    Started {
        /// Which step.
        step: StepId,
    },
    /// A step's result was there already.
    Cached {
        /// Which step.
        step: StepId,
    },
    /// A running step wrote to its standard output or error; secrets are masked already.
    Output {
        /// Which step.
        step: StepId,
        /// The bytes as they came, not necessarily whole lines.
        bytes: Vec<u8>,
    },
    /// A step ended well.
    Finished {
        /// Which step.
        step: StepId,
        /// How long it took.
        wall: Duration,
        /// Bytes of file content in the layer that it wrote.
        written: u64,
    },
    /// A step failed; the build's error carries the details.
    Failed {
        /// Which step.
        step: StepId,
        /// How long it took.
        wall: Duration,
    },
    /// A step was not reached, because another failed or the build was cancelled.
    Cancelled {
        /// Which step.
        step: StepId,
    },
    /// Bytes of something large are on their way: a base image, an ADD source, an export.
    Transfer {
        /// What moves, in the user's words.
        what: String,
        /// Bytes moved so far.
        done: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// Something that the image must be was looked at.
    Tested {
        /// What it is called.
        name: String,
        /// Whether it holds.
        passed: bool,
        /// Whether that was known already.
        cached: bool,
        /// How long it took.
        wall: Duration,
    },
    /// Something that deserves attention and does not stop the build.
    Warning {
        /// One line.
        message: String,
        /// The step it belongs to, if any.
        step: Option<StepId>,
    },
}

/// Ignores every event; for tests and quiet builds.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn event(&self, _event: Event) {}
}
