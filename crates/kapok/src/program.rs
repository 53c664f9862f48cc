//! What every command is given: environment, terminal, the spawner; and how settings and the store are had from them.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use build::sandbox::{Privilege, SandboxError, Spawner, enter_user_namespace};
use oci::Reference;
use oci::causes::causes;
use oci::layer::OverlayForm;
use oci::store::{Store, StoreError};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::registry::{LazyRuntime, Registries};
use crate::settings::{self, Settings};
use crate::ui::Terminal;

/// The process as its commands see it.
pub struct Program {
    /// Variables, directories, user.
    pub environment: Environment,
    /// The standard streams.
    pub terminal: Terminal,
    privilege: Option<Result<Privilege, SandboxError>>,
    spawner: Option<Result<Spawner, SandboxError>>,
    runtime: LazyRuntime,
}

/// What a command needs of the machine, decided before the first thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The store, with the rights to read and remove what steps wrote.
    Store,
    /// The store and sandboxes.
    Sandboxes,
}

impl Program {
    /// Prepares what a command needs. The process must have one thread: entering a user namespace and forking the
    /// spawner demand it.
    pub fn prepare(environment: Environment, terminal: Terminal, needs: Needs) -> Program {
        let mut program = Program {
            environment,
            terminal,
            privilege: None,
            spawner: None,
            runtime: LazyRuntime::default(),
        };
        if needs != Needs::Nothing {
            let privilege = enter_user_namespace();
            if let (Needs::Sandboxes, Ok(privilege)) = (needs, &privilege) {
                program.spawner = Some(Spawner::start(privilege.clone()));
            }
            program.privilege = Some(privilege);
        }
        program
    }

    /// The spawner, or why there is none.
    pub fn spawner(&self) -> Result<&Spawner, Failure> {
        match (&self.spawner, &self.privilege) {
            (Some(Ok(spawner)), _) => Ok(spawner),
            (Some(Err(error)), _) | (None, Some(Err(error))) => Err(error.clone().into()),
            (None, _) => Err(SandboxError::Gone.into()),
        }
    }

    /// The failure as the user should understand it; see [`Program::lacks_ids`].
    pub fn explain(&self, failure: Failure) -> Failure {
        self.lacks_ids(&failure).unwrap_or(failure)
    }

    /// What an error is in truth where the user has a single id: a file of another owner cannot be made then, which the
    /// kernel calls an invalid argument.
    pub fn lacks_ids(&self, error: &(dyn Error + 'static)) -> Option<Failure> {
        let Some(Ok(Privilege::SingleId { user, missing })) = &self.privilege else { return None };
        let invalid = |error: &(dyn Error + 'static)| {
            let io = error.downcast_ref::<std::io::Error>();
            io.is_some_and(|error| error.kind() == ErrorKind::InvalidInput)
        };
        let ids = || SandboxError::SubordinateIds { user: user.clone(), missing: missing.clone() };
        causes(error).any(invalid).then(|| ids().into())
    }

    /// Settings for a command that has no build context.
    pub fn settings(&self) -> Result<Settings, Failure> {
        self.settings_for(&self.environment.directory)
    }

    /// Settings for a build in this directory.
    pub fn settings_for(&self, directory: &Path) -> Result<Settings, Failure> {
        Ok(settings::load(&self.environment, Some(directory))?)
    }

    /// How registries are spoken to by these settings.
    pub fn registries(&self, settings: &Settings) -> Registries {
        Registries::new(self.runtime.clone(), &self.environment, settings)
    }

    /// The runtime that everything on the network shares, started when it is first asked for.
    pub fn runtime(&self) -> &LazyRuntime {
        &self.runtime
    }

    /// The store, opened.
    pub fn store(&self, settings: &Settings) -> Result<Store, Failure> {
        let place = store_place(&self.environment, settings)?;
        let form = if self.environment.root { OverlayForm::Trusted } else { OverlayForm::User };
        Ok(Store::open(&place, form)?)
    }

    /// Writes data to standard output.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        self.terminal.data(text).map_err(Failure::Output)
    }

    /// Tells the user something, on standard error.
    pub fn say(&self, text: &str) {
        self.terminal.say(&format!("{text}\n"));
    }

    /// Warns the user, on standard error.
    pub fn warn(&self, text: &str) {
        let word = crate::ui::line::Tone::Warn.paint("warning", self.terminal.colour);
        self.say(&format!("{word}: {text}"));
    }
}

/// Where the store is: the variable, then the settings, then the usual place.
pub fn store_place(environment: &Environment, settings: &Settings) -> Result<PathBuf, Failure> {
    if let Some(home) = environment.text("KAPOK_HOME") {
        return Ok(environment.directory.join(home));
    }
    if let Some(place) = &settings.store {
        return Ok(place.clone());
    }
    if environment.root {
        return Ok(PathBuf::from("/var/lib/kapok"));
    }
    let directory = environment.data_directory().ok_or_else(|| {
        Failure::usage_with("there is no home directory for the store", "set KAPOK_HOME to a directory")
    })?;
    Ok(directory.join("kapok"))
}

/// A name for an image, parsed: with a tag, without a digest.
pub fn image_name(text: &str) -> Result<Reference, Failure> {
    let reference: Reference =
        text.parse().map_err(|source| Failure::Name { name: text.to_owned(), source })?;
    if reference.digest().is_some() {
        return Err(Failure::usage(format!("`{text}` has a digest; a name has only a tag")));
    }
    Ok(reference)
}

/// The image that a name, digest or the beginning of an id means.
pub fn find_image(store: &Store, name: &str) -> Result<oci::Descriptor, Failure> {
    Ok(store.resolve(name)?.ok_or_else(|| StoreError::NoImage(name.to_owned()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_has_one_place() {
        let place = |variables: &[(&str, &str)], root, settings: Option<&str>| {
            let settings = Settings { store: settings.map(PathBuf::from), ..Settings::default() };
            store_place(&Environment::of(variables, root), &settings).ok()
        };
        let home = ("HOME", "/home/ada");
        assert_eq!(place(&[home], true, None), Some("/var/lib/kapok".into()));
        assert_eq!(place(&[home], false, None), Some("/home/ada/.local/share/kapok".into()));
        assert_eq!(place(&[home], false, Some("/big")), Some("/big".into()));
        assert_eq!(place(&[home, ("KAPOK_HOME", "here")], false, Some("/big")), Some("/work/here".into()));
        assert_eq!(place(&[], false, None), None);
    }
}
