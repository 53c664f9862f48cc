//! This machine's apt configuration: where Debian comes from here, and whose signature counts.
//!
//! No mirror is written down in Kapok. A suite comes from the sources that the machine itself installs from
//! (sources.list(5)), with the keyrings that they name; `--mirror` and `--keyring` say otherwise. Given a mirror, a base
//! is what `mmdebstrap --variant=minbase SUITE TARGET MIRROR` makes: that one suite, component `main`. Given none, it
//! is what mmdebstrap makes of the machine's own sources: the suite, its updates and its security updates.

mod auth;
mod list;

use crate::fetch::Login;
use build::base::debian::{KeyFile, Source, ValidUntil};
use list::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where apt's configuration is.
const ETC: &str = "/etc/apt";

/// Where distributions put the keyrings of their archives.
const KEYRINGS: &str = "/usr/share/keyrings";

/// Bytes of a keyring or a list of sources.
const FILE_LIMIT: u64 = 16 << 20;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// The suite.
    pub suite: &'a str,
    /// Components; none: those of the machine's sources, or `main`.
    pub components: &'a [String],
    /// Archives instead of the machine's.
    pub mirrors: &'a [String],
    /// Keyrings instead of the machine's.
    pub keyrings: &'a [PathBuf],
    /// Debian's name of the architecture.
    pub architecture: &'a str,
}

/// Why there are no sources.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// The machine's sources do not have the suite.
    #[error("this machine's apt sources have no suite `{suite}` for {architecture}")]
    Suite {
        /// What was asked for.
        suite: String,
        /// Debian's name of the architecture.
        architecture: String,
        /// The suites that they have.
        known: Vec<String>,
    },
    /// No keyring that could vouch for the archive.
    #[error("no keyring was found that could verify suite `{suite}`")]
    Keyring {
        /// What was asked for.
        suite: String,
    },
    /// A keyring cannot be read.
    #[error("cannot read keyring `{}`", path.display())]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A mirror is not the address of an archive.
    #[error("`{0}` is not the address of an archive: only `http` and `https` are fetched")]
    Mirror(String),
    /// `Signed-By` names a key by its fingerprint.
    #[error("the machine's source for `{suite}` is signed by a key that it names by fingerprint")]
    Fingerprint {
        /// The suite.
        suite: String,
    },
}

impl AptError {
    /// What would help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Suite { known, .. } if known.is_empty() => {
                Some("name an archive by `--mirror URL`, and its keyring by `--keyring FILE`".to_owned())
            }
            Self::Suite { known, .. } => {
                Some(format!("they have {}; name another archive by `--mirror URL`", known.join(", ")))
            }
            Self::Keyring { .. } | Self::Fingerprint { .. } => {
                Some("name the keyring by `--keyring FILE`".to_owned())
            }
            Self::Read { .. } | Self::Mirror(_) => None,
        }
    }
}

/// Finds the sources for a suite.
pub fn sources(wanted: &Wanted<'_>) -> Result<Vec<Source>, AptError> {
    let machine = Machine::read(Path::new(ETC), Path::new(KEYRINGS));
    machine.sources(wanted, valid_until())
}

/// Logins for the archives of the machine's sources, and for mirrors that were given with one.
pub fn logins(mirrors: &[String]) -> Vec<Login> {
    let machine = Machine::read(Path::new(ETC), Path::new(KEYRINGS));
    let uris = machine.entries.iter().flat_map(|entry| &entry.uris).chain(mirrors);
    uris.filter_map(|uri| auth::take(uri).1).chain(auth::logins(Path::new(ETC))).collect()
}

/// A machine's configuration, as far as it matters here.
#[derive(Debug, Clone, Default)]
struct Machine {
    entries: Vec<Entry>,
    /// Keyrings that count for every source that names none.
    trusted: Vec<PathBuf>,
    /// Keyrings of distributions' archives, trusted or not.
    archives: Vec<PathBuf>,
}

impl Machine {
    fn read(etc: &Path, keyrings: &Path) -> Self {
        let mut entries = Vec::new();
        let lists = files_in(&etc.join("sources.list.d"));
        for path in std::iter::once(etc.join("sources.list")).chain(lists) {
            let Ok(text) = read(&path) else { continue };
            let text = String::from_utf8_lossy(&text);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("list") => entries.extend(list::one_line(&text)),
                Some("sources") => entries.extend(list::deb822(&text)),
                _ => {}
            }
        }
        let is_keyring = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "gpg" || extension == "asc")
        };
        let is_archives = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.ends_with("-archive-keyring.gpg") || name.ends_with("-archive-keyring.asc")
        };
        let whole = Some(etc.join("trusted.gpg")).filter(|path| path.is_file());
        Self {
            entries,
            trusted: files_in(&etc.join("trusted.gpg.d"))
                .into_iter()
                .filter(is_keyring)
                .chain(whole)
                .collect(),
            archives: files_in(keyrings).into_iter().filter(is_archives).collect(),
        }
    }

    fn sources(&self, wanted: &Wanted<'_>, valid_until: ValidUntil) -> Result<Vec<Source>, AptError> {
        let own = wanted.keyrings.iter().map(|path| key_file(path)).collect::<Result<Vec<_>, _>>()?;
        // `main contrib` in one word, and the same one twice, as mmdebstrap takes them.
        let mut components: Vec<String> = Vec::new();
        for word in wanted.components.iter().flat_map(|words| words.split_whitespace()) {
            if !components.iter().any(|known| known == word) {
                components.push(word.to_owned());
            }
        }
        let wanted = &Wanted { components: &components, ..wanted.clone() };
        let found = if wanted.mirrors.is_empty() {
            self.of_the_machine(wanted, &own, valid_until)?
        } else {
            let mirrors = wanted.mirrors.iter();
            mirrors
                .map(|mirror| self.of_a_mirror(mirror, wanted, &own, valid_until))
                .collect::<Result<_, _>>()?
        };
        Ok(found)
    }

    fn of_a_mirror(
        &self,
        mirror: &str,
        wanted: &Wanted<'_>,
        own: &[KeyFile],
        valid_until: ValidUntil,
    ) -> Result<Source, AptError> {
        if !is_fetched(mirror) {
            return Err(AptError::Mirror(mirror.to_owned()));
        }
        let same = self.entries.iter().find(|entry| entry.suites.iter().any(|suite| suite == wanted.suite));
        let (keys, signed_by) = match (own.is_empty(), same) {
            (false, _) => (own.to_vec(), true),
            (true, Some(entry)) => self.keys(entry, wanted.suite)?,
            (true, None) => (self.all_keys(wanted.suite)?, false),
        };
        let components =
            if wanted.components.is_empty() { vec!["main".to_owned()] } else { wanted.components.to_vec() };
        let uri = auth::take(mirror.trim_end_matches('/')).0;
        Ok(Source { uri, suite: wanted.suite.to_owned(), components, keys, signed_by, valid_until })
    }

    fn of_the_machine(
        &self,
        wanted: &Wanted<'_>,
        own: &[KeyFile],
        valid_until: ValidUntil,
    ) -> Result<Vec<Source>, AptError> {
        let mut found = Vec::new();
        // The suite itself first; what updates it afterwards, in the machine's order.
        let names = ["", "-updates", "-security", "/updates"].map(|end| format!("{}{end}", wanted.suite));
        for name in &names {
            for entry in self.entries.iter().filter(|entry| entry.serves(wanted.architecture)) {
                if !entry.suites.contains(name) {
                    continue;
                }
                let (keys, signed_by) =
                    if own.is_empty() { self.keys(entry, name)? } else { (own.to_vec(), true) };
                let components =
                    if wanted.components.is_empty() { &entry.components[..] } else { wanted.components };
                for uri in entry.uris.iter().filter(|uri| is_fetched(uri)).take(1) {
                    found.push(Source {
                        uri: auth::take(uri.trim_end_matches('/')).0,
                        suite: name.clone(),
                        components: components.to_vec(),
                        keys: keys.clone(),
                        signed_by,
                        valid_until: match entry.check_valid_until {
                            Some(true) => ValidUntil::Checked,
                            Some(false) => ValidUntil::IgnoredBySource,
                            None => valid_until,
                        },
                    });
                }
            }
        }
        if found.first().is_some_and(|source| source.suite == wanted.suite) {
            return Ok(found);
        }
        let mut known: Vec<String> = self.entries.iter().flat_map(|entry| entry.suites.clone()).collect();
        known.sort();
        known.dedup();
        let (suite, architecture) = (wanted.suite.to_owned(), wanted.architecture.to_owned());
        Err(AptError::Suite { suite, architecture, known })
    }

    /// The keyrings of a source, and whether it names them itself.
    fn keys(&self, entry: &Entry, suite: &str) -> Result<(Vec<KeyFile>, bool), AptError> {
        if let Some(block) = &entry.inline_key {
            let key = KeyFile { path: format!("{suite}.asc"), bytes: block.clone().into_bytes() };
            return Ok((vec![key], true));
        }
        if entry.signed_by.is_empty() {
            return Ok((self.all_keys(suite)?, false));
        }
        let paths: Vec<&Path> =
            entry.signed_by.iter().map(Path::new).filter(|path| path.is_absolute()).collect();
        if paths.is_empty() {
            return Err(AptError::Fingerprint { suite: suite.to_owned() });
        }
        Ok((paths.into_iter().map(key_file).collect::<Result<_, _>>()?, true))
    }

    /// Keys that apt trusts without being told, and where there are none, those of distributions' archives.
    fn all_keys(&self, suite: &str) -> Result<Vec<KeyFile>, AptError> {
        let paths = if self.trusted.is_empty() { &self.archives } else { &self.trusted };
        let keys: Vec<KeyFile> = paths.iter().filter_map(|path| key_file(path).ok()).collect();
        if keys.is_empty() { Err(AptError::Keyring { suite: suite.to_owned() }) } else { Ok(keys) }
    }
}

fn is_fetched(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

fn key_file(path: &Path) -> Result<KeyFile, AptError> {
    match read(path) {
        Ok(bytes) => Ok(KeyFile { path: path.display().to_string(), bytes }),
        Err(source) => Err(AptError::Read { path: path.to_owned(), source }),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(fs::File::open(path)?, FILE_LIMIT), &mut bytes)?;
    Ok(bytes)
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// `Acquire::Check-Valid-Until` of the machine's apt; where there is no apt, its default.
fn valid_until() -> ValidUntil {
    let mut command = Command::new("apt-config");
    command.args(["shell", "check", "Acquire::Check-Valid-Until/b"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let ignored = output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("'false'"));
    if ignored { ValidUntil::Ignored } else { ValidUntil::Checked }
}

#[cfg(test)]
mod tests;
