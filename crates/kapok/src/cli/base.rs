//! `kapok base`: the flags of base images assembled from signed packages.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::build::{CompressionFlag, Progress};

/// Assembles a base image from signed packages.
#[derive(Debug, Args)]
pub struct Base {
    /// The distribution.
    #[command(subcommand)]
    pub distribution: Distribution,
}

/// Distributions that bases are assembled from.
#[derive(Debug, Subcommand)]
pub enum Distribution {
    /// A minimal Debian: the essential and required packages, and apt.
    Debian(Debian),
}

/// Assembles a minimal Debian from an archive whose release file is signed.
///
/// Every package is checked against the signed release file; two runs against the same archive state give the same
/// digest.
#[derive(Debug, Args)]
pub struct Debian {
    /// The suite, such as `bookworm`.
    #[arg(long, value_name = "SUITE")]
    pub suite: String,

    /// Packages on top of the minimal set, with what they depend on; may be repeated.
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    pub include: Vec<String>,

    /// Components of the archive; by default `main`; may be repeated.
    #[arg(long, value_name = "COMPONENT", value_delimiter = ',')]
    pub components: Vec<String>,

    /// The archive; by default those of this machine's apt configuration; may be repeated.
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<String>,

    /// A keyring that release files are verified with; by default those of this machine's apt configuration; may be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub keyring: Vec<PathBuf>,

    /// The platform; by default this machine's.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// Name of the image, as `NAME[:TAG]`; may be repeated.
    #[arg(short, long, value_name = "NAME")]
    pub tag: Vec<String>,

    /// How layers are compressed.
    #[arg(long, value_name = "KIND")]
    pub compression: Option<CompressionFlag>,

    /// How many downloads and unpackings run at once.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// Assemble it anew, even if the store has a base of the same packages.
    #[arg(long)]
    pub no_cache: bool,

    /// Write the image's digest to this file.
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,

    /// How progress is shown.
    #[arg(long, value_name = "KIND", default_value = "auto")]
    pub progress: Progress,

    /// Show no progress, and print the image's digest on success.
    #[arg(short, long)]
    pub quiet: bool,
}
