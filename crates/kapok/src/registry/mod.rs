//! Registries for the product: what the `registry` crate is given of settings, environment, clock and terminal.

pub mod cache;
pub mod hints;
pub mod images;
pub mod logins;
pub mod options;
pub mod pushing;
pub mod transfers;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use oci::store::{Document, Store};
use oci::{Descriptor, Digest, Reference};
use registry::Runtime;
use registry::client::credentials::CredentialSource;
use registry::client::{Client, Options, Progress};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::settings::Settings;
use logins::Logins;

/// The one asynchronous runtime, started when something first needs the network. Never before the spawner was forked.
#[derive(Clone, Default)]
pub struct LazyRuntime(Arc<Mutex<Option<Runtime>>>);

impl LazyRuntime {
    /// The runtime.
    pub fn get(&self) -> Result<Runtime, RegistryError> {
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*started {
            return Ok(runtime.clone());
        }
        let runtime = Runtime::start().map_err(RegistryError::Threads)?;
        *started = Some(runtime.clone());
        Ok(runtime)
    }
}

/// What keeps registries from being asked at all.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No threads.
    #[error("cannot start the threads for the network")]
    Threads(#[source] io::Error),
    /// A short name where there may be none.
    #[error("`{name}` does not say from which registry")]
    ShortName {
        /// As written.
        name: String,
        /// What Docker would take it for.
        meant: String,
    },
}

/// How registries are spoken to. One for a command; threads share it.
pub struct Registries {
    runtime: LazyRuntime,
    environment: Environment,
    settings: Settings,
    client: Mutex<Option<Client>>,
}

impl Registries {
    /// By the settings and the environment. Nothing is read or started yet.
    pub fn new(runtime: LazyRuntime, environment: &Environment, settings: &Settings) -> Registries {
        let (environment, settings) = (environment.clone(), settings.clone());
        Registries { runtime, environment, settings, client: Mutex::default() }
    }

    /// The client, made when it is first asked for.
    pub fn client(&self) -> Result<Client, RegistryError> {
        let mut made = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*made {
            return Ok(client.clone());
        }
        let client = self.client_as(Arc::new(self.logins()))?;
        *made = Some(client.clone());
        Ok(client)
    }

    /// A client of its own with other credentials.
    pub fn client_as(&self, credentials: Arc<dyn CredentialSource>) -> Result<Client, RegistryError> {
        let options = Options { credentials, ..options::of(&self.environment, &self.settings.registries) };
        Ok(Client::new(&self.runtime.get()?, options))
    }

    /// The user's credentials.
    pub fn logins(&self) -> Logins {
        Logins::of(&self.environment)
    }

    /// Brings blobs of an image that are not in the store from where the store knows them to be.
    pub fn bring(&self, store: &Store, image: &Digest, progress: &dyn Progress) -> Result<(), Failure> {
        let mut missing: Vec<(Reference, Vec<Descriptor>)> = Vec::new();
        for blob in blobs(store, image)? {
            if store.has_blob(&blob.digest)? {
                continue;
            }
            let Some(repository) = store.origin(&blob.digest)? else { continue };
            match missing.iter_mut().find(|(known, _)| known.name() == repository.name()) {
                Some((_, blobs)) => blobs.push(blob),
                None => missing.push((repository, vec![blob])),
            }
        }
        for (repository, blobs) in missing {
            self.client()?.fetch_from(&repository, &blobs, store, progress)?;
        }
        Ok(())
    }

    /// A name of an image in a registry, parsed; short ones as the settings have it.
    pub fn reference(&self, text: &str) -> Result<Reference, Failure> {
        let reference: Reference =
            text.parse().map_err(|source| Failure::Name { name: text.to_owned(), source })?;
        self.permit(text, &reference)?;
        Ok(reference)
    }

    /// Refuses a short name where the settings do; `text` is what the reference was parsed from.
    pub fn permit(&self, text: &str, reference: &Reference) -> Result<(), RegistryError> {
        if self.settings.deny_short_names && is_short(text, reference) {
            let (name, meant) = (text.to_owned(), reference.to_string());
            return Err(RegistryError::ShortName { name, meant });
        }
        Ok(())
    }
}

/// Layers of an image, for all its platforms that are in the store.
pub fn blobs(store: &Store, image: &Digest) -> Result<Vec<Descriptor>, Failure> {
    let document = store.document(image)?;
    let Document::Index(index) = &document else { return Ok(layers(&document)) };
    let mut all = Vec::new();
    for manifest in &index.value().manifests {
        if store.has_blob(&manifest.digest)? {
            all.extend(layers(&store.document(&manifest.digest)?));
        }
    }
    Ok(all)
}

fn layers(document: &Document) -> Vec<Descriptor> {
    match document {
        Document::Manifest(manifest) => manifest.value().layers.clone(),
        Document::Index(_) => Vec::new(),
    }
}

/// Whether a name has no registry of its own, so that it is Docker Hub's.
fn is_short(text: &str, reference: &Reference) -> bool {
    let named = ["docker.io/", "index.docker.io/"].iter().any(|domain| text.starts_with(domain));
    reference.domain() == "docker.io" && !named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(text: &str, deny_short_names: bool) -> Result<String, String> {
        let settings = Settings { deny_short_names, ..Settings::default() };
        let registries = Registries::new(LazyRuntime::default(), &Environment::of(&[], false), &settings);
        let found = registries.reference(text);
        found.map(|found| found.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn short_names_are_dockers_or_none() {
        assert_eq!(reference("debian", false), Ok("docker.io/library/debian:latest".to_owned()));
        assert_eq!(reference("debian", true), Err("`debian` does not say from which registry".to_owned()));
        assert!(reference("team/app:1", true).is_err());
        for whole in
            ["docker.io/debian", "index.docker.io/library/debian", "localhost/x", "quay.io/a/b", "h:5000/x"]
        {
            assert!(reference(whole, true).is_ok(), "{whole}");
        }
    }
}
