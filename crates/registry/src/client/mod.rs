//! A client for registries: resolves, pulls, pushes and copies images.
//!
//! Its methods block the calling thread and may be called from many at once. Requests are tried again while that makes
//! sense; downloads go on where they broke off, uploads where the registry says it got to. What does not have the digest
//! it should have is an error, and nothing of it is left.

mod auth;
mod blobs;
pub mod config;
mod connect;
pub mod credentials;
mod error;
mod image;
mod lists;
mod manifests;
mod parallel;
mod pull;
mod push;
mod request;
mod retry;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;

use oci::{Descriptor, Digest, Reference};
use rustls::pki_types::CertificateDer;

use crate::{Runtime, TagOrDigest};
use auth::Authentication;
use config::{Place, RegistryConfig, pull_places, push_place};
use connect::Connector;
use credentials::CredentialSource;

pub use connect::{ProxyChooser, Timeouts, authorities};
pub use error::{PullError, PushError, RequestError, TransportError};
pub use image::{Parts, RemoteImage};
pub use manifests::RemoteManifest;
pub use pull::{Platforms, Pulled};
pub use push::{PushOptions, Pushed};
pub use retry::{Pause, RealTime, RetryPolicy};
pub use uploads::Sent;

/// Everything that a client is given.
#[derive(Clone)]
pub struct Options {
    /// Registries that are not as their names say.
    pub registries: Vec<RegistryConfig>,
    /// Whom the machine trusts; see [`authorities`].
    pub authorities: Vec<CertificateDer<'static>>,
    /// Directories with certificates per registry, as Docker's `certs.d`: `HOST:PORT/*.crt`, `*.cert`, `*.key`.
    pub certificate_directories: Vec<PathBuf>,
    /// Who we are.
    pub credentials: Arc<dyn CredentialSource>,
    /// Which proxy a URL takes.
    pub proxy: Option<ProxyChooser>,
    /// How often and how soon requests are tried again.
    pub retry: RetryPolicy,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How the time between is spent.
    pub pause: Arc<dyn Pause>,
    /// Blobs that are transferred at once.
    pub parallel: usize,
    /// As which program we present ourselves.
    pub user_agent: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            registries: Vec::new(),
            authorities: Vec::new(),
            certificate_directories: Vec::new(),
            credentials: Arc::new(()),
            proxy: None,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            pause: Arc::new(RealTime),
            parallel: 4,
            user_agent: concat!("kapok/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// How far a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many of its bytes are over; fewer than before after a failure.
    At(u64),
    /// It was there already, or the registry took it over from another repository.
    Skipped,
    /// It is over.
    Done,
}

/// Told how far blobs are, from the threads that transfer them.
pub trait Progress: Sync {
    /// Something happened to a blob.
    fn transfer(&self, blob: &Descriptor, transfer: Transfer);

    /// Whether nobody wants what is on its way any more.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Nobody watches.
impl Progress for () {
    fn transfer(&self, _blob: &Descriptor, _transfer: Transfer) {}
}

/// A client. Clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    runtime: Runtime,
    inner: Arc<Inner>,
}

struct Inner {
    registries: Vec<RegistryConfig>,
    connector: Connector,
    authentication: Authentication,
    retry: RetryPolicy,
    pause: Arc<dyn Pause>,
    parallel: usize,
}

impl Client {
    /// A client that uses the runtime's threads for its connections.
    pub fn new(runtime: &Runtime, options: Options) -> Client {
        let connector = Connector {
            authorities: options.authorities,
            certificate_directories: options.certificate_directories,
            proxy: options.proxy,
            user_agent: options.user_agent,
            timeouts: options.timeouts,
            clients: Default::default(),
        };
        let inner = Inner {
            registries: options.registries,
            connector,
            authentication: Authentication::new(options.credentials, options.timeouts),
            retry: options.retry,
            pause: options.pause,
            parallel: options.parallel.max(1),
        };
        Client { runtime: runtime.clone(), inner: Arc::new(inner) }
    }

    /// What a reference names now: manifest or image index.
    pub fn resolve(&self, reference: &Reference) -> Result<Descriptor, PullError> {
        self.try_places(reference, |place| {
            self.runtime.wait(self.head_manifest(place, &TagOrDigest::of(reference)))
        })
        .map(|(_, descriptor)| descriptor)
    }

    /// The manifest or image index that a reference names, verified.
    pub fn manifest(&self, reference: &Reference) -> Result<RemoteManifest, PullError> {
        self.locate(reference).map(|(_, manifest)| manifest)
    }

    /// All tags of the reference's repository, in the registry's order.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>, PullError> {
        self.try_places(reference, |place| self.runtime.wait(self.list_tags(place))).map(|(_, tags)| tags)
    }

    /// Manifests that speak about the one that the reference names; of one kind, if it is given.
    pub fn referrers(&self, reference: &Reference, kind: Option<&str>) -> Result<Vec<Descriptor>, PullError> {
        let subject = match reference.digest() {
            Some(digest) => *digest,
            None => self.resolve(reference)?.digest,
        };
        self.try_places(reference, |place| self.runtime.wait(self.list_referrers(place, &subject, kind)))
            .map(|(_, found)| found)
    }

    /// Deletes what the reference names: the manifest if it has a digest, else the tag.
    pub fn delete(&self, reference: &Reference) -> Result<(), PushError> {
        let place = push_place(&self.inner.registries, reference)?;
        let name = TagOrDigest::of(reference);
        let deleted = self.runtime.wait(self.delete_manifest(&place, &name));
        deleted.map_err(|source| push::part(&name, &place, source))
    }

    /// Deletes a blob of the reference's repository.
    pub fn delete_blob_of(&self, reference: &Reference, blob: &Digest) -> Result<(), PushError> {
        let place = push_place(&self.inner.registries, reference)?;
        let deleted = self.runtime.wait(self.delete_blob(&place, blob));
        deleted.map_err(|source| push::part(blob, &place, source))
    }

    /// Whether a registry takes our credentials: what `login` asks. `reference` names any repository there.
    pub fn check_credentials(&self, reference: &Reference) -> Result<(), PushError> {
        let place = push_place(&self.inner.registries, reference)?;
        let checked = self.runtime.wait(self.check(&place));
        checked.map_err(|source| push::part(&"credentials", &place, source))
    }

    /// Asks the places where a reference may be, best first, until one has it.
    fn try_places<T>(
        &self,
        reference: &Reference,
        ask: impl Fn(&Place) -> Result<T, RequestError>,
    ) -> Result<(Vec<Place>, T), PullError> {
        let mut places = pull_places(&self.inner.registries, reference)?;
        let mut attempts: Vec<(String, RequestError)> = Vec::new();
        for index in 0..places.len() {
            match ask(&places[index]) {
                Ok(found) => {
                    // Its parts are had from the same place first.
                    places.rotate_left(index);
                    return Ok((places, found));
                }
                Err(error) => attempts.push((places[index].to_string(), error)),
            }
        }
        let (place, last) =
            attempts.pop().unwrap_or_else(|| unreachable!("a reference has at least its own place"));
        let reference = reference.familiar();
        drop(place);
        Err(PullError::Nowhere { reference, attempts, last: Box::new(last) })
    }

    fn locate(&self, reference: &Reference) -> Result<(Vec<Place>, RemoteManifest), PullError> {
        let name = TagOrDigest::of(reference);
        self.try_places(reference, |place| self.runtime.wait(self.get_manifest(place, &name)))
    }
}

/// Feeds what reads manifests and configurations with credentials.
pub(crate) fn fuzz(data: &[u8], text: &str) {
    struct Nobody;
    impl credentials::HelperRunner for Nobody {
        fn run(&self, _: &str, _: &str, _: &[u8]) -> std::io::Result<credentials::HelperOutput> {
            Ok(Default::default())
        }
    }
    let _ = manifests::kind_of(data, Some(text));
    if let Ok(config) = credentials::DockerConfig::parse(data, Arc::new(Nobody)) {
        let _ = config.credentials("a.example.org", "x");
    }
}

#[cfg(test)]
mod tests;
