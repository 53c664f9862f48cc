//! The gateway of one step: its sockets, its certificate authority, its ledger.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oci::record::Intake;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::authority::{Authority, AuthorityError};
use super::dns::{self, Names};
use super::ledger::{Ledger, Say, Served};
use super::{Shared, connection};

/// How long requests whose connections are gone may take to be recorded.
const RECORDING: Duration = Duration::from_secs(1);

/// Names without a request that are recorded one by one.
const NAMES: usize = 10_000;

/// The sockets to which a step's network leads everything. All are bound and, if they are of TCP, listening.
#[derive(Debug)]
pub struct Sockets {
    /// Every connection over IPv4.
    pub tcp4: OwnedFd,
    /// Every connection over IPv6.
    pub tcp6: Option<OwnedFd>,
    /// Every question for a name over UDP.
    pub dns_udp: OwnedFd,
    /// And over TCP.
    pub dns_tcp: OwnedFd,
}

/// Sockets that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the step's sockets cannot be served")]
pub struct ServeError(#[source] io::Error);

/// Serves one step.
pub struct StepGateway {
    step: Arc<Step>,
    listening: Vec<tokio::task::JoinHandle<()>>,
}

/// What the tasks of one step share.
pub(super) struct Step {
    pub shared: Arc<Shared>,
    pub names: Arc<Names>,
    pub ledger: Arc<Ledger>,
    pub authority: Authority,
    pub places: Arc<Semaphore>,
    /// What runs for its connections.
    tasks: Mutex<JoinSet<()>>,
    /// What the steps before it fetched, until it is looked through.
    pub earlier: Mutex<Vec<Intake>>,
    /// Where a connection was to lead, for tests that have no network of their own.
    pub origin: Origin,
}

/// Tells where a connection was to lead before the step's network led it here.
pub(super) type Origin = Arc<dyn Fn(&TcpStream) -> io::Result<SocketAddr> + Send + Sync>;

impl StepGateway {
    pub(super) fn new(shared: Arc<Shared>, say: Say, origin: Origin) -> Result<StepGateway, AuthorityError> {
        let places = Arc::new(Semaphore::new(shared.options.limits.connections));
        let step = Step {
            shared,
            names: Arc::new(Names::new()),
            ledger: Ledger::new(say),
            authority: Authority::new()?,
            places,
            tasks: Mutex::default(),
            earlier: Mutex::default(),
            origin,
        };
        Ok(StepGateway { step: Arc::new(step), listening: Vec::new() })
    }

    /// The same, after steps that fetched this.
    pub(super) fn after(self, intakes: Vec<Intake>) -> StepGateway {
        *self.step.earlier.lock().unwrap_or_else(PoisonError::into_inner) = intakes;
        self
    }

    #[cfg(test)]
    pub(super) fn step(&self) -> &Step {
        &self.step
    }

    /// What its tasks share, for requests that come on no socket of its own.
    pub(super) fn shared_step(&self) -> &Arc<Step> {
        &self.step
    }

    /// The certificate (PEM) of the authority that this step alone trusts.
    pub fn authority(&self) -> &[u8] {
        self.step.authority.pem()
    }

    /// The name for which the step got this address.
    pub fn name_of(&self, address: IpAddr) -> Option<String> {
        self.step.names.name(address)
    }

    /// Begins to serve.
    pub fn serve(&mut self, sockets: Sockets) -> Result<(), ServeError> {
        let runtime = self.step.shared.options.runtime.clone();
        let _entered = runtime.handle().enter();
        let Sockets { tcp4, tcp6, dns_udp, dns_tcp } = sockets;
        for socket in std::iter::once(tcp4).chain(tcp6) {
            let listener = listener(socket).map_err(ServeError)?;
            self.listening.push(tokio::spawn(connection::accept(self.step.clone(), listener)));
        }
        let udp = std::net::UdpSocket::from(dns_udp);
        udp.set_nonblocking(true).map_err(ServeError)?;
        let udp = UdpSocket::from_std(udp).map_err(ServeError)?;
        self.listening.push(tokio::spawn(dns::serve_udp(udp, self.step.names.clone())));
        let tcp = listener(dns_tcp).map_err(ServeError)?;
        self.listening.push(tokio::spawn(dns::serve_tcp(tcp, self.step.names.clone())));
        Ok(())
    }

    /// Ends serving and tells what was. The step's processes are gone; what still runs is recorded as broken off. What was
    /// kept becomes visible to other processes with the build's next commit: one of its own would wait here until all that
    /// the step wrote is on the disk.
    pub fn finish(self) -> Served {
        let runtime = self.step.shared.options.runtime.clone();
        let farewell = self.step.shared.options.limits.farewell;
        runtime.wait(async {
            for task in &self.listening {
                task.abort();
            }
            // Whoever had all of its answer closed its end; the task behind needs a moment to see it.
            let _ = tokio::time::timeout(farewell, self.step.ledger.quiet()).await;
            self.step.tasks().abort_all();
            let _ = tokio::time::timeout(RECORDING, self.step.ledger.quiet()).await;
        });
        let mut served = self.step.ledger.close();
        served.intakes.extend(unused(&self.step.names));
        served
    }
}

impl Drop for StepGateway {
    fn drop(&mut self) {
        self.listening.iter().for_each(tokio::task::JoinHandle::abort);
        self.step.tasks().abort_all();
    }
}

impl Step {
    /// Runs something until the step ends.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Names that the step asked for and then sent nothing to: the question itself may have been meant for somebody.
fn unused(names: &Names) -> impl Iterator<Item = Intake> {
    let unused = names.unused().into_iter().take(NAMES);
    unused.map(|name| Intake { url: format!("dns://{name}"), method: "DNS".to_owned(), ..Intake::default() })
}

fn listener(socket: OwnedFd) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
