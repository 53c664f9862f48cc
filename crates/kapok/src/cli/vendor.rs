//! `kapok vendor`.

use std::path::PathBuf;

use clap::Args;

/// Writes everything that a locked build needs into a directory, for a site without a network.
///
/// It holds the lock, the base images and every file that ADD and RUN had. `kapok build --from-vendor DIRECTORY` builds
/// from it. What is there already stays, so that the directory of an earlier day is brought up to date.
#[derive(Debug, Args)]
pub struct Vendor {
    /// Where to write it.
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,

    /// The lock; by default `kapok.lock` beside the nearest `kapok.yaml`, or in the working directory.
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Only these images of the lock; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub image: Vec<String>,
}
