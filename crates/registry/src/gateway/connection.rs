//! Connections of a step: where they were to lead, what they speak, and what becomes of them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use oci::record::{Intake, Verdict};
use socket2::SockRef;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::asked::Destination;
use super::body::{Body, empty};
use super::sniff::{Prefixed, Protocol, sniff};
use super::step::Step;
use super::upstream::{NoAnswer, Stream};

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// How long a client may take for the head of a request it has begun.
const HEAD: Duration = Duration::from_secs(60);

/// Bytes of a request's head.
const HEAD_LIMIT: usize = 64 << 10;

/// Headers of a request.
const HEADERS: usize = 200;

/// Requests that one connection of HTTP/2 may carry at once.
const STREAMS: u32 = 250;

/// Bytes of one answer that are sent before the client has to say that it wants more.
const SEND_BUFFER: usize = 256 << 10;

/// Takes connections until the task is ended.
pub(super) async fn accept(step: Arc<Step>, listener: TcpListener) {
    loop {
        let Ok(place) = step.places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // The process has no more files to give; some will come back.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let connection = step.clone();
        step.spawn(async move {
            let _place = place;
            connection.take(stream).await;
        });
    }
}

/// Where a connection was to lead before the step's network led it here.
pub(super) fn original_destination(stream: &TcpStream) -> io::Result<SocketAddr> {
    let socket = SockRef::from(stream);
    let own = stream.local_addr()?;
    let address = match own {
        SocketAddr::V4(_) => socket.original_dst_v4()?,
        SocketAddr::V6(_) => socket.original_dst_v6()?,
    };
    let led_here = address.as_socket().filter(|address| *address != own);
    led_here.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

impl Step {
    async fn take(self: Arc<Step>, stream: TcpStream) {
        // Answers are streamed in large pieces; waiting to fill packets would only delay them.
        let _ = stream.set_nodelay(true);
        let destination = match (self.origin)(&stream) {
            Ok(address) => Destination::of(address, &self.names),
            Err(_) => {
                // Nobody led it here: it was made to the gateway's own address.
                let note = self.connection_note("tcp", "the gateway");
                note.failed("there is nothing at the gateway's own address");
                return reset(&stream);
            }
        };
        if let Some(stream) = self.converse(stream, destination, false).await {
            reset(&stream.into_inner());
        }
    }

    /// Serves whatever a stream speaks. It comes back if that is nothing.
    async fn converse<S: Stream + 'static>(
        self: &Arc<Step>,
        stream: S,
        destination: Destination,
        secure: bool,
    ) -> Option<Prefixed<S>> {
        let (protocol, stream) = sniff(stream, destination.port).await;
        match protocol {
            Protocol::Http => self.serve(stream, destination, secure).await,
            Protocol::Tls { name } => self.end_tls(stream, destination, name).await,
            Protocol::Nothing => {
                let note = self.connection_note("tcp", &destination.authority());
                note.quietly_failed("nothing was said on the connection");
            }
            Protocol::Other(why) => {
                let note = self.connection_note("tcp", &destination.authority());
                note.failed(&format!("{why}: only http and https leave a step"));
                return Some(stream);
            }
        }
        None
    }

    /// The same for streams within streams, which would otherwise have no end.
    fn converse_within(
        self: Arc<Step>,
        stream: Box<dyn Stream>,
        destination: Destination,
        secure: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.converse(stream, destination, secure).await;
        })
    }

    async fn end_tls<S: Stream + 'static>(
        self: &Arc<Step>,
        stream: S,
        destination: Destination,
        name: Option<String>,
    ) {
        let host = name.unwrap_or_else(|| destination.host.clone());
        let destination = Destination { host, port: destination.port };
        let options = &self.shared.options;
        if options.passthrough.iter().any(|pattern| pattern.matches(&destination.host, destination.port)) {
            return self.tunnel(stream, &destination).await;
        }
        let failed = |reason: String| {
            let note = self.connection_note("tls", &destination.authority());
            note.failed(&reason);
        };
        let config = match self.authority.config(&destination.host) {
            Ok(config) => config,
            Err(error) => return failed(super::upstream::chain(&error)),
        };
        match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => self.clone().converse_within(Box::new(stream), destination, true).await,
            Ok(Err(error)) => failed(format!(
                "the client breaks TLS off ({error}); if it trusts only certificates of its own, \
                 `network.passthrough` lets it through unread"
            )),
            Err(_) => failed("the client does not finish its TLS handshake".to_owned()),
        }
    }

    /// Lets TLS through unread.
    async fn tunnel<S: Stream>(&self, mut stream: S, destination: &Destination) {
        let mut note = self.connection_note("tls", &destination.authority());
        let url = format!("tcp://{}", destination.authority());
        if let Verdict::Refused { rule, reason } = self.shared.options.gate.address("CONNECT", &url) {
            return note.refused(&rule, &reason);
        }
        if self.shared.options.mode.is_offline() {
            return note.refused("offline", "what goes through unread cannot be replayed");
        }
        self.ledger.unobserved(format!("tls:{}", destination.host));
        match self.shared.upstream.raw(&destination.host, destination.port).await {
            Ok(mut upstream) => {
                if let Ok((_, received)) = copy_bidirectional(&mut stream, &mut upstream).await {
                    note.intake.size = received;
                }
                note.done();
            }
            Err(NoAnswer::Forbidden { reason }) => note.refused("network.internal", &reason),
            Err(NoAnswer::Refused { rule, reason }) => note.refused(&rule, &reason),
            Err(NoAnswer::Failed { reason }) => note.failed(&reason),
        }
    }

    async fn serve<S: Stream + 'static>(self: &Arc<Step>, stream: S, destination: Destination, secure: bool) {
        let (step, destination) = (self.clone(), Arc::new(destination));
        let service = service_fn(move |request: Request<Incoming>| {
            let (step, destination) = (step.clone(), destination.clone());
            async move {
                if request.method() == Method::CONNECT && request.version() < http::Version::HTTP_2 {
                    return Ok::<_, Infallible>(step.connect(request));
                }
                Ok(step.answer(&destination, secure, request).await)
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_LIMIT)
            .max_headers(HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_LIMIT as u32)
            .max_send_buf_size(SEND_BUFFER);
        // A connection that breaks is the client's business; what was asked for on it is in the ledger.
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
    }

    /// A client that was told of a proxy wants a tunnel: it gets one, and what goes through it is looked at as ever.
    fn connect(self: &Arc<Step>, request: Request<Incoming>) -> Response<Body> {
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let Some(mut destination) = authority.and_then(Destination::parse) else {
            let mut response = Response::new(empty());
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            return response;
        };
        if let Ok(Some(name)) = destination.host.parse().map(|address| self.names.name(address)) {
            destination.host = name;
        }
        let step = self.clone();
        self.spawn(async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                step.converse_within(Box::new(TokioIo::new(upgraded)), destination, false).await;
            }
        });
        Response::new(empty())
    }

    /// A line for a connection of which there is no request.
    fn connection_note(&self, scheme: &str, place: &str) -> super::ledger::Note {
        let url = format!("{scheme}://{place}");
        self.ledger.note(Intake { url, method: "CONNECT".to_owned(), ..Intake::default() })
    }
}

/// Lets the client see at once that there is nothing.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
