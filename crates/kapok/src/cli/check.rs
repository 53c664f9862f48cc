//! `kapok check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Judges Dockerfiles, manifests and the files beside them by the project's standards, without a build.
///
/// Without a path it is the directory of the nearest `kapok.yaml`, else the working directory. Files that git ignores are
/// left out. The exit code is 1 when a finding reaches the level.
#[derive(Debug, Args)]
pub struct Check {
    /// Directories and files.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// How findings are printed.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: CheckFormat,

    /// The least level of a finding that makes the exit code 1.
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    pub level: LevelFlag,

    /// The levels as a whole; by default `check.profile` of the settings, else `default`.
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<ProfileFlag>,

    /// Directories and files of policies in Rego, with data beside them; they judge what is found besides the rules of
    /// Kapok. Where all paths are files of JSON or YAML, or `-`, the policies alone judge these documents.
    #[arg(long, value_name = "DIR")]
    pub policy: Vec<PathBuf>,

    /// The packages of policies to run, such as `main`; by default all.
    #[arg(long, value_name = "PACKAGE", requires = "policy")]
    pub namespace: Vec<String>,

    /// Runs the unit tests of the policies, the rules named `test_...`, and judges nothing.
    #[arg(long, requires = "policy", conflicts_with = "paths")]
    pub test: bool,

    /// For how many seconds one rule of a policy may run.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub time_limit: u64,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// With the lines and a mark under each place.
    Human,
    /// One object with `findings`.
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines.
    Sarif,
}

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelFlag {
    /// Only what is certainly wrong or against the standards.
    Error,
    /// Probable mistakes and risks too.
    Warning,
    /// Everything.
    Info,
    /// None: the exit code is 0 whatever is found.
    None,
}

/// A profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileFlag {
    /// Only what is certainly wrong is an error.
    Default,
    /// What careful teams insist on.
    Strict,
    /// A supply chain of one's own.
    Rainforest,
}

impl LevelFlag {
    /// The level, if it is one.
    pub fn level(self) -> Option<policy::Level> {
        match self {
            LevelFlag::Error => Some(policy::Level::Error),
            LevelFlag::Warning => Some(policy::Level::Warning),
            LevelFlag::Info => Some(policy::Level::Info),
            LevelFlag::None => None,
        }
    }
}

impl From<ProfileFlag> for policy::Profile {
    fn from(flag: ProfileFlag) -> policy::Profile {
        match flag {
            ProfileFlag::Default => policy::Profile::Default,
            ProfileFlag::Strict => policy::Profile::Strict,
            ProfileFlag::Rainforest => policy::Profile::Rainforest,
        }
    }
}
