//! `kapok logs`, `kapok shell` and `kapok explain`: verbs that address a build or one of its steps.

use clap::Args;

use super::Format;
use super::values::StepAddress;

/// Prints the output of a build's steps; without an argument, of the latest build.
#[derive(Debug, Args)]
pub struct Logs {
    /// An image or a build's id, and the number of a step.
    #[arg(value_name = "IMAGE[#STEP]")]
    pub address: Option<StepAddress>,
}

/// Opens a shell in a snapshot; what it writes is discarded.
///
/// `IMAGE` is the image as built, `IMAGE#STEP` the snapshot after that step. Without an argument it is the snapshot
/// before the step that failed last.
#[derive(Debug, Args)]
pub struct Shell {
    /// An image or a build's id, and the number of a step.
    #[arg(value_name = "IMAGE[#STEP]")]
    pub address: Option<StepAddress>,

    /// Run this command instead of the image's shell.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}

/// Says why a step ran, what it was given and what it wrote, from the step's record; or what a rule wants.
#[derive(Debug, Args)]
pub struct Explain {
    /// An image or a build's id, and the number of a step; or a rule of `kapok check`.
    #[arg(value_name = "IMAGE[#STEP] | RULE")]
    pub address: StepAddress,

    /// Print the hosts that the steps fetched from, as `network.allow` for `kapok.yaml`.
    #[arg(long, conflicts_with = "format")]
    pub allow_list: bool,

    /// How it is printed; `json` is the record itself.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}
