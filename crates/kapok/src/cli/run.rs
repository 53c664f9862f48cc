//! `kapok run`: the flags of a command run in an image.

use std::ffi::OsString;

use clap::Args;

use super::build::NetworkFlag;
use super::limits::LimitFlags;
use super::values::{Assignment, HostEntry, VolumeFlag};

/// Runs a command in an image, in the foreground; what it writes is discarded and its exit code is passed on.
#[derive(Debug, Args)]
pub struct Run {
    /// The image's name or digest.
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// The command; without it the image's own.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,

    /// Pass standard input to the command.
    #[arg(short, long)]
    pub interactive: bool,

    /// Give the command a terminal.
    #[arg(short, long)]
    pub tty: bool,

    /// Accepted for docker's sake: nothing stays of a run in any case.
    #[arg(long)]
    pub rm: bool,

    /// A variable, as `NAME=VALUE`, or `NAME` to pass on its value; may be repeated.
    #[arg(short, long, value_name = "VARIABLE")]
    pub env: Vec<Assignment>,

    /// A path of this machine to mount, as `HOST:INSIDE[:ro]`; may be repeated.
    #[arg(short, long, value_name = "VOLUME")]
    pub volume: Vec<VolumeFlag>,

    /// The working directory.
    #[arg(short, long, value_name = "DIRECTORY")]
    pub workdir: Option<String>,

    /// The user, as `NAME|UID[:GROUP|GID]`.
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,

    /// Replaces the image's entry point; an empty one clears it.
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,

    /// The host name inside.
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,

    /// Mount the image read-only.
    #[arg(long)]
    pub read_only: bool,

    /// The command's network.
    #[arg(long, alias = "net", value_name = "NETWORK", default_value = "default")]
    pub network: NetworkFlag,

    /// A line for /etc/hosts, as `NAME:ADDRESS`; may be repeated.
    #[arg(long, value_name = "ENTRY")]
    pub add_host: Vec<HostEntry>,

    /// The platform to run where an image has several.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,

    #[command(flatten)]
    pub limits: LimitFlags,
}
