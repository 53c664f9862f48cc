//! Connections: accepted up to a number, ended when nothing moves, and let finish when the server goes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::StartError;
use super::idle::Idle;
use crate::Runtime;

/// How often a service may look after itself.
const REST: Duration = Duration::from_secs(60);

/// What answers requests.
pub(crate) trait Service: Send + Sync + 'static {
    /// The bodies of its answers.
    type Body: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send;

    /// What connections may not exceed.
    fn bounds(&self) -> Bounds;

    /// Answers one request.
    fn reply(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Looks after itself, from time to time.
    fn rest(&self);
}

/// What connections may not exceed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// At once; more wait to be accepted.
    pub connections: usize,
    /// How long nothing may move on one.
    pub idle: Duration,
    /// How long a request's head may take.
    pub head: Duration,
}

/// A moment's rest when the system has no more files to give for connections.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// A server that runs. Dropped, it ends at once.
pub struct Server {
    address: SocketAddr,
    runtime: Runtime,
    ends: watch::Sender<Option<Duration>>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets requests that run come to their end, but not longer than `patience`.
    pub fn shut_down(mut self, patience: Duration) {
        let _ = self.ends.send(Some(patience));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = self.runtime.wait(acceptor);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            let _ = self.ends.send(Some(Duration::ZERO));
            acceptor.abort();
        }
    }
}

/// Begins to listen.
pub(crate) fn start<S: Service>(
    runtime: &Runtime,
    address: SocketAddr,
    tls: Option<ServerConfig>,
    service: S,
) -> Result<Server, StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = runtime.wait(TcpListener::bind(address)).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (ends, ended) = watch::channel(None);
    let listening = Listening {
        listener,
        tls: tls.map(|config| TlsAcceptor::from(Arc::new(config))),
        places: Arc::new(Semaphore::new(service.bounds().connections)),
        service: Arc::new(service),
        ended,
    };
    let acceptor = runtime.handle().spawn(listening.run());
    Ok(Server { address: bound, runtime: runtime.clone(), ends, acceptor: Some(acceptor) })
}

struct Listening<S> {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    service: Arc<S>,
    ended: watch::Receiver<Option<Duration>>,
}

impl<S: Service> Listening<S> {
    async fn run(mut self) {
        let graceful = GracefulShutdown::new();
        let mut rest = tokio::time::interval(REST);
        let mut ended = self.ended.clone();
        loop {
            tokio::select! {
                _ = ended.changed() => break,
                _ = rest.tick() => self.service.rest(),
                accepted = self.accept() => match accepted {
                    Some((stream, place)) => self.connect(stream, place, graceful.watcher()),
                    None => tokio::time::sleep(EXHAUSTED).await,
                },
            }
        }
        let patience = (*self.ended.borrow_and_update()).unwrap_or_default();
        drop(self.listener);
        let _ = tokio::time::timeout(patience, graceful.shutdown()).await;
    }

    /// The next connection, as soon as there is a place for it.
    async fn accept(&self) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        let (stream, _) = self.listener.accept().await.ok()?;
        // Answers are small or streamed; waiting to fill packets would only delay them.
        let _ = stream.set_nodelay(true);
        Some((stream, place))
    }

    fn connect(&self, stream: TcpStream, place: OwnedSemaphorePermit, watcher: Watcher) {
        let (service, tls, mut ended) = (self.service.clone(), self.tls.clone(), self.ended.clone());
        let idle = service.bounds().idle;
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = secure(Idle::new(stream, idle), tls, service, watcher) => {}
                // Patience is over, or there was none.
                () = over(&mut ended) => {}
            }
        });
    }
}

/// Serves a connection, through TLS if there is some.
async fn secure<S: Service>(
    stream: Idle<TcpStream>,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
    watcher: Watcher,
) {
    match tls {
        None => serve(stream, service, watcher).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(service.bounds().head, tls.accept(stream)).await {
                serve(stream, service, watcher).await;
            }
        }
    }
}

/// Comes back when a server that ends has waited long enough, or was dropped.
async fn over(ended: &mut watch::Receiver<Option<Duration>>) {
    let patience = loop {
        let told = *ended.borrow_and_update();
        match told {
            Some(patience) => break patience,
            None if ended.changed().await.is_err() => break Duration::ZERO,
            None => {}
        }
    };
    tokio::time::sleep(patience).await;
}

async fn serve<C, S>(stream: C, service: Arc<S>, watcher: Watcher)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service,
{
    let head = service.bounds().head;
    let answers = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.reply(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_headers(64);
    let connection = builder.serve_connection(TokioIo::new(stream), answers);
    // A connection that breaks is the client's business.
    let _ = watcher.watch(connection).await;
}
