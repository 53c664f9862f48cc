//! How a step comes to trust its gateway, and how nothing of that stays in its layer.
//!
//! A gateway that looks into https has an authority of its own, made for one step. Programs are told of it three ways, each
//! for those that the one before does not reach:
//!
//! 1. by environment variables, which name files in `/run/kapok`: [`environment`];
//! 2. by the bundles that the snapshot has, which look as if the authority stood in them: [`bundles`];
//!    So do those that the command itself names, `--cacert /certs/ours.pem`: [`named`];
//! 3. by a hook of `update-ca-certificates` and one of apt, for bundles that the step makes anew.
//!
//! What the snapshot has not, it is not given: a directory that was there before a package came would be missing in the
//! layer. After the step, [`clean`] takes out what programs have copied, and makes sure that nothing is left.
//!
//! Java's keystores are left as they are, because `keytool` writes all of a keystore anew when it adds one certificate:
//! Java learns of the authority by an option alone.

mod authorities;
pub mod bundles;
mod clean;
mod environment;
pub mod keystore;
mod named;
pub mod pem;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use super::snapshot::Snapshot;
use crate::sandbox::{MountSource, SandboxMount, StandIn};

pub use authorities::{Authorities, AuthorityError};
pub use clean::{CleanError, Cleaned, clean};

/// Where the files are for the time of a step.
pub const DIRECTORY: &str = "/run/kapok";

/// No bundle in good faith is larger; the usual one has 220 KiB.
const LARGEST_BUNDLE: u64 = 4 << 20;

/// The version of what a step finds in its environment and in its files: a part of its key.
pub const VERSION: &str = "3";

/// What a step is given, so that it trusts its gateway.
#[derive(Debug, Default)]
pub struct Trust {
    /// Variables in place of those of the same names.
    pub env: Vec<(OsString, OsString)>,
    /// What is in [`DIRECTORY`].
    pub files: Vec<(String, Vec<u8>)>,
    /// Files of the snapshot that look otherwise.
    pub stand_ins: Vec<StandIn>,
}

/// A snapshot's files, for reading.
pub trait Files {
    /// A file, links followed; nothing where there is none, or a large one.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// Where a path leads when links are followed, if something is there.
    fn real_path(&self, path: &str) -> Option<String>;
    /// What is in a directory; links followed.
    fn names(&self, directory: &str) -> Vec<String>;
}

impl Trust {
    /// What a step with this environment over these files needs. `command`: what it runs, in any number of texts.
    pub fn new(
        authorities: &Authorities,
        env: &[(OsString, OsString)],
        command: &[&str],
        files: &dyn Files,
    ) -> Trust {
        let mut trust = Trust::default();
        let bundle = bundles::first(files).unwrap_or_default();
        let text = |value: &OsString| value.to_str().map(str::to_owned);
        let env: Vec<(String, String)> =
            env.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        environment::add(&mut trust, authorities, &env, command, files, &bundle);
        let named = command.iter().flat_map(|text| named::bundles(text, &env)).collect();
        bundles::add(&mut trust, authorities, &env, named, files);
        trust
    }

    /// The directory, mounted.
    pub fn mount(&self) -> SandboxMount {
        SandboxMount {
            target: DIRECTORY.into(),
            source: MountSource::Files { files: self.files.clone() },
            read_only: false,
        }
    }

    /// The environment with the variables in their places.
    pub fn apply(&self, env: &mut Vec<(OsString, OsString)>) {
        env.retain(|(name, _)| !self.env.iter().any(|(ours, _)| ours == name));
        env.extend(self.env.iter().cloned());
    }

    /// Adds a file and says where the step finds it.
    fn add_file(&mut self, name: &str, content: Vec<u8>) -> String {
        self.files.push((name.to_owned(), content));
        format!("{DIRECTORY}/{name}")
    }
}

/// For the fuzzer: a certificate, and a bundle, from anybody's image.
#[doc(hidden)]
pub fn fuzz_trust(data: &[u8]) {
    if let Ok(Some(new)) = keystore::with(data, &[b"ours".to_vec()]) {
        assert_eq!(keystore::with(&new, &[b"ours".to_vec()]), Ok(None));
    }
    let Ok(authorities) = Authorities::new(data, data) else {
        for certificate in pem::certificates(data).iter().map(Vec::as_slice).chain([data]) {
            pem::public_key(certificate);
        }
        return;
    };
    assert_eq!(authorities.removed_from(&authorities.appended_to(b"x")), b"x");
}

impl Files for Snapshot {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.read_small(path, LARGEST_BUNDLE)
    }

    fn real_path(&self, path: &str) -> Option<String> {
        Snapshot::real_path(self, path)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        Snapshot::names(self, directory)
    }
}
