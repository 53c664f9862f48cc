//! `kapok images`, `inspect`, `diff`, `tag` and `rmi`: verbs on images in the store.

use clap::Args;

use super::Format;

/// Lists the images in the store.
#[derive(Debug, Args)]
pub struct Images {
    /// Only images of this name, with or without a tag.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// Print image ids only.
    #[arg(short, long)]
    pub quiet: bool,

    /// Show the digests of manifests.
    #[arg(long)]
    pub digests: bool,

    /// Do not shorten ids.
    #[arg(long)]
    pub no_trunc: bool,

    /// How it is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// Prints everything known about images: names, digests, platform, configuration, layers, history.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Names or digests.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,

    /// The platform to show where an image has several.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
}

/// Compares two images, files and configuration; the exit code is 1 if they differ.
#[derive(Debug, Args)]
pub struct Diff {
    /// The image that is compared.
    #[arg(value_name = "IMAGE")]
    pub from: String,

    /// The image that it is compared with.
    #[arg(value_name = "OTHER")]
    pub to: String,

    /// Do not compare modification times.
    #[arg(long)]
    pub ignore_times: bool,

    /// How it is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// Gives an image another name.
#[derive(Debug, Args)]
pub struct Tag {
    /// The image's name or digest.
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Its new names.
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
}

/// Removes names of images. Layers and records stay until `kapok gc` needs their space.
#[derive(Debug, Args)]
pub struct Rmi {
    /// Names, or digests to remove all names of.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,

    /// Do not complain about images that are not there.
    #[arg(short, long)]
    pub force: bool,
}
