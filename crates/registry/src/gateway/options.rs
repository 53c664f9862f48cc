//! What a gateway is told.

use std::sync::Arc;
use std::time::Duration;

use oci::Digest;
use oci::store::Store;
use rustls::pki_types::CertificateDer;

use super::gate::Gate;
use super::hosts::HostPattern;
use super::mirrors::Mirror;
use super::upstream::Resolver;
use crate::Runtime;
use crate::client::ProxyChooser;

/// Tells the time, seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a gateway is told.
#[derive(Clone)]
pub struct GatewayOptions {
    /// Where it runs.
    pub runtime: Runtime,
    /// Where bodies are kept.
    pub store: Arc<Store>,
    /// Who may vouch for upstreams.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The machine's proxies.
    pub proxy: Option<ProxyChooser>,
    /// What is asked in other places' stead.
    pub mirrors: Vec<Mirror>,
    /// Hosts and networks that steps may reach although they are inside.
    pub internal: Vec<HostPattern>,
    /// Hosts to which TLS goes through unread.
    pub passthrough: Vec<HostPattern>,
    /// Logins that upstreams get and steps do not.
    pub credentials: Vec<Credential>,
    /// Decides what may be.
    pub gate: Arc<dyn Gate>,
    /// Where answers may come from.
    pub mode: Mode,
    /// An upstream that is down is not replaced by the last good copy.
    pub no_stale: bool,
    /// Tells when something was fetched.
    pub clock: Clock,
    /// Resolves the names of upstreams.
    pub resolver: Resolver,
    /// How long, how much, how many.
    pub limits: Limits,
}

/// A login for the URLs below one.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `https://example.org/private`.
    pub prefix: String,
    /// The value of `Authorization`.
    pub authorization: String,
}

/// Without the secret.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Where answers may come from.
#[derive(Clone)]
pub enum Mode {
    /// From upstreams and the store.
    Online,
    /// The same, but they must be those of the lock.
    Locked(Arc<dyn Pins>),
    /// From the store alone, by the lock.
    Offline(Arc<dyn Pins>),
}

impl Mode {
    /// The lock that holds.
    pub(super) fn pins(&self) -> Option<&Arc<dyn Pins>> {
        match self {
            Mode::Online => None,
            Mode::Locked(pins) | Mode::Offline(pins) => Some(pins),
        }
    }

    pub(super) fn is_offline(&self) -> bool {
        matches!(self, Mode::Offline(_))
    }
}

/// A lock, as the gateway asks it.
pub trait Pins: Send + Sync {
    /// What must come in answer to a request; nothing if the lock does not have it. `request` as in an intake.
    fn pin(&self, method: &str, url: &str, request: Option<&Digest>) -> Option<Pin>;
}

/// What a lock says of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The body's digest; none where a protocol pins otherwise, or there was no body.
    pub digest: Option<Digest>,
    /// The answer's status, where it is not 200.
    pub status: Option<u16>,
}

impl Pins for oci::lock::ImageLock {
    fn pin(&self, method: &str, url: &str, request: Option<&Digest>) -> Option<Pin> {
        let found = self.find(method, url, request)?;
        let digest = found.content.as_ref().map(|content| content.digest);
        Some(Pin { digest, status: Some(found.status) })
    }
}

/// How long, how much, how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection to an upstream, TLS included.
    pub connect: Duration,
    /// Until an answer begins.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub silence: Duration,
    /// Bytes of a body up to which it is kept.
    pub kept_body: u64,
    /// Bytes of a body of which only the end is on the disk, once it is too large to be kept.
    pub window: u64,
    /// Bytes up to which something that never changes is fetched whole for a client that asks for a part of it.
    pub whole_for_part: u64,
    /// Requests to one host at once.
    pub requests_per_host: usize,
    /// Connections of one step at once.
    pub connections: usize,
    /// Bytes of an index that is filtered, in memory.
    pub filtered_index: u64,
    /// Bytes of a request's body that must be known before it is sent, because a lock decides.
    pub locked_request: u64,
    /// How long requests that run may take to end when their step has ended.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(30),
            answer: Duration::from_secs(180),
            silence: Duration::from_secs(60),
            kept_body: 16 << 30,
            window: 64 << 20,
            whole_for_part: 64 << 20,
            requests_per_host: 64,
            connections: 1024,
            filtered_index: 128 << 20,
            locked_request: 64 << 20,
            farewell: Duration::from_secs(2),
        }
    }
}
