//! What a plan needs to know of images, and who tells it.

use std::collections::BTreeMap;

use oci::{Descriptor, Digest, ImageConfig, Platform};

/// Resolves names to images. The only door through which a plan looks outside.
pub trait Images {
    /// The image of this name for this platform.
    fn image(&self, name: ImageName<'_>, platform: &Platform) -> Result<BaseImage, ImageError>;
}

/// How a Dockerfile or a named build context names an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageName<'a> {
    /// A reference as FROM has it.
    Reference(&'a str),
    /// What stands after `oci-layout://`: a directory with an optional tag or digest.
    Layout(&'a str),
}

/// An image that a build starts from or copies from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// The name by which it was asked for.
    pub name: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Its time (`created`, or a better one that its maker kept) in seconds since 1970.
    pub epoch: Option<i64>,
    /// Where it was found; nothing where there is only one place.
    pub found: Option<Found>,
}

/// Where an image was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In an OCI layout.
    Layout,
    /// The store has a name for it.
    Store,
    /// In a registry, or a mirror of it: its name.
    Registry(String),
    /// It is built beside this one, as an image of the same project; it has no digest and no layers yet.
    Project {
        /// Its position in the project.
        image: usize,
        /// The position of the platform among those that it is built for.
        platform: usize,
    },
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Found::Layout => f.write_str("an OCI layout"),
            Found::Store => f.write_str("the store"),
            Found::Registry(place) => f.write_str(place),
            Found::Project { .. } => f.write_str("the project"),
        }
    }
}

/// Why there is no such image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Nobody has it.
    #[error("no image `{name}`")]
    NotFound {
        /// The name asked for.
        name: String,
        /// What may help, where something may.
        hint: Option<String>,
    },
    /// It exists, but not for this platform.
    #[error("image `{name}` is not there for {platform}")]
    Platform {
        /// The name asked for.
        name: String,
        /// The platform asked for.
        platform: String,
        /// The platforms that it has.
        available: Vec<String>,
    },
    /// It is an image of the same project, and was not built.
    #[error("`{name}` is the image `{image}` of this project, which was not built")]
    Project {
        /// The name asked for.
        name: String,
        /// What the project calls it.
        image: String,
    },
    /// The name is none.
    #[error("`{name}` is not an image reference")]
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer did not come, or makes no sense.
    #[error("cannot read image `{name}`")]
    Upstream {
        /// The name asked for.
        name: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
        /// What may help, where something may.
        hint: Option<String>,
    },
}

/// A named build context, as `--build-context` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// `docker-image://`: another image.
    Image(String),
    /// `oci-layout://`: an image in a layout directory.
    Layout(String),
    /// A tree of files: a directory, an archive or a git repository. The plan knows it by its name only.
    Tree,
}

/// Named build contexts by name.
pub type NamedContexts = BTreeMap<String, NamedContext>;
