//! The only way out of a step: every byte that it fetches comes through here, is recorded, judged and kept.
//!
//! A step's network leads every name and every address to a few sockets. A [`StepGateway`] serves them: it answers
//! questions for names, finds out what a connection speaks, ends its TLS with a certificate that only this step trusts,
//! and answers its requests out of the store or by asking upstreams, one pool of connections for all steps.
//!
//! ```text
//!  dns ──▶ names                                            ┌─▶ upstream ─▶ spool ─▶ store
//!  tcp ──▶ sniff ──▶ (TLS) ──▶ answer ──▶ gate ──▶ kept? ───┤                 │
//!               └──▶ refused, tunnelled                     └─▶ store ────────┴─▶ the step
//! ```

mod answer;
mod asked;
mod authority;
mod body;
mod connection;
mod dns;
mod flights;
pub mod gate;
pub mod hosts;
mod kept;
mod ledger;
mod mirrors;
mod options;
mod percent;
mod serve;
mod sniff;
mod spool;
mod step;
mod upstream;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use http_body_util::{BodyExt, Limited};
use oci::record::Intake;
use tokio::sync::Semaphore;

pub use authority::AuthorityError;
pub use hosts::{HostPattern, HostPatternError};
pub use ledger::{Say, Served};
pub use mirrors::{Mirror, MirrorError, Place, places};
pub use options::{Clock, Credential, GatewayOptions, Limits, Mode, Pin, Pins};
pub use serve::{PackageRepository, PackageRepositoryError, PackageServerSettings, serve_packages};
pub use step::{ServeError, Sockets, StepGateway};
pub use upstream::{Resolver, system_resolver};

use crate::TlsError;
use crate::packages::index::Known;

/// Lets steps fetch. One serves a whole build.
pub struct Gateway(Arc<Shared>);

/// What all steps share.
struct Shared {
    options: GatewayOptions,
    upstream: upstream::Upstream,
    flights: Arc<flights::Flights>,
    /// What indexes told of files.
    known: Mutex<Known>,
    /// Indexes that are looked through at once.
    filters: Semaphore,
}

/// Indexes that are looked through at once: parsed they are large.
const FILTERS: usize = 2;

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What a gateway is told of a step.
#[derive(Clone)]
pub struct StepOptions {
    /// Takes a line for the step's output.
    pub say: Say,
    /// Names with addresses that the user gave.
    pub hosts: Vec<(String, IpAddr)>,
    /// What earlier steps of the image fetched: their indexes tell the digests of what is fetched now.
    pub earlier: Vec<Intake>,
}

impl Gateway {
    /// A gateway; nothing is opened before a step asks for something.
    pub fn new(options: GatewayOptions) -> Result<Gateway, TlsError> {
        let upstream = upstream::Upstream::new(&options)?;
        Ok(Gateway(Arc::new(Shared {
            options,
            upstream,
            flights: Arc::default(),
            known: Mutex::default(),
            filters: Semaphore::new(FILTERS),
        })))
    }

    /// What decides which answers a step gets, in one text: it goes into the keys of steps.
    pub fn policy(&self) -> String {
        self.0.options.gate.policy()
    }

    /// Whether an upstream answers a recorded request otherwise by now; an error in words where nobody can say. For
    /// threads that are not the runtime's.
    pub fn changed(&self, intake: &Intake) -> Result<bool, String> {
        self.0.options.runtime.wait(self.0.changed(intake)).map_err(|no_answer| no_answer.reason())
    }

    /// Whether the names that a recorded answer of Git names mean other objects by now, those of `wanted` objects if there
    /// are any. For threads that are not the runtime's.
    pub fn refs_moved(&self, intake: &Intake, wanted: &[String]) -> Result<bool, String> {
        let asked = self.0.refs_moved(intake, wanted);
        self.0.options.runtime.wait(asked).map_err(|no_answer| no_answer.reason())
    }

    /// A document by a plain GET, as a step would get it; nothing where its upstream has none. For threads that are not
    /// the runtime's.
    pub fn document(&self, url: &str) -> Result<Option<Vec<u8>>, String> {
        let origin: step::Origin = Arc::new(connection::original_destination);
        let step = StepGateway::new(self.0.clone(), Arc::new(|_: &str| ()), origin);
        let step = step.map_err(|error| upstream::chain(&error))?;
        let request = http::Request::get(url).body(()).map_err(|error| upstream::chain(&error))?;
        self.0.options.runtime.wait(async {
            let response = step.shared_step().answer_plainly(request.into_parts().0).await;
            let status = response.status();
            let limit = usize::try_from(self.0.options.limits.filtered_index).unwrap_or(usize::MAX);
            let body = Limited::new(response.into_body(), limit).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes().to_vec();
            match status.as_u16() {
                200 => Ok(Some(body)),
                404 | 410 => Ok(None),
                _ => Err(String::from_utf8_lossy(&body).trim().to_owned()),
            }
        })
    }

    /// Makes ready for a step.
    pub fn step(&self, options: StepOptions) -> Result<StepGateway, AuthorityError> {
        self.0.upstream.know(&options.hosts);
        let origin = Arc::new(connection::original_destination);
        Ok(StepGateway::new(self.0.clone(), options.say, origin)?.after(options.earlier))
    }
}

/// Feeds everything in the gateway that reads what a step or a stranger wrote.
pub(crate) fn fuzz(data: &[u8], text: &str) {
    dns::fuzz(data);
    sniff::fuzz(data);
    let _ = asked::Destination::parse(text);
    let _ = text.parse::<HostPattern>();
    let _ = Mirror::new(text, &[text.to_owned()]);
    let _ = oci::url::decoded_text(text);
    serve::fuzz(text);
}
