//! What a project is: its images, what they are built from, what they are built on, and what was said besides.
//!
//! Everything is as declared, wherever it was declared: `kapok.yaml`, a BuildConfig, a Dockerfile, a Makefile. What the
//! names in it mean is the [`crate::Graph`]'s business.

mod cluster;
mod image;
mod test;

use std::fmt;

use crate::finding::Finding;
use crate::place::Place;

pub use cluster::{ImageStream, Pipeline, PipelineTask, Sequence, SequenceBuild, StreamTag};
pub use image::*;
pub use test::{CommandForm, Test, TestKind};

/// A repository's images.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// What the images were taken from: the first line of a build's output says it.
    pub source: ProjectSource,
    /// The images, in the order of their names.
    pub images: Vec<Image>,
    /// Bases that are no Dockerfile's: assembled ones, names for references.
    pub bases: Vec<Base>,
    /// Image streams, for what a name with a tag means in a cluster.
    pub image_streams: Vec<ImageStream>,
    /// Names that builds write which are not supported, and so are no images here.
    pub written_elsewhere: Vec<Located>,
    /// Orders that somebody wrote down besides.
    pub pipelines: Vec<Pipeline>,
    /// Orders in which Makefiles build.
    pub sequences: Vec<Sequence>,
    /// The organisation's certificate authorities, a file from the root.
    pub ca: Option<Located>,
    /// What is wrong with the declarations themselves.
    pub findings: Vec<Finding>,
    /// What was read and is not supported.
    pub unsupported: Vec<Unsupported>,
}

/// What a project's images were taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProjectSource {
    /// `kapok.yaml`, here.
    KapokYaml(String),
    /// Manifests: how many Applications and BuildConfigs.
    Manifests {
        /// Applications that were followed.
        applications: usize,
        /// BuildConfigs found.
        build_configs: usize,
    },
    /// Dockerfiles, so many.
    Dockerfiles(usize),
    /// Nothing was found.
    #[default]
    Nothing,
}

/// A text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The text.
    pub value: String,
    /// Its place.
    pub place: Place,
}

/// A base that is no Dockerfile's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The name that FROM has.
    pub name: String,
    /// What it is.
    pub kind: BaseKind,
    /// Where it is declared.
    pub place: Place,
}

/// What a [`Base`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseKind {
    /// Assembled from signed packages.
    Debian {
        /// The suite: `bookworm`.
        suite: String,
        /// Packages besides the essential ones.
        packages: Vec<String>,
        /// The variant: `minbase`, …
        variant: Option<String>,
    },
    /// A name for a reference.
    Reference(String),
}

/// Something that was read and is not supported: listed, never dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// What it is: ``BuildConfig `x`: sourceStrategy``.
    pub what: String,
    /// Where it stands.
    pub place: Place,
}

impl Project {
    /// The image of this name.
    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.name == name)
    }
}

impl fmt::Display for ProjectSource {
    /// What the first line of a build's output says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        match self {
            ProjectSource::KapokYaml(path) => write!(f, "{path}"),
            ProjectSource::Manifests { applications: 0, build_configs } => {
                f.write_str(&counted(*build_configs, "BuildConfig"))
            }
            ProjectSource::Manifests { applications, build_configs } => write!(
                f,
                "{} from {}",
                counted(*build_configs, "BuildConfig"),
                counted(*applications, "Argo CD Application")
            ),
            ProjectSource::Dockerfiles(count) => f.write_str(&counted(*count, "Dockerfile")),
            ProjectSource::Nothing => f.write_str("nothing to build"),
        }
    }
}
