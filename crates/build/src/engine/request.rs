//! What a build is asked for, and what it gives.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use dockerfile::Source;
use oci::layer::{Compression, Rules};
use oci::{Descriptor, DiffId, Digest, LayerId, Platform, Reference};

use super::report::BuildReport;
use super::secrets::Secret;
use crate::plan::{NamedContexts, Network, Permissions};
use crate::sandbox::Limits;

/// Everything that decides what a build does. The engine reads no environment, setting or clock: it is all here.
#[derive(Debug, Clone)]
pub struct Request {
    /// Names the build in the store's history, unique.
    pub id: String,
    /// What is built, in words for the history.
    pub name: String,
    /// Seconds since 1970, for the history.
    pub started: i64,
    /// The Dockerfile.
    pub source: Source,
    /// The build context; none when a Dockerfile alone was given.
    pub context: Option<PathBuf>,
    /// The text of `<Dockerfile>.dockerignore` or `.dockerignore`.
    pub ignore: Option<Source>,
    /// `--build-context`, as the plan knows them.
    pub named_contexts: NamedContexts,
    /// The directories of those that are trees.
    pub named_directories: BTreeMap<String, PathBuf>,
    /// The stage to build; the last one otherwise.
    pub target: Option<String>,
    /// What to build for; the machine's own platform when empty.
    pub platforms: Vec<Platform>,
    /// The machine's own platform.
    pub build_platform: Platform,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--from`: takes the place of the first FROM's image.
    pub from_override: Option<String>,
    /// Takes the place of the last FROM's image, as OpenShift has it.
    pub last_from_override: Option<String>,
    /// Variables that every stage gets as if by ENV after its FROM.
    pub stage_env: Vec<(String, String)>,
    /// Names for the result.
    pub tags: Vec<Reference>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// Do not take a base from what this store has a name for.
    pub pull: bool,
    /// The network of a RUN that asks for none.
    pub network: Network,
    /// What the Dockerfile may ask for.
    pub permissions: Permissions,
    /// The machine's resolver configuration, for a RUN on its network.
    pub resolv_conf: Vec<u8>,
    /// `--add-host`.
    pub hosts: Vec<(String, IpAddr)>,
    /// `--secret`.
    pub secrets: Vec<Secret>,
    /// `--ssh`: ids and sockets of agents.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Of each step.
    pub limits: Limits,
    /// Of new layers.
    pub compression: Compression,
    /// Which files are treated before a layer is committed.
    pub rules: Rules,
    /// SOURCE_DATE_EPOCH, if the user gave one.
    pub epoch: Option<i64>,
    /// How many steps may run at once.
    pub jobs: usize,
    /// `--twice`: run each RUN twice and compare.
    pub twice: bool,
    /// Give every cache mount a fresh directory, which goes with the step: nothing shall come from a place that no record
    /// knows. What a lock or a replay needs.
    pub empty_caches: bool,
    /// How much of the image must be here in the end.
    pub keep: Keep,
    /// What comes between the last step and the names.
    pub finishing: super::checks::Finishing,
    /// Run nothing: find out which steps would.
    pub foresee: bool,
    /// The project that the image belongs to, for the history; empty where it stands for itself.
    pub project: String,
    /// What was overruled before the build, for the history.
    pub overruled: Option<super::report::Overruled>,
    /// Pack the layers of all stages, not of the image alone: a shared cache wants them.
    pub pack_all: bool,
}

/// How much of a finished image must be in the store: what a base or a shared cache has, and no step needed, may still be
/// elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Its documents: it goes to a registry.
    Nothing,
    /// Its blobs: it has a name here.
    #[default]
    Blobs,
    /// Its layers, unpacked: somebody wants the tree.
    Files,
}

/// A finished build.
#[derive(Debug, Clone)]
pub struct Built {
    /// The manifest, or the image index where several platforms were asked for.
    pub image: Descriptor,
    /// The image of each platform.
    pub platforms: Vec<BuiltPlatform>,
    /// Step by step.
    pub report: BuildReport,
    /// The step whose layer is the largest of the image, and the bytes of that layer's files.
    pub largest: Option<(super::StepId, u64)>,
    /// With `--twice`: what a second run wrote differently, by step.
    pub differences: Vec<Difference>,
    /// The images that it was built from.
    pub images: Vec<UsedImage>,
    /// What layers of bases hold, as far as a key had to know: what another machine may take over.
    pub bases: Vec<(DiffId, LayerId)>,
    /// Whole time.
    pub wall: Duration,
}

/// An image that another was built from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedImage {
    /// The name, as the Dockerfile has it.
    pub name: String,
    /// The digest of its manifest for the platform, where it comes from outside.
    pub digest: Option<Digest>,
    /// Its position, where it is an image of the project.
    pub project: Option<usize>,
}

/// The image of one platform.
#[derive(Debug, Clone)]
pub struct BuiltPlatform {
    /// Which.
    pub platform: Platform,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its configuration, the image id that Docker shows.
    pub config: Digest,
    /// The digest that its manifest would have without the certificates that were put on top: what stands on it has it so.
    pub plain: Digest,
    /// Bytes of its blobs.
    pub size: u64,
    /// The snapshot's layers, bottom first: all of them with [`Keep::Files`], else those that somebody needed.
    pub layers: Vec<LayerId>,
    /// Whether these are all.
    pub all_layers: bool,
}

/// A file that a step wrote differently in its second run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// The step, as the report numbers them.
    pub step: super::StepId,
    /// Path inside the image.
    pub path: String,
    /// What differs: `content`, `mode`, `only in the first run`, ...
    pub what: String,
}
