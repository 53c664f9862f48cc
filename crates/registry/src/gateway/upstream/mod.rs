//! What the gateway asks upstreams, and how it bears with them.
//!
//! Connections stay open and are shared by all steps. A request that changes nothing is asked again when the
//! infrastructure failed it, as long as nothing of an answer has come.

mod address;
mod connect;
mod proxy;
mod resolve;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, PROXY_AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use oci::causes::causes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

pub use resolve::{Resolver, system_resolver};

pub(super) use connect::{ConnectError, Connector, Stream};

use super::body::Body;
use super::options::GatewayOptions;
use crate::tls::{self, TlsError};

/// Pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// The longest pause that an upstream can ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// How long a connection that nobody uses stays open.
const IDLE: Duration = Duration::from_secs(30);

/// Open connections to one host that nobody uses.
const IDLE_CONNECTIONS: usize = 16;

/// Bytes of a stream that HTTP/2 sends before it waits: enough for a gigabit over a continent.
const WINDOW: u32 = 2 << 20;

/// Bytes of all streams of one connection.
const CONNECTION_WINDOW: u32 = 8 << 20;

/// Bytes that are read at once from a connection of HTTP/1.
const READ_BUFFER: usize = 256 << 10;

/// Why an upstream gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It is at an address that steps may not reach.
    Forbidden { reason: String },
    /// It could not be reached, or broke off.
    Failed { reason: String },
    /// A rule of the settings or the lock is against it.
    Refused { rule: String, reason: String },
}

impl NoAnswer {
    pub(super) fn failed(reason: impl Into<String>) -> NoAnswer {
        NoAnswer::Failed { reason: reason.into() }
    }

    /// In words.
    pub(super) fn reason(&self) -> String {
        match self {
            NoAnswer::Forbidden { reason }
            | NoAnswer::Failed { reason }
            | NoAnswer::Refused { reason, .. } => reason.clone(),
        }
    }
}

/// A request, ready for an upstream.
pub(super) struct Outgoing {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Option<Body>,
}

/// An answer, and the place among those of its host that it holds until its body is read.
pub(super) struct Incomings {
    pub response: Response<Incoming>,
    pub place: OwnedSemaphorePermit,
}

/// Asks upstreams.
pub(super) struct Upstream {
    client: Client<Connector, Body>,
    connector: Connector,
    answer: Duration,
    per_host: usize,
    places: Mutex<HashMap<String, Arc<Semaphore>>>,
    asked: AtomicU64,
}

impl Upstream {
    pub(super) fn new(options: &GatewayOptions) -> Result<Upstream, TlsError> {
        let mut internal = options.internal.clone();
        // Where a mirror is, somebody decided who may decide.
        internal.extend(options.mirrors.iter().flat_map(|mirror| mirror.hosts()));
        let connector = Connector::new(
            resolve::Remembering::new(options.resolver.clone()),
            internal,
            options.proxy.clone(),
            tls::client(&options.authorities, None, false)?,
            options.limits.connect,
        );
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(READ_BUFFER)
            .http2_initial_stream_window_size(WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_header_list_size(64 << 10)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .build(connector.clone());
        Ok(Upstream {
            client,
            connector,
            answer: options.limits.answer,
            per_host: options.limits.requests_per_host,
            places: Mutex::default(),
            asked: AtomicU64::new(0),
        })
    }

    /// Knows names whose addresses the user gave.
    pub(super) fn know(&self, hosts: &[(String, IpAddr)]) {
        hosts.iter().for_each(|(name, address)| self.connector.know(name, *address));
    }

    /// How often somebody was asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// A connection on which the gateway says nothing.
    pub(super) async fn raw(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, NoAnswer> {
        self.connector.raw(host, port).await.map_err(|error| NoAnswer::from(&error))
    }

    /// Asks, again if need be. What has a body is asked once.
    pub(super) async fn ask(&self, mut outgoing: Outgoing) -> Result<Incomings, NoAnswer> {
        self.authorize_proxy(&mut outgoing)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        let place = self.place(&outgoing.uri).await;
        let again = outgoing.body.is_none() && matches!(outgoing.method, Method::GET | Method::HEAD);
        let mut pauses = PAUSES.into_iter().filter(|_| again);
        loop {
            let result = self.once(&mut outgoing).await;
            let wish = match &result {
                Ok(response) if !is_overload(response.status()) => None,
                Ok(response) => Some(retry_after(response.headers())),
                Err(Failure { again: true, .. }) => Some(None),
                Err(_) => None,
            };
            match (wish, result) {
                (Some(wish), result) => match (pauses.next(), result) {
                    (Some(pause), result) => {
                        drop(result);
                        sleep(wish.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    }
                    (None, Ok(response)) => return Ok(Incomings { response, place }),
                    (None, Err(failure)) => return Err(failure.why),
                },
                (None, Ok(response)) => return Ok(Incomings { response, place }),
                (None, Err(failure)) => return Err(failure.why),
            }
        }
    }

    async fn once(&self, outgoing: &mut Outgoing) -> Result<Response<Incoming>, Failure> {
        let body =
            outgoing.body.take().unwrap_or_else(|| Body::new(Empty::<Bytes>::new().map_err(|n| match n {})));
        let mut request = Request::new(body);
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = outgoing.uri.clone();
        *request.headers_mut() = outgoing.headers.clone();
        match timeout(self.answer, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let found = connect_error(&error);
                let again = found.is_none_or(ConnectError::may_pass);
                let why = found.map_or_else(|| NoAnswer::Failed { reason: chain(&error) }, NoAnswer::from);
                Err(Failure { again, why })
            }
            Err(_) => {
                let reason = format!("no answer within {} s", self.answer.as_secs());
                Err(Failure { again: false, why: NoAnswer::Failed { reason } })
            }
        }
    }

    /// A place among the requests to a host: its patience with one machine has an end.
    async fn place(&self, uri: &Uri) -> OwnedSemaphorePermit {
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let places = {
            let mut all = self.places.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            all.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.per_host))).clone()
        };
        // It is never closed.
        match places.acquire_owned().await {
            Ok(place) => place,
            Err(_) => unreachable!("nobody closes it"),
        }
    }

    /// A plain request that a proxy forwards carries the proxy's login.
    fn authorize_proxy(&self, outgoing: &mut Outgoing) -> Result<(), NoAnswer> {
        if outgoing.uri.scheme() != Some(&http::uri::Scheme::HTTP) {
            return Ok(());
        }
        let host = outgoing.uri.host().unwrap_or_default();
        let proxy = self.connector.proxy(false, host, outgoing.uri.port_u16().unwrap_or(80));
        let login = proxy.map_err(|error| NoAnswer::from(&error))?.and_then(|proxy| proxy.authorization());
        if let Some(Ok(login)) = login.map(HeaderValue::try_from) {
            outgoing.headers.insert(PROXY_AUTHORIZATION, login);
        }
        Ok(())
    }
}

struct Failure {
    /// Whether another try may help.
    again: bool,
    why: NoAnswer,
}

impl From<&ConnectError> for NoAnswer {
    fn from(error: &ConnectError) -> NoAnswer {
        let reason = chain(error);
        match error {
            ConnectError::Forbidden { .. } => NoAnswer::Forbidden { reason },
            _ => NoAnswer::Failed { reason },
        }
    }
}

/// Answers that tell of the infrastructure, not of what was asked for.
fn is_overload(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn connect_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ConnectError> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes in one line. The HTTP library repeats itself; what was said is not said again.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    for error in causes(error) {
        let words = error.to_string();
        if !text.contains(&words) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&words);
        }
    }
    text
}
