//! A registry: the whole of the OCI distribution specification 1.1 over [`Blobs`] and [`Repositories`].
//!
//! What a push brings is kept in tables of its own, per repository: a push can never change what a name means to a
//! build on the same store. What the store itself has tagged is offered for pulling under its own short name, so that
//! `kapok build -t app` and then `docker pull HOST/app` works without a push.

pub mod access;
mod answer;
mod blobs;
mod document;
#[cfg(test)]
pub(crate) mod faults;
mod idle;
pub(crate) mod listen;
mod lists;
mod manifests;
mod memory;
mod receive;
mod registry;
mod route;
mod storage;
mod store;
mod uploads;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::tls::{Identity, TlsError};
use crate::{Redacted, Runtime};

pub use access::{Access, LiveAccess};
pub use listen::Server;
pub use memory::Memory;
pub use storage::{BlobReader, Blobs, FinishError, ManifestEntry, NewBlob, Page, Repositories, StorageError};
pub use store::StoreContent;

/// What a server keeps its content in.
#[derive(Clone)]
pub struct Storage {
    /// Bytes.
    pub blobs: Arc<dyn Blobs>,
    /// What is where.
    pub repositories: Arc<dyn Repositories>,
}

impl Storage {
    /// Storage that is both.
    pub fn new<S: Blobs + Repositories + 'static>(both: Arc<S>) -> Storage {
        Storage { blobs: both.clone(), repositories: both }
    }
}

/// How a server is to behave.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 for any that is free.
    pub address: SocketAddr,
    /// Who may do what.
    pub access: Arc<LiveAccess>,
    /// How clients are told to show who they are.
    pub challenge: Challenge,
    /// Serve everybody who can reach the address, though it is not loopback and asks for no credentials.
    pub open_to_all: bool,
    /// Certificate and key; without, plain HTTP.
    pub tls: Option<Identity>,
    /// What nobody may exceed.
    pub limits: Limits,
    /// Random bytes from which names of uploads and tokens are made, so that nobody can guess them.
    pub secret: [u8; 32],
}

/// How clients are told to show who they are. All servers take passwords and tokens, whichever way they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// With every request.
    Basic,
    /// Once, for a token that the server makes. (Docker's token authentication specification)
    Bearer {
        /// The registry's name, for who has tokens of several.
        service: String,
        /// Where tokens are had; without, `/token` of this server.
        realm: Option<String>,
    },
}

impl Challenge {
    fn service(&self) -> &str {
        match self {
            Challenge::Basic => "registry",
            Challenge::Bearer { service, .. } => service,
        }
    }
}

/// What nobody may exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. More wait to be accepted.
    pub connections: usize,
    /// Bytes of a blob.
    pub blob: u64,
    /// Bytes of a manifest; the specification wants at least 4 MiB.
    pub manifest: usize,
    /// How deep indexes may be nested.
    pub manifest_depth: u32,
    /// Uploads under way.
    pub uploads: usize,
    /// How long an upload may rest before it is forgotten.
    pub upload_idle: Duration,
    /// How long nothing may move on a connection.
    pub connection_idle: Duration,
    /// How long a request's head may take.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1024,
            blob: 64 << 30,
            manifest: 4 << 20,
            manifest_depth: 4,
            uploads: 4096,
            upload_idle: Duration::from_secs(3600),
            connection_idle: Duration::from_secs(90),
            head: Duration::from_secs(15),
        }
    }
}

/// A request that was answered.
#[derive(Debug)]
pub struct Served<'a> {
    /// GET, PUT, …
    pub method: &'a str,
    /// Of what.
    pub path: Redacted,
    /// HTTP's.
    pub status: u16,
    /// Who asked, if they showed it.
    pub user: Option<&'a str>,
    /// How long it took until the answer began.
    pub wall: Duration,
    /// What went wrong inside; the client was not told.
    pub problem: Option<&'a StorageError>,
}

/// Told of what a server does, from its threads.
pub trait Events: Send + Sync {
    /// A request was answered.
    fn served(&self, served: &Served<'_>);
}

/// Nobody wants to know.
impl Events for () {
    fn served(&self, _served: &Served<'_>) {}
}

/// A server that does not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Everybody on the network could do everything.
    #[error("`{0}` is reachable from other machines, and the registry asks for no credentials")]
    OpenToAll(SocketAddr),
    /// Everybody on the network could fetch through this machine.
    #[error("`{0}` is reachable from other machines, and would fetch packages for everybody")]
    PackagesToAll(SocketAddr),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error("cannot use TLS")]
    Tls(#[from] TlsError),
}

impl Server {
    /// Starts a registry; it serves until it is dropped or [shut down](Server::shut_down).
    pub fn start(
        runtime: &Runtime,
        settings: Settings,
        storage: Storage,
        events: Arc<dyn Events>,
    ) -> Result<Server, StartError> {
        let closed = settings.access.current().has_credentials();
        if !closed && !settings.open_to_all && !settings.address.ip().is_loopback() {
            return Err(StartError::OpenToAll(settings.address));
        }
        let tls = settings.tls.as_ref().map(crate::tls::server).transpose()?;
        let registry = registry::Registry {
            storage,
            authenticator: access::Authenticator::new(settings.access, &settings.secret),
            uploads: uploads::Uploads::new(
                &settings.secret,
                settings.limits.upload_idle,
                settings.limits.uploads,
            ),
            limits: settings.limits,
            challenge: settings.challenge,
            is_tls: tls.is_some(),
            events,
            passwords: registry::Registry::passwords(),
        };
        listen::start(runtime, settings.address, tls, registry)
    }
}

/// Feeds what reads requests and files of users.
pub(crate) fn fuzz(data: &[u8], text: &str) {
    let _ = route::Route::parse(text);
    let query = route::Query::parse(Some(text));
    let _ = query.get("n");
    let _ = document::Document::parse(data, None);
    let _ = access::Htpasswd::parse(text);
    let _ = text.parse::<access::Pattern>();
}

#[cfg(test)]
mod tests;
