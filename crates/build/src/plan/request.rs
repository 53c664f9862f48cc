//! What a plan is made from, and what comes of it.

use std::collections::BTreeMap;

use dockerfile::ignore::Patterns;
use dockerfile::{Diagnostic, Dockerfile};
use oci::Platform;

use super::images::{ImageError, NamedContexts};
use super::model::{Network, Plan};

/// What to plan.
#[derive(Debug, Clone)]
pub struct PlanRequest<'a> {
    /// The file.
    pub dockerfile: &'a Dockerfile,
    /// What the parser said of it. It comes back with the rest, and an error in it forbids the plan.
    pub parsed: &'a [Diagnostic],
    /// The stage to build, by name or number; the last one otherwise.
    pub target: Option<&'a str>,
    /// The platform of the result.
    pub platform: Platform,
    /// Whether the user asked for that platform. An image of another one, which a FROM may name, then becomes this
    /// one's by declaration, as BuildKit has it.
    pub platform_given: bool,
    /// The platform of the machine that builds.
    pub build_platform: Platform,
    /// `--build-arg`.
    pub build_args: &'a BTreeMap<String, String>,
    /// `--build-context`.
    pub contexts: &'a NamedContexts,
    /// What stays out of the build context.
    pub ignore: Option<&'a Patterns>,
    /// `--label`.
    pub labels: &'a BTreeMap<String, String>,
    /// `--from`: the image that takes the place of the first FROM's.
    pub from_override: Option<&'a str>,
    /// Takes the place of the last FROM's image.
    pub last_from_override: Option<&'a str>,
    /// Variables that every stage gets as if by ENV after its FROM.
    pub stage_env: &'a [(String, String)],
    /// What the file may ask for.
    pub permissions: Permissions,
    /// The network of a RUN that does not ask for one.
    pub network: Network,
    /// SOURCE_DATE_EPOCH as the user gave it: seconds since 1970.
    pub epoch: Option<i64>,
}

impl<'a> PlanRequest<'a> {
    /// A request with nothing but a file and a platform.
    pub fn new(dockerfile: &'a Dockerfile, platform: Platform) -> PlanRequest<'a> {
        static NO_STRINGS: BTreeMap<String, String> = BTreeMap::new();
        static NO_CONTEXTS: NamedContexts = BTreeMap::new();
        PlanRequest {
            dockerfile,
            parsed: &[],
            target: None,
            build_platform: platform.clone(),
            platform,
            platform_given: false,
            build_args: &NO_STRINGS,
            contexts: &NO_CONTEXTS,
            ignore: None,
            labels: &NO_STRINGS,
            from_override: None,
            last_from_override: None,
            stage_env: &[],
            permissions: Permissions::default(),
            network: Network::Default,
            epoch: None,
        }
    }
}

/// What a Dockerfile may do only where the machine's settings and the user allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    /// `RUN --network=host`.
    pub host_network: bool,
    /// `RUN --security=insecure`.
    pub insecure: bool,
}

/// A plan, and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Warnings about the file.
    pub warnings: Vec<Diagnostic>,
    /// Names from `--build-arg` that nothing in the file declares.
    pub unused_build_args: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[error("the Dockerfile cannot be built")]
pub struct PlanError {
    /// All that is wrong with the file, and the warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The images that were not found or not readable; each has its diagnostic above.
    pub images: Vec<ImageError>,
}
