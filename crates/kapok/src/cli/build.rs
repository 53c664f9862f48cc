//! `kapok build` and `kapok plan`: the flags of a build.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::limits::LimitFlags;
use super::values::{
    Assignment, CacheFrom, CacheTo, HostEntry, LabelFlag, OutputFlag, Pair, SecretFlag, SshFlag,
};

/// Builds the images of a project, or one image from a Dockerfile and a build context.
///
/// Without an argument all images of the project are built: those of `kapok.yaml`, else those of the BuildConfigs and Applications
/// in the directory, else its Dockerfiles. With names, those images and what they need.
///
/// The image stays in the store under its digest and the names given with `--tag`; `--output` writes it elsewhere too.
#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    pub input: Input,

    /// Further images of the project.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    #[command(flatten)]
    pub limits: LimitFlags,

    /// Name of the image, as `NAME[:TAG]`; may be repeated.
    #[arg(short, long, value_name = "NAME", help_heading = "Result")]
    pub tag: Vec<String>,

    /// Write the result: `type=oci|docker|tar|local,dest=PATH`, a directory, `-` for a tar archive, or `type=registry`; may be
    /// repeated.
    #[arg(short, long, value_name = "OUTPUT", help_heading = "Result")]
    pub output: Vec<OutputFlag>,

    /// Send the image to the registries that its names say, its layers while later steps still run.
    #[arg(long, help_heading = "Result")]
    pub push: bool,

    /// How layers are compressed.
    #[arg(long, value_name = "KIND", help_heading = "Result")]
    pub compression: Option<CompressionFlag>,

    /// Write the image's digest to this file.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub iidfile: Option<PathBuf>,

    /// Write what is known about the result to this file, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Result")]
    pub metadata_file: Option<PathBuf>,

    /// A secret for `RUN --mount=type=secret`: `id=ID,src=FILE` or `id=ID,env=VARIABLE`; may be repeated.
    #[arg(long, value_name = "SECRET", help_heading = "Steps")]
    pub secret: Vec<SecretFlag>,

    /// An agent for `RUN --mount=type=ssh`: `default`, `ID`, `ID=SOCKET` or `ID=KEYFILE,KEYFILE`; may be repeated.
    #[arg(long, value_name = "AGENT", help_heading = "Steps")]
    pub ssh: Vec<SshFlag>,

    /// A line for /etc/hosts of every step, as `NAME:ADDRESS`; may be repeated.
    #[arg(long, value_name = "ENTRY", help_heading = "Steps")]
    pub add_host: Vec<HostEntry>,

    /// Run every step; results of earlier builds are not used.
    #[arg(long, help_heading = "Steps")]
    pub no_cache: bool,

    /// Take results of steps that other machines left there: `type=registry,ref=NAME`, `type=local,src=DIRECTORY`, or a name
    /// alone; may be repeated.
    #[arg(long, value_name = "CACHE", help_heading = "Steps")]
    pub cache_from: Vec<CacheFrom>,

    /// Leave results of steps there for other machines: `type=registry,ref=NAME[,mode=max]`, `type=local,dest=DIRECTORY`, or
    /// a name alone; may be repeated.
    #[arg(long, value_name = "CACHE", help_heading = "Steps")]
    pub cache_to: Vec<CacheTo>,

    /// Ask upstreams whether the indexes that cached steps fetched have changed, and run just those steps again for
    /// which they have.
    #[arg(long, help_heading = "Steps", conflicts_with_all = ["locked", "offline", "from_vendor"])]
    pub refresh: bool,

    /// Build although the check finds errors, before the build or in what was built; what it found is said all the same,
    /// and recorded.
    #[arg(long, help_heading = "Steps")]
    pub no_check: bool,

    /// Fail where an upstream is down, instead of taking the last copy of what it had.
    #[arg(long, help_heading = "Steps")]
    pub no_stale: bool,

    /// Run every step twice and list the files that differ.
    #[arg(long, help_heading = "Steps")]
    pub twice: bool,

    /// Keep log files in layers instead of emptying them.
    #[arg(long, help_heading = "Steps")]
    pub keep_logs: bool,

    /// How many steps run at once; by default as many as there are processors.
    #[arg(short, long, value_name = "NUMBER", help_heading = "Steps", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// Write down in `kapok.lock` what the image is made of: bases, sources of ADD, commits, and everything that RUN
    /// fetches.
    #[arg(long, help_heading = "Lock", conflicts_with_all = ["locked", "offline", "from_vendor"])]
    pub lock: bool,

    /// Take nothing but what `kapok.lock` says; other bytes, or something that it does not have, fail the step.
    #[arg(long, help_heading = "Lock")]
    pub locked: bool,

    /// The same, and ask no upstream: all of it comes from the store, indexes as they were when they were locked.
    #[arg(long, help_heading = "Lock", conflicts_with_all = ["pull", "push", "cache_from", "cache_to"])]
    pub offline: bool,

    /// Take in what `kapok vendor` wrote to this directory, and build from it as with `--offline`; with `--locked`, ask
    /// upstreams for what it lacks.
    #[arg(long, value_name = "DIRECTORY", help_heading = "Lock")]
    pub from_vendor: Option<PathBuf>,

    /// How progress is shown.
    #[arg(long, value_name = "KIND", default_value = "auto", help_heading = "Progress")]
    pub progress: Progress,

    /// Show no progress, and print the image's digest on success.
    #[arg(short, long, help_heading = "Progress")]
    pub quiet: bool,
}

/// Shows what `kapok build` would do with the same flags.
///
/// Of a project: which images have steps that would run, why, and how long they took the last time. Of a build context: its stages
/// and steps.
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub input: Input,

    /// Further images of the project.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Build nothing and plan nothing: ask upstreams whether the indexes that cached steps fetched have changed, and list
    /// those steps, with the packages that would change.
    #[arg(long)]
    pub refresh: bool,

    /// How the plan is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: super::Format,
}

impl Build {
    /// A build with the input of a plan, and without any other flag.
    pub fn of_plan(plan: &Plan) -> Build {
        let command = <Build as Args>::augment_args(clap::Command::new("build"));
        let matches = command.get_matches_from(["build"]);
        let plain = <Build as clap::FromArgMatches>::from_arg_matches(&matches);
        let mut build = plain.unwrap_or_else(|error| error.exit());
        let given = &plan.input;
        build.input.build_arg.clone_from(&given.build_arg);
        build.input.build_context.clone_from(&given.build_context);
        build.input.label.clone_from(&given.label);
        build.input.platform.clone_from(&given.platform);
        build.input.allow.clone_from(&given.allow);
        build.input.pull = given.pull;
        build.input.network = given.network;
        build.input.source_date_epoch = given.source_date_epoch;
        build
    }
}

/// What a build is made from: the part that `build` and `plan` share.
#[derive(Debug, Args)]
pub struct Input {
    /// Build context: a directory, a git URL (`URL#REF:SUBDIR`), the URL of an archive, or `-` for an archive or a
    /// Dockerfile on standard input; or the name of an image of the project.
    #[arg(value_name = "CONTEXT", default_value = "", hide_default_value = true)]
    pub context: String,

    /// The Dockerfile; `-` is standard input. By default `Dockerfile`, then `Containerfile`, in the build context.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// The stage to build; by default the last one.
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,

    /// The value of an ARG, as `NAME=VALUE`, or `NAME` to take it from the environment; may be repeated.
    #[arg(long, value_name = "ARG")]
    pub build_arg: Vec<Assignment>,

    /// A named build context, as `NAME=VALUE`; VALUE is a directory, a URL, `oci-layout://DIR` or
    /// `docker-image://NAME`; may be repeated.
    #[arg(long, value_name = "CONTEXT")]
    pub build_context: Vec<Pair>,

    /// The image that replaces the one of the first FROM.
    #[arg(long, value_name = "IMAGE")]
    pub from: Option<String>,

    /// Platforms to build for, such as `linux/amd64,linux/arm64`; several make an image index.
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub platform: Vec<String>,

    /// Ask the registry for base images, even if the store has an image of that name.
    #[arg(long, action = ArgAction::Set, value_name = "WHEN", value_parser = pull)]
    #[arg(num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    #[arg(hide_default_value = true)]
    pub pull: bool,

    /// The network of RUN steps that do not say otherwise.
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<NetworkFlag>,

    /// Insist on what Dockerfiles may not do by themselves, as buildx wants it; whether they may, the settings of the
    /// machine and the user decide. May be repeated.
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',')]
    pub allow: Vec<Permission>,

    /// A label of the image, as `NAME=VALUE`; may be repeated.
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<LabelFlag>,

    /// Times in the image are clamped to this one, in seconds since 1970; by default SOURCE_DATE_EPOCH, then the base
    /// image's time.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    pub source_date_epoch: Option<i64>,
}

/// `--pull` alone, or with docker's or podman's word for when.
fn pull(word: &str) -> Result<bool, String> {
    match word {
        "true" | "always" | "newer" => Ok(true),
        "false" | "missing" | "ifnotpresent" | "never" => Ok(false),
        _ => Err("expected `always`, `missing` or `never`".to_owned()),
    }
}

/// The network of a RUN step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NetworkFlag {
    /// What Kapok gives a step.
    Default,
    /// No network but loopback.
    None,
    /// This machine's network.
    Host,
}

/// What a Dockerfile may not do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Permission {
    /// `RUN --network=host`.
    #[value(name = "network.host")]
    NetworkHost,
    /// `RUN --security=insecure`.
    #[value(name = "security.insecure")]
    SecurityInsecure,
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompressionFlag {
    /// Every tool reads it.
    Gzip,
    /// Smaller and faster; Docker before 23 does not read it.
    Zstd,
    /// Not at all.
    #[value(alias = "uncompressed")]
    None,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A live view on a terminal, plain lines elsewhere.
    #[default]
    #[value(alias = "tty")]
    Auto,
    /// One line per event.
    Plain,
    /// One JSON object per line, on standard error.
    #[value(alias = "rawjson")]
    Json,
}
