//! `kapok load` and `kapok save`: images from and to archives.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Loads images from a docker archive, an OCI archive or an OCI layout.
#[derive(Debug, Args)]
pub struct Load {
    /// The archive or layout; by default an archive on standard input.
    #[arg(short, long, value_name = "PATH")]
    pub input: Option<PathBuf>,

    /// A name for the image, where the archive holds one image; may be repeated.
    #[arg(short, long, value_name = "NAME")]
    pub tag: Vec<String>,

    /// Print image ids only.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Saves images to an archive.
#[derive(Debug, Args)]
pub struct Save {
    /// Names or digests.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,

    /// The file to write, or the directory for a format that is one; by default standard output.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,

    /// The archive's form.
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    pub format: ArchiveFormat,
}

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ArchiveFormat {
    /// What `docker load` takes in every version.
    #[value(alias = "docker")]
    DockerArchive,
    /// An OCI layout as a tar archive.
    #[value(name = "oci", alias = "oci-archive")]
    Oci,
    /// An OCI layout as a directory.
    OciDir,
}
