//! The gateway for people: the same store, read-only, as a caching proxy for tools outside of steps.
//!
//! Upstreams have names, and `/repository/NAME/…` is what the upstream has at `…`, as in Nexus. What an index names
//! elsewhere comes through, too: its links are [`links`] to this server. What is kept, judged and revalidated is what
//! steps get, by the same code.

mod links;
mod metrics;
mod route;
mod shelf;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::mirrors::Mirror;
use super::{Gateway, GatewayOptions};
use crate::packages::Address;
use crate::server::listen::{self, Bounds};
use crate::server::{Events, Server, StartError};
use crate::tls::Identity;

pub use route::{PackageRepository, PackageRepositoryError};

use route::Upstream;

/// How long nothing may move on a connection: an upstream may take its time to answer.
const IDLE: Duration = Duration::from_secs(300);

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(15);

/// How a server of packages is to behave.
#[derive(Clone, Debug)]
pub struct PackageServerSettings {
    /// Where it listens; port 0 for any that is free.
    pub address: SocketAddr,
    /// What it serves.
    pub repositories: Vec<PackageRepository>,
    /// Serve everybody who can reach the address, though it is not loopback.
    pub open_to_all: bool,
    /// Certificate and key; without, plain HTTP.
    pub tls: Option<Identity>,
    /// Connections at once. More wait to be accepted.
    pub connections: usize,
}

/// Starts a server of packages; it serves until it is dropped or [shut down](Server::shut_down).
pub fn serve_packages(
    mut options: GatewayOptions,
    settings: PackageServerSettings,
    events: Arc<dyn Events>,
) -> Result<Server, StartError> {
    if !settings.open_to_all && !settings.address.ip().is_loopback() {
        return Err(StartError::PackagesToAll(settings.address));
    }
    let tls = settings.tls.as_ref().map(crate::tls::server).transpose()?;
    for repository in &settings.repositories {
        match &repository.upstream {
            // Whom the settings name, they let through, wherever it is.
            Upstream::Url(url) => options.internal.extend(host_of(url)),
            Upstream::Directory(directory) => {
                let places = [format!("file://{}", super::percent::encode(&directory.to_string_lossy()))];
                options.mirrors.extend(Mirror::new(&repository.base(), &places));
            }
        }
    }
    let runtime = options.runtime.clone();
    let bounds = Bounds { connections: settings.connections, idle: IDLE, head: HEAD };
    let gateway = Gateway::new(options)?;
    let shelf = shelf::Shelf::new(gateway, settings.repositories, bounds, events);
    listen::start(&runtime, settings.address, tls, shelf)
}

fn host_of(url: &str) -> Option<super::HostPattern> {
    let address = Address::parse(url)?;
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host };
    format!("{host}:{}", address.port).parse().ok()
}

/// Feeds what reads requests.
pub(super) fn fuzz(text: &str) {
    route::fuzz(text);
}
