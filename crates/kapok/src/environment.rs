//! The process's environment, captured once at the start: variables, user, directories.
//!
//! Every variable that Kapok reads stands in [`VARIABLES`], which is also its documentation.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A variable that Kapok reads, and what for.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// One sentence for the reference.
    pub meaning: &'static str,
}

const fn variable(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, meaning }
}

/// Every variable that Kapok reads. Variables named by `--build-arg NAME` and `--secret env=NAME` come on top.
pub const VARIABLES: &[Variable] = &[
    variable(
        "KAPOK_HOME",
        "the store's directory; default `/var/lib/kapok` for root, else `$XDG_DATA_HOME/kapok`",
    ),
    variable("HOME", "where the directories below default to"),
    variable("XDG_DATA_HOME", "the user's data directory; default `~/.local/share`"),
    variable("XDG_CONFIG_HOME", "where the user's `kapok/kapok.yaml` is looked for; default `~/.config`"),
    variable("SOURCE_DATE_EPOCH", "the time that files of a build are clamped to; the flag wins"),
    variable("SSH_AUTH_SOCK", "the agent that `--ssh default` passes to steps that mount it"),
    variable("NO_COLOR", "if not empty, no colour"),
    variable("CLICOLOR_FORCE", "if neither empty nor `0`, colour even where the output is no terminal"),
    variable("CLICOLOR", "if `0`, no colour"),
    variable("TERM", "`dumb` means: no colour and no live view"),
    variable("CI", "if not empty, progress is plain lines even on a terminal"),
    variable("HTTP_PROXY", "proxy for http upstreams; lower case works too"),
    variable("HTTPS_PROXY", "proxy for https upstreams; lower case works too"),
    variable("ALL_PROXY", "proxy for all upstreams; lower case works too"),
    variable("NO_PROXY", "hosts reached without a proxy; lower case works too"),
    variable("REGISTRY_AUTH_FILE", "the only file that credentials for registries are kept in"),
    variable(
        "DOCKER_CONFIG",
        "the directory of Docker's `config.json` with credentials; default `~/.docker`",
    ),
    variable("DOCKER_AUTH_CONFIG", "credentials for registries, as the text of such a file; asked first"),
    variable("XDG_RUNTIME_DIR", "where Podman's `containers/auth.json` with credentials is looked for"),
    variable("SSL_CERT_FILE", "the certificate authorities to trust, instead of the system's"),
    variable("SSL_CERT_DIR", "a directory of certificate authorities to trust"),
];

/// What the process was given, as values.
#[derive(Clone, Debug)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// The working directory.
    pub directory: PathBuf,
    /// Whether the effective user is root. Taken before the process enters a user namespace, where everybody is.
    pub root: bool,
}

impl Environment {
    /// Reads the process's environment.
    pub fn capture() -> Environment {
        Environment {
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// An environment made of values, for tests.
    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)], root: bool) -> Environment {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Environment { variables, directory: PathBuf::from("/work"), root }
    }

    /// A variable's value, also one that the user names (`--build-arg NAME`).
    pub fn variable(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.variables.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// A variable's value as text, if it is text and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variable(name).and_then(OsStr::to_str).filter(|value| !value.is_empty())
    }

    /// A proxy variable's value, upper or lower case; lower case wins, as curl has it.
    pub fn proxy(&self, name: &str) -> Option<&str> {
        self.text(&name.to_lowercase()).or_else(|| self.text(name))
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.absolute("HOME")
    }

    /// The user's configuration directory (XDG base directory specification).
    pub fn config_directory(&self) -> Option<PathBuf> {
        self.absolute("XDG_CONFIG_HOME").or_else(|| Some(self.home()?.join(".config")))
    }

    /// The user's data directory (XDG base directory specification).
    pub fn data_directory(&self) -> Option<PathBuf> {
        self.absolute("XDG_DATA_HOME").or_else(|| Some(self.home()?.join(".local/share")))
    }

    /// A variable that names a directory; a relative one is ignored, as the XDG specification demands.
    fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_xdg_directories_are_ignored() {
        let environment = Environment::of(&[("HOME", "/home/ada"), ("XDG_DATA_HOME", "data")], false);
        assert_eq!(environment.data_directory(), Some(PathBuf::from("/home/ada/.local/share")));
    }

    #[test]
    fn a_lower_case_proxy_wins() {
        let environment =
            Environment::of(&[("HTTP_PROXY", "http://up"), ("http_proxy", "http://low")], false);
        assert_eq!(environment.proxy("HTTP_PROXY"), Some("http://low"));
    }
}
