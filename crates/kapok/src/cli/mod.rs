//! The command line: every verb and flag is defined here once; help, completion and reference come from it.
//!
//! Definitions only: nothing in this room reads a file or knows the store, so that `--help` and a mistyped flag cost
//! nothing.

pub mod archive;
pub mod base;
pub mod build;
pub mod check;
pub mod dialect;
pub mod house;
pub mod images;
pub mod limits;
pub mod project;
pub mod reference;
pub mod registry;
pub mod run;
pub mod serve;
pub mod status;
pub mod steps;
pub mod switches;
pub mod values;
pub mod vendor;

use clap::{Parser, Subcommand, ValueEnum};

/// Builds container images from Dockerfiles, and can say what went into each.
#[derive(Debug, Parser)]
#[command(name = "kapok", version, max_term_width = 100, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, infer_subcommands = false, args_override_self = true)]
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

/// The verbs. Each is described where its flags are.
#[derive(Debug, Subcommand)]
pub enum Command {
    Build(Box<build::Build>),
    Plan(build::Plan),
    Status(status::Status),
    Logs(steps::Logs),
    Shell(steps::Shell),
    Explain(steps::Explain),
    Graph(project::Graph),
    Affected(project::Affected),
    Init(project::Init),
    Base(base::Base),
    Vendor(vendor::Vendor),
    Check(check::Check),
    Images(images::Images),
    Inspect(images::Inspect),
    Diff(images::Diff),
    Tag(images::Tag),
    Rmi(images::Rmi),
    Run(run::Run),
    Load(archive::Load),
    Save(archive::Save),
    Pull(registry::Pull),
    Push(registry::Push),
    Copy(registry::Copy),
    Login(registry::Login),
    Logout(registry::Logout),
    Serve(serve::Serve),
    Gc(house::Gc),
    Doctor(house::Doctor),
    Completion(house::Completion),
    /// Print a page that is generated from the definitions.
    #[command(name = "__reference", hide = true)]
    Reference(house::Reference),
}

#[cfg(test)]
mod tests;
