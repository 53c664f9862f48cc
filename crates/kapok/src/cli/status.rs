//! `kapok status`.

use clap::{Args, ValueEnum};

/// Says of every image of the project whether its latest build is complete, and current with what it stands on.
///
/// The exit code is 1 unless that holds for all of them.
#[derive(Debug, Args)]
pub struct Status {
    /// Only these images and what they need.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// How it is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: StatusFormat,
}

/// How the state of a project is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// A table for people.
    Table,
    /// JSON for programs.
    Json,
    /// For the text file collector of Prometheus' node exporter.
    Prometheus,
}
