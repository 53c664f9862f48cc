//! The command line: every verb and flag is defined here once; help, completion and reference come from it.
//!
//! Definitions only: nothing in this room reads a file or knows the store, so that `--help` and a mistyped flag cost
//! nothing.

pub mod archive;
pub mod base;
pub mod build;
pub mod dialect;
pub mod house;
pub mod images;
pub mod limits;
pub mod reference;
pub mod run;
pub mod steps;
pub mod values;

use clap::{Parser, Subcommand, ValueEnum};

/// Builds container images from Dockerfiles, and can say what went into each.
#[derive(Debug, Parser)]
#[command(name = "kapok", version, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, infer_subcommands = false)]
pub struct Cli {
    /// When to use colour on the terminal.
    #[arg(
        long,
        alias = "color",
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true
    )]
    pub colour: Colour,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR, CLICOLOR or TERM say otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a command prints its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile.
    Build(build::Build),
    /// Show what a build would do, without doing it.
    Plan(build::Plan),
    /// Print the output of a build's steps.
    Logs(steps::Logs),
    /// Open a shell in a step's snapshot: before the step that failed last, or after `IMAGE#STEP`.
    Shell(steps::Shell),
    /// Say why a step ran, what it was given and what it wrote.
    Explain(steps::Explain),
    /// Assemble a base image from signed packages.
    Base(base::Base),
    /// List the images in the store.
    Images(images::Images),
    /// Print everything known about images, as JSON.
    Inspect(images::Inspect),
    /// Compare two images: files and configuration.
    Diff(images::Diff),
    /// Give an image another name.
    Tag(images::Tag),
    /// Remove names of images; `kapok gc` then frees the space.
    Rmi(images::Rmi),
    /// Run a command in an image; what it writes is discarded.
    Run(run::Run),
    /// Load images from an archive or layout.
    Load(archive::Load),
    /// Save images to an archive or layout.
    Save(archive::Save),
    /// Free space in the store.
    Gc(house::Gc),
    /// Say what this machine can and cannot do, and what would enable it.
    Doctor(house::Doctor),
    /// Print a completion script for a shell.
    Completion(house::Completion),
    /// Print a page that is generated from the definitions.
    #[command(name = "__reference", hide = true)]
    Reference(house::Reference),
}

#[cfg(test)]
mod tests;
