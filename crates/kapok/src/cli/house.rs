//! `kapok gc`, `doctor` and `completion`: keeping house.

use clap::{Args, ValueEnum};

use super::Format;
use super::values::Size;

/// Frees space in the store: what no name, no recent build and no running build needs.
#[derive(Debug, Args)]
pub struct Gc {
    /// Keep results of steps, downloads and caches of `RUN --mount=type=cache` that were used last, up to this size; by
    /// default `gc.keep-storage` of the settings, else 20 GiB. What named images need always stays.
    #[arg(long, alias = "budget", value_name = "SIZE")]
    pub keep_storage: Option<Size>,

    /// Check every digest in the store; the exit code is 1 if one is wrong.
    #[arg(long)]
    pub verify: bool,

    /// Say what would be freed, and free nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Says what this machine can and cannot do, and what would enable it; the exit code is 1 if builds cannot work.
#[derive(Debug, Args)]
pub struct Doctor {
    /// How it is printed.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// Prints a completion script, for example for `/etc/bash_completion.d`.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Prints a page that is generated from the definitions; the project's own chores use it.
#[derive(Debug, Args)]
pub struct Reference {
    /// Which page.
    #[arg(value_name = "PAGE")]
    pub page: Page,
}

/// A generated page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// docs/reference.md.
    Reference,
    /// docs/kapok.schema.json.
    Schema,
    /// docs/rules.md.
    Rules,
}
