//! `kapok serve`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::values::Size;

/// Serves the store to others: as a registry, from which they may pull what it has tagged and to which they may push, and
/// as a proxy that fetches packages once for all of them.
///
/// Ends well on an interrupt or a termination signal, after requests that run have come to their end.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub struct Serve {
    /// Be a registry at this address: `127.0.0.1:5000`, `[::]:5000`, or `:5000` for all addresses of this machine. Beyond
    /// loopback, somebody must have credentials.
    #[arg(long, value_name = "ADDRESS", group = "what")]
    pub registry: Option<String>,

    /// Serve packages at this address: `/repository/NAME/…` is what the upstream has that the settings call NAME under
    /// `packages`; `/health` and `/metrics` are for whoever looks after it. Read-only, and without credentials: beyond
    /// loopback, it wants `--open-to-all`.
    #[arg(long, value_name = "ADDRESS", group = "what")]
    pub packages: Option<String>,

    /// Users and passwords, as `htpasswd -B` writes them.
    #[arg(long, value_name = "FILE")]
    pub htpasswd: Option<PathBuf>,

    /// Tokens that stand for users: lines of `NAME:TOKEN`, or `NAME:sha256:DIGEST` with the token's digest. A token is
    /// given in place of the password.
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,

    /// Who may do what: lines of `WHO RIGHTS REPOSITORIES`, such as `ada pull,push team/**`. WHO is a user, `users` for all
    /// of them or `anyone`; RIGHTS are `pull`, `push` and `delete`. Without the file, whoever has credentials may do
    /// everything.
    #[arg(long, value_name = "FILE")]
    pub rights: Option<PathBuf>,

    /// How clients are told to show who they are.
    #[arg(long, value_name = "WAY", default_value = "basic")]
    pub auth: Auth,

    /// The certificate, and those that lead to its authority, in PEM form.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serve everybody who can reach the address, without credentials.
    #[arg(long)]
    pub open_to_all: bool,

    /// The largest blob that is taken.
    #[arg(long, value_name = "SIZE", default_value = "64g")]
    pub max_blob: Size,

    /// Connections at once; more wait.
    #[arg(long, value_name = "NUMBER", default_value = "1024", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_connections: u16,

    /// Say only what goes wrong.
    #[arg(short, long)]
    pub quiet: bool,
}

/// How clients are told to show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// With every request, by name and password.
    Basic,
    /// Once, for a token that this server makes and that is good for some minutes.
    Token,
}
