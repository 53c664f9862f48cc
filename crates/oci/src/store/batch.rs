//! What one transaction adds to the catalog.

use serde::{Deserialize, Serialize};

use crate::record::Key;
use crate::{Digest, LayerId, Reference};

/// Results that become visible together, after everything they speak of is on disk.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Results of steps.
    pub steps: Vec<NewStep>,
    /// Tags that are to name these manifests or indexes.
    pub tags: Vec<(Reference, Digest)>,
    /// Images without a tag: manifests or indexes that are to be listed.
    pub images: Vec<Digest>,
    /// Builds that began or ended.
    pub builds: Vec<NewBuild>,
    /// Repositories where blobs can be had: an image may be listed before they are here.
    pub origins: Vec<(Digest, Reference)>,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewStep {
    /// What decided that it had to run.
    pub key: Key,
    /// Its record, a blob.
    pub record: Digest,
    /// The layer that it made.
    pub layer: Option<LayerId>,
}

/// A line of the history of builds; one with the same id replaces the earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBuild {
    /// The build's name in the store, unique.
    pub id: String,
    /// The project that it was built for; empty where it stands for itself.
    #[serde(default)]
    pub project: String,
    /// What was built, in words: a path, an image of the project.
    pub name: String,
    /// When it began, seconds since 1970.
    pub started: i64,
    /// When it ended.
    pub finished: Option<i64>,
    /// How it stands.
    pub state: BuildState,
    /// The image that it made.
    pub image: Option<Digest>,
    /// Whatever else the caller keeps, JSON.
    pub detail: String,
}

/// How a build stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildState {
    /// It runs, or its process died.
    Running,
    /// It made its image.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}
