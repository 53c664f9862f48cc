//! Flags that limit what a step or a run command may use.

use clap::Args;

use super::values::{Cpus, Size};

/// Limits. One that this machine cannot enforce is an error, never dropped.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Processors that each step may use, also a part of one.
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<Cpus>,

    /// Memory that each step may use, such as `512m` or `2g`.
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<Size>,

    /// Processes and threads that each step may have at once.
    #[arg(long, alias = "pids-limit", value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub pids: Option<u64>,
}
