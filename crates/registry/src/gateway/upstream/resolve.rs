//! Names of upstreams to addresses, remembered for a while.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Asks the machine's resolver. It may block.
pub type Resolver = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// How long an answer is used: builds of hours notice that an upstream has moved.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Longer than the machine's resolver takes to give up by itself in all but odd configurations.
const PATIENCE: Duration = Duration::from_secs(20);

/// Names that are remembered.
const NAMES: usize = 10_000;

/// The machine's own way to resolve names: its hosts file, its name servers.
pub fn system_resolver() -> Resolver {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

/// An answer, locked while it is being asked for: others that need it wait instead of asking too.
type Answer = Arc<tokio::sync::Mutex<Option<(Instant, Vec<IpAddr>)>>>;

/// Asks once for each name.
pub(super) struct Remembering {
    resolver: Resolver,
    answers: Mutex<HashMap<String, Answer>>,
    told: Mutex<HashMap<String, Vec<IpAddr>>>,
}

impl Remembering {
    pub(super) fn new(resolver: Resolver) -> Remembering {
        Remembering { resolver, answers: Mutex::default(), told: Mutex::default() }
    }

    /// Knows an address that somebody told, for good.
    pub(super) fn know(&self, name: &str, address: IpAddr) {
        let mut told = self.told();
        let known = told.entry(name.to_ascii_lowercase()).or_default();
        if !known.contains(&address) {
            known.push(address);
        }
    }

    /// Whether somebody told it.
    pub(super) fn is_told(&self, name: &str, address: IpAddr) -> bool {
        self.told().get(name).is_some_and(|addresses| addresses.contains(&address))
    }

    fn told(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<IpAddr>>> {
        self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The addresses of a host, in the resolver's order; an address is its own.
    pub(super) async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if let Some(told) = self.told().get(host) {
            return Ok(told.clone());
        }
        let answer = {
            let mut answers = self.answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if answers.len() >= NAMES {
                answers.clear();
            }
            answers.entry(host.to_owned()).or_default().clone()
        };
        let mut answer = answer.lock().await;
        if let Some((when, known)) = &*answer
            && when.elapsed() < REMEMBERED
        {
            return Ok(known.clone());
        }
        let (resolver, name) = (self.resolver.clone(), host.to_owned());
        let asked = tokio::task::spawn_blocking(move || resolver(&name));
        let found = timeout(PATIENCE, asked).await?.map_err(io::Error::other)??;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
        }
        *answer = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}
