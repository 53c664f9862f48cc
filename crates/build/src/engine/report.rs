//! What a build leaves in the store's history: enough for `logs`, `shell` and `explain` to find every step again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci::record::Key;
use oci::{Digest, LayerId, Platform};
use serde::{Deserialize, Serialize};

use super::StepId;

/// The steps of a build, in plan order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// All of them, also those that were not reached.
    pub steps: Vec<StepReport>,
    /// What was overruled by those who wanted the image all the same; nothing where nobody overruled anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overruled: Option<Overruled>,
}

/// That somebody built without minding the standards (`--no-check`), and what they had to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overruled {
    /// Errors of the check, each with its rule and place, in one line.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its number in the build.
    pub id: StepId,
    /// Its stage.
    pub stage: String,
    /// What it was built for.
    pub platform: Platform,
    /// Position in its stage, from 1.
    pub number: usize,
    /// How many its stage has.
    pub of: usize,
    /// The instruction, on one line.
    pub text: String,
    /// What became of it.
    pub state: StepState,
    /// Its key, where it got so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Its record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Digest>,
    /// The snapshot below it, bottom first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<LayerId>,
    /// The layer that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerId>,
    /// Bytes of its layer's files.
    #[serde(default)]
    pub written: u64,
    /// Milliseconds that it took in this build; a hit takes none.
    #[serde(default)]
    pub wall_ms: u64,
    /// The file with its output, while the build's logs are kept; the record keeps a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// What its key is made of, of a step that is due.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// How a shell would be started there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunPlace>,
}

/// Where a RUN takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlace {
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub cwd: String,
    /// The user as written.
    pub user: String,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// It only changes the configuration.
    Metadata,
    /// Its result was there already.
    Cached,
    /// It ran.
    Ran,
    /// It would run: nothing was to be run, only found out.
    Due,
    /// It failed.
    Failed,
    /// Another one failed, or somebody stopped the build.
    Cancelled,
}

impl BuildReport {
    /// The first step that failed.
    pub fn failed(&self) -> Option<&StepReport> {
        self.steps.iter().find(|step| step.state == StepState::Failed)
    }

    /// How many steps ran, and how many had their result already.
    pub fn counts(&self) -> (usize, usize) {
        let count = |state| self.steps.iter().filter(|step| step.state == state).count();
        (count(StepState::Ran), count(StepState::Cached))
    }
}
