//! `kapok build --lock`, `--locked` and `--offline`: how a build and its `kapok.lock` come together.
//!
//! The lock stands beside the nearest `kapok.yaml`, else beside the Dockerfile. In it an image goes by its Dockerfile's
//! path from there, with the target where one was given. One [`Locking`] stands in all doors of a build: it chooses bases,
//! looks after ADD and Git, tells the gateway what is pinned, and says which earlier results still hold.

mod repositories;
mod sources;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use build::engine::{Built, Materials};
use dockerfile::{Diagnostic, Source, Span};
use oci::lock::{FILE_NAME, ImageLock, Lock};
use oci::record::Record;
use oci::store::Store;
use oci::{Digest, Platform, Reference};
use registry::gateway::{Mode, Pin, Pins};

use crate::failure::Failure;
use crate::files;
use crate::program::Program;
use crate::projects;
use crate::settings::SettingsError;

pub use repositories::LockedGit;
pub use sources::LockedFetch;

/// What a build and its lock have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// It is written.
    Write,
    /// Nothing else is taken.
    Locked,
    /// Nothing else is taken, and nobody is asked.
    Offline,
}

/// A build's lock.
pub struct Locking {
    mode: LockMode,
    /// The file.
    path: PathBuf,
    /// The image's name in it.
    name: String,
    /// What the file says.
    lock: Lock,
    /// What it says of the image.
    image: Arc<ImageLock>,
    /// What this build took.
    took: Mutex<ImageLock>,
}

/// Which image of which lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The lock's file.
    pub path: PathBuf,
    /// The image's name in it.
    pub name: String,
}

impl Place {
    /// Of a Dockerfile by the name that the user knows, in a build of a directory.
    pub fn of(working: &Path, context: &Path, dockerfile: &str, target: Option<&str>) -> Place {
        let file = working.join(dockerfile).canonicalize().ok().filter(|file| file.is_file());
        let begin = match &file {
            Some(file) => file.parent().unwrap_or(working).to_owned(),
            None => context.canonicalize().unwrap_or_else(|_| context.to_owned()),
        };
        let directory = projects::root(context).unwrap_or(begin);
        let name = match &file {
            Some(file) => file.strip_prefix(&directory).unwrap_or(file).display().to_string(),
            None => dockerfile.to_owned(),
        };
        let target = target.filter(|target| !target.is_empty());
        let name = target.map_or_else(|| name.clone(), |target| format!("{name}#{target}"));
        Place { path: directory.join(FILE_NAME), name }
    }
}

/// Reads a lock; `None` where there is no such file.
pub fn read(path: &Path) -> Result<Option<Lock>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file("read the lock", path)(error)),
    };
    Lock::parse(&text).map(Some).map_err(|error| {
        let span = Span::new(error.span.start, error.span.end);
        let hint = error.hint.map(str::to_owned);
        let diagnostics = vec![Diagnostic::error(span, error.message).hint_opt(hint)];
        SettingsError::Content { source_text: Source::new(path.display().to_string(), text), diagnostics }
            .into()
    })
}

impl Locking {
    /// Opens the lock of an image. `elsewhere` is a lock that counts where the image's own place has none.
    pub fn open(mode: LockMode, place: Place, elsewhere: Option<Lock>) -> Result<Locking, Failure> {
        let Place { path, name } = place;
        let lock = match (read(&path), mode) {
            // What cannot be read is written anew only if it is not there at all.
            (Ok(None), LockMode::Write) => Lock::default(),
            (Ok(None), _) => elsewhere.ok_or_else(|| {
                Failure::usage_with(
                    format!("there is no `{}`", path.display()),
                    "write it with `kapok build --lock`, where there is a network",
                )
            })?,
            (Ok(Some(lock)), _) => lock,
            (Err(failure), _) => return Err(failure),
        };
        let image = match (lock.image(&name), mode) {
            (Some(image), _) => image.clone(),
            (None, LockMode::Write) => ImageLock::default(),
            (None, _) => {
                let known: Vec<String> = lock.images.keys().map(|name| format!("`{name}`")).collect();
                return Err(Failure::usage_with(
                    format!("`{}` has no image `{name}`", path.display()),
                    format!("it has {}; add this one with `kapok build --lock`", known.join(", ")),
                ));
            }
        };
        Ok(Locking { mode, path, name, lock, image: Arc::new(image), took: Mutex::default() })
    }

    /// What it has to do with the build.
    pub fn mode(&self) -> LockMode {
        self.mode
    }

    /// Where the gateway takes answers from.
    pub fn gateway_mode(&self, store: &Arc<Store>) -> Mode {
        let online = (self.mode == LockMode::Locked).then(|| store.clone());
        let pins: Arc<dyn Pins> = Arc::new(Pinned { image: self.image.clone(), online });
        match self.mode {
            LockMode::Write => Mode::Online,
            LockMode::Locked => Mode::Locked(pins),
            LockMode::Offline => Mode::Offline(pins),
        }
    }

    /// Writes what a finished build took.
    pub fn write(mut self, program: &Program, store: &Store, built: &Built) -> Result<(), Failure> {
        let mut image = std::mem::take(&mut *self.took());
        for step in &built.report.steps {
            let Some(record) = &step.record else { continue };
            let record = store.record(record)?;
            let place = format!("step {}/{} of {}", step.number, step.of, step.stage);
            if !record.unobserved.is_empty() {
                let what = record.unobserved.join(", ");
                program.warn(&format!("{place} used what no lock knows: {what}"));
            }
            if !is_run(&record) {
                continue;
            }
            for intake in &record.intakes {
                if let Err(conflict) = image.download(intake) {
                    program.warn(&format!("{place}: {conflict}; `--no-cache` asks again for everything"));
                }
            }
        }
        let count = image.downloads.len() + image.sources.len() + image.commits.len() + image.bases.len();
        // Other images of the project were locked meanwhile.
        if let Some(now) = read(&self.path)? {
            self.lock = now;
        }
        let before = self.lock.images.insert(self.name.clone(), image);
        let changed = before != self.lock.images.get(&self.name).cloned();
        let text = self.lock.to_string();
        files::replace(&self.path, |out| out.write_all(text.as_bytes()).map_err(Failure::Output))?;
        let shown = self.path.strip_prefix(&program.environment.directory).unwrap_or(&self.path);
        let state = if changed { "locked" } else { "locked as before" };
        program.say(&format!("{state}: {count} things of `{}` in {}", self.name, shown.display()));
        Ok(())
    }

    fn took(&self) -> MutexGuard<'_, ImageLock> {
        self.took.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the lock does not have, in words with what to do about it.
    fn lacking(&self, what: &str) -> String {
        format!(
            "`{}` does not have {what} for `{}`; lock it with `kapok build --lock`",
            self.path.display(),
            self.name
        )
    }
}

/// Whether a record is of a RUN: only that has a network.
fn is_run(record: &Record) -> bool {
    record.inputs.contains_key("network")
}

impl Materials for Locking {
    fn base(&self, reference: &Reference, platform: &Platform) -> Result<Option<Digest>, String> {
        if self.mode == LockMode::Write || reference.digest().is_some() {
            return Ok(None);
        }
        let locked = self.image.bases.get(&(reference.to_string(), platform.to_string()));
        match locked {
            Some(digest) => Ok(Some(*digest)),
            None => Err(self.lacking(&format!("this image ({platform})"))),
        }
    }

    fn took(&self, reference: &Reference, platform: &Platform, manifest: Digest) {
        if reference.digest().is_none() {
            Locking::took(self).base(&reference.to_string(), platform, manifest);
        }
    }

    fn holds(&self, record: &Record) -> bool {
        self.mode == LockMode::Write || !is_run(record) || self.image.agrees(&record.intakes).is_ok()
    }
}

/// A lock as the gateway asks it.
struct Pinned {
    image: Arc<ImageLock>,
    /// The store, where upstreams may be asked for what it lacks.
    online: Option<Arc<Store>>,
}

/// Whether a request is of Git's smart http. A server packs the same objects otherwise each time; what pins it is the
/// commit, which stands in the request, and which Git verifies.
fn is_git(url: &str) -> bool {
    url.ends_with("/git-upload-pack") || url.ends_with("/info/refs?service=git-upload-pack")
}

impl Pins for Pinned {
    fn pin(&self, method: &str, url: &str, request: Option<&Digest>) -> Option<Pin> {
        let found = self.image.find(method, url, request)?;
        let digest = found.content.map(|content| content.digest).filter(|digest| {
            let here = |store: &Arc<Store>| store.has_blob(digest).unwrap_or(false);
            !is_git(url) || self.online.as_ref().is_none_or(here)
        });
        Some(Pin { digest, status: (found.status != 200).then_some(found.status) })
    }
}
