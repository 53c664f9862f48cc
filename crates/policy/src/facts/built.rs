//! What a build made: what its steps fetched, and what the image holds.
//!
//! [`Seen`] is what whoever builds writes down of an image, by the numbers of stages and steps; with the places of these it
//! becomes a [`BuiltImage`]. The same image gives the same `Seen`, wherever its Dockerfile's lines are by now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use dockerfile::Span;
use oci::record::Intake;
use serde::{Deserialize, Serialize};

use super::{Known, SourceId};
use crate::finding::Place;

pub use super::base_image::{BaseImage, Ubi};
pub use super::inside::{Installed, Os, Tree, languages, os};

/// What is seen of an image of one platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seen {
    /// Its steps that fetched something, or may have.
    pub steps: Vec<SeenStep>,
    /// Its stages.
    pub stages: Vec<SeenStage>,
    /// Its trust stores; nothing where its files are not here, or no certificates were named that should be in them.
    pub trust: Option<Vec<TrustStore>>,
}

/// What is seen of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeenStep {
    /// Its number among all steps of the build, from 0.
    pub step: usize,
    /// Whether what it wrote is in the image.
    pub shipped: bool,
    /// What it fetched.
    pub intakes: Vec<Intake>,
    /// Which of these are files of the image as they came, by position.
    pub held: BTreeSet<usize>,
    /// What it used that nobody observed.
    pub unobserved: Vec<String>,
}

/// What is seen of a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeenStage {
    /// Its number in the Dockerfile, from 0.
    pub stage: usize,
    /// Whether its files are in the image.
    pub shipped: bool,
    /// The languages in it; nothing where its files are not here.
    pub languages: Option<Vec<Installed>>,
    /// The image that it starts from, where that comes from outside: its name, and what is known of it.
    pub base: Option<(String, BaseImage)>,
}

/// A trust store of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustStore {
    /// Where it is.
    pub path: String,
    /// How many of the organisation's certificates it lacks; nothing where it cannot be read.
    pub lacks: Option<usize>,
}

/// The places of a build in its Dockerfile.
#[derive(Clone, Debug)]
pub struct Places {
    /// The Dockerfile.
    pub source: SourceId,
    /// Its steps, in the order of the build.
    pub steps: Vec<Span>,
    /// What its stages start from, by their number in the Dockerfile.
    pub stages: BTreeMap<usize, Span>,
    /// The stage that is the image.
    pub target: usize,
}

/// An image that was built, with places.
#[derive(Debug)]
pub struct BuiltImage {
    /// What the project calls it.
    pub name: Option<String>,
    /// What is seen of it.
    pub seen: Seen,
    places: Places,
}

impl BuiltImage {
    /// An image, and where what made it stands.
    pub fn new(name: Option<String>, seen: Seen, places: Places) -> BuiltImage {
        BuiltImage { name, seen, places }
    }

    /// Where a step stands; a number that the build does not have is the image's FROM.
    pub fn step(&self, number: usize) -> Place {
        let span = self.places.steps.get(number).copied();
        span.map_or_else(|| self.stage(self.places.target), |span| Place::new(self.places.source, span))
    }

    /// What a stage starts from.
    pub fn stage(&self, number: usize) -> Place {
        let known = self.places.stages.get(&number).or_else(|| self.places.stages.get(&self.places.target));
        known.map_or(Place::file(self.places.source), |span| Place::new(self.places.source, *span))
    }

    /// What the last stage starts from.
    pub fn target(&self) -> Place {
        self.stage(self.places.target)
    }

    /// Everything that its steps fetched; not known where a step may have fetched what nobody observed.
    pub fn intakes(&self) -> Known<Vec<Intake>> {
        let unobserved = self.seen.steps.iter().flat_map(|step| &step.unobserved).next();
        match unobserved {
            Some(what) => Known::Unknown(Cow::Owned(unobserved_words(what))),
            None => Known::Known(self.seen.steps.iter().flat_map(|step| step.intakes.clone()).collect()),
        }
    }
}

/// What a record calls unobserved, in words.
pub(crate) fn unobserved_words(what: &str) -> String {
    match what.split_once(':') {
        _ if what == "network" => "a step had a network that nobody observed".to_owned(),
        Some(("tls", host)) => format!("what came from `{host}` was encrypted to the end"),
        _ => format!("a step used `{what}`, which nobody observed"),
    }
}
