//! What is said beside images: image streams, and orders of builds.

use std::sync::Arc;

use super::{ImageName, Located};
use crate::place::Place;

/// An OpenShift ImageStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageStream {
    /// Its name.
    pub name: String,
    /// Its namespace, where it is said.
    pub namespace: Option<String>,
    /// Tags that are imported, and from where.
    pub tags: Vec<StreamTag>,
    /// Where it is declared.
    pub place: Place,
}

/// A tag of an image stream's `spec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTag {
    /// The tag.
    pub tag: String,
    /// What it is; nothing where only a build writes it.
    pub from: Option<ImageName>,
    /// Where it is declared.
    pub place: Place,
}

/// An order of builds that somebody wrote down: a Tekton Pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Its tasks.
    pub tasks: Vec<PipelineTask>,
    /// Where it is declared.
    pub place: Place,
}

/// A task of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineTask {
    /// Its name.
    pub name: String,
    /// The image that it makes, where a parameter says so.
    pub image: Option<String>,
    /// Texts among its parameters that may name a build.
    pub words: Vec<String>,
    /// Builds that its script starts, by name: `oc start-build NAME`, each with the place that names it.
    pub builds: Vec<Located>,
    /// The tasks that come before, each with its place.
    pub run_after: Vec<Located>,
    /// Where it is declared.
    pub place: Place,
}

/// The builds of a goal of make, in the order in which it runs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The goal.
    pub goal: String,
    /// The Makefile.
    pub file: Arc<str>,
    /// Whether it is the goal for everything: make's default, or `all`.
    pub whole: bool,
    /// The builds.
    pub builds: Vec<SequenceBuild>,
    /// Where the goal is declared.
    pub place: Place,
}

/// A build of a [`Sequence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceBuild {
    /// The Dockerfile, from the root.
    pub dockerfile: String,
    /// What takes the place of its first FROM here, as far as that is known.
    pub from: Option<String>,
    /// The names that the result gets, as far as they are known.
    pub tags: Vec<String>,
    /// The command.
    pub place: Place,
}
