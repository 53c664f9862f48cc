//! `kapok pull`, `push`, `copy`, `login` and `logout`: images from and to registries.

use clap::Args;

use super::build::Progress;

/// Fetches images from registries into the store, under the names they are asked for by.
#[derive(Debug, Args)]
pub struct Pull {
    /// Names of images: `debian`, `quay.io/team/app:1`, `registry.example.org:5000/app@sha256:…`.
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,

    /// The platform, where there are several; by default this machine's.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    /// All platforms, so that the image can be pushed again as it is.
    #[arg(long, conflicts_with = "platform")]
    pub all_platforms: bool,

    #[command(flatten)]
    pub show: Show,
}

/// Sends images of the store to the registries that their names say.
#[derive(Debug, Args)]
pub struct Push {
    /// Names of images in the store, with the registry: `registry.example.org/team/app:1`.
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,

    /// Only the image for this platform, where there are several.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    #[command(flatten)]
    pub show: Show,
}

/// Copies an image between registries, layouts, archives and the store. What is copied keeps its digest.
///
/// A place is the name of an image in a registry (`quay.io/team/app:1`, also written `docker://…`), an OCI layout
/// (`oci:DIRECTORY[:TAG]`), an archive (`oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`), or an image of the store
/// (`store:NAME`).
#[derive(Debug, Args)]
pub struct Copy {
    /// Where the image is.
    #[arg(value_name = "FROM")]
    pub from: String,

    /// Where it goes.
    #[arg(value_name = "TO")]
    pub to: String,

    /// The image index with the images of all platforms, instead of one platform's image.
    #[arg(short, long)]
    pub all: bool,

    /// The platform, where there are several; by default this machine's.
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all")]
    pub platform: Option<String>,

    /// Take along what speaks about the image: signatures, SBOMs and other artifacts. Between registries.
    #[arg(long)]
    pub referrers: bool,

    #[command(flatten)]
    pub show: Show,
}

/// How transfers are shown.
#[derive(Debug, Args)]
pub struct Show {
    /// Print the digest only.
    #[arg(short, long)]
    pub quiet: bool,

    /// How progress is shown.
    #[arg(long, value_name = "FORM", default_value = "auto")]
    pub progress: Progress,
}

/// Keeps credentials for a registry, after it has taken them: where Docker keeps its own.
#[derive(Debug, Args)]
pub struct Login {
    /// The registry, such as `quay.io` or `registry.example.org:5000`.
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    pub registry: String,

    /// Who you are there; asked for on a terminal.
    #[arg(short, long, value_name = "NAME")]
    pub username: Option<String>,

    /// The password. Other users of this machine can see it while the command runs, and the shell remembers it: better
    /// is `--password-stdin`.
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub password: Option<String>,

    /// Read the password, or a token in its place, from standard input.
    #[arg(long)]
    pub password_stdin: bool,
}

/// Forgets the credentials for a registry.
#[derive(Debug, Args)]
pub struct Logout {
    /// The registry.
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    pub registry: String,
}
