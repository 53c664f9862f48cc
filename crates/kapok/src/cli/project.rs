//! `kapok graph`, `init` and `affected`: verbs about a whole project.

use clap::{Args, ValueEnum};

/// Shows the project's images, what they are built on, and what does not fit together.
///
/// The project is what the nearest `kapok.yaml` declares; else what BuildConfigs, Applications and kustomizations below this
/// directory declare; else its Dockerfiles.
#[derive(Debug, Args)]
pub struct Graph {
    /// Only these images and what they need.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// How it is printed. The findings stand below a tree; `json` has them as `findings`.
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    pub format: GraphFormat,

    /// The exit code is 1 if there is an error or a warning.
    #[arg(long)]
    pub strict: bool,
}

/// How a graph is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Bases with what is built on them below.
    Tree,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
    /// For programs: `nodes`, `edges`, `findings`, `unsupported`.
    Json,
}

/// Writes a `kapok.yaml` from all BuildConfigs, Applications, Makefiles and Dockerfiles below this directory.
#[derive(Debug, Args)]
pub struct Init {
    /// Replace a `kapok.yaml` that is there.
    #[arg(long)]
    pub force: bool,

    /// Print it instead.
    #[arg(long)]
    pub dry_run: bool,
}

/// Lists the images that a change touches, in an order to build them in, with the reason.
///
/// Without a flag: what is changed in the work tree and not committed.
#[derive(Debug, Args)]
pub struct Affected {
    /// Everything that changed since a commit, a tag or a branch of git.
    #[arg(long, value_name = "GITREV")]
    pub since: Option<String>,

    /// A file that changes. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub file: Vec<String>,

    /// A base that changes: a reference, or an image of the project.
    #[arg(long, value_name = "REFERENCE")]
    pub base: Vec<String>,

    /// A package that steps fetched: `pkg:pypi/requests`, with `@VERSION` if only that is meant.
    #[arg(long, value_name = "PURL")]
    pub package: Vec<String>,

    /// How it is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: super::Format,
}
