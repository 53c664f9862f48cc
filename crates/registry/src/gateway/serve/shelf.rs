//! Answers the requests of people's tools, out of the same store and by the same rules as those of steps.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue,
    LOCATION, PROXY_AUTHORIZATION, RANGE, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::links;
use super::metrics::Metrics;
use super::route::{PackageRepository, Route};
use crate::Redacted;
use crate::gateway::body::{Body, whole};
use crate::gateway::kept;
use crate::gateway::step::{Origin, StepGateway};
use crate::gateway::{Gateway, Shared, connection};
use crate::packages::{self, Address, recognise};
use crate::server::listen::{Bounds, Service};
use crate::server::{Events, Served};

/// Upstreams that send a client further than this send it in a circle.
const MOST_REDIRECTS: usize = 8;

/// Requests after which the account of them is thrown away: nobody reads it.
const ACCOUNT: u64 = 5_000;

/// Hosts that indexes name. More are forgotten, and asked for again by way of their index.
const MOST_HOSTS: usize = 10_000;

/// Answers by the names of its repositories.
pub(super) struct Shelf {
    shared: Arc<Shared>,
    repositories: Vec<PackageRepository>,
    bounds: Bounds,
    events: Arc<dyn Events>,
    metrics: Arc<Metrics>,
    /// What indexes of a repository named: its name and `https://files.example.org`.
    named: Mutex<BTreeSet<(String, String)>>,
    /// Requests are answered as those of a step, and for how many this one is good.
    step: Mutex<(Option<Arc<StepGateway>>, u64)>,
}

impl Service for Shelf {
    type Body = Body;

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    async fn reply(self: Arc<Shelf>, request: Request<Incoming>) -> Response<Body> {
        let started = Instant::now();
        let running = self.metrics.begin();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let route = Route::of(uri.path(), uri.query(), &self.repositories);
        let (name, response) = match route {
            _ if !matches!(method, Method::GET | Method::HEAD) => ("-", not_allowed()),
            Route::Health => ("-", text(StatusCode::OK, "ok\n".to_owned())),
            Route::Metrics => ("-", text(StatusCode::OK, self.metrics.print(self.shared.upstream.asked()))),
            Route::List => ("-", text(StatusCode::OK, self.list())),
            Route::Nothing => ("-", text(StatusCode::NOT_FOUND, "there is no such repository\n".to_owned())),
            Route::Package { repository, url, elsewhere } => {
                let response =
                    self.package(repository, url, elsewhere, method.clone(), request.headers()).await;
                (repository.name.as_str(), response)
            }
        };
        self.metrics.answered(name, response.status().as_u16());
        self.events.served(&Served {
            method: method.as_str(),
            path: Redacted::url(uri.path()),
            status: response.status().as_u16(),
            user: None,
            wall: started.elapsed(),
            problem: None,
        });
        let sent = self.metrics.sent(name);
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                // Until the last byte it runs.
                let _running = &running;
                let length = frame.data_ref().map_or(0, bytes::Bytes::len);
                sent.fetch_add(length as u64, Ordering::Relaxed);
                frame
            }))
        })
    }

    fn rest(&self) {
        let store = self.shared.options.store.clone();
        // What cannot be written now is tried again the next time.
        drop(tokio::task::spawn_blocking(move || store.commit_downloads()));
    }
}

impl Shelf {
    pub(super) fn new(
        gateway: Gateway,
        repositories: Vec<PackageRepository>,
        bounds: Bounds,
        events: Arc<dyn Events>,
    ) -> Shelf {
        Shelf {
            shared: gateway.0,
            repositories,
            bounds,
            events,
            metrics: Arc::default(),
            named: Mutex::default(),
            step: Mutex::default(),
        }
    }

    fn list(&self) -> String {
        let line = |repository: &PackageRepository| {
            format!("/repository/{}/ {}\n", repository.name, Redacted::url(&repository.base()))
        };
        self.repositories.iter().map(line).collect()
    }

    async fn package(
        &self,
        repository: &PackageRepository,
        mut url: String,
        elsewhere: bool,
        method: Method,
        headers: &HeaderMap,
    ) -> Response<Body> {
        if elsewhere && !self.is_named(repository, &url) {
            let why =
                "no index of this repository named this host since the server began; ask for the index\n";
            return text(StatusCode::NOT_FOUND, why.to_owned());
        }
        let header =
            |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or("");
        let artifact = recognise(&packages::Request {
            method: method.as_str(),
            url: &url,
            accept: header(ACCEPT),
            agent: header(USER_AGENT),
            content_type: None,
        });
        let has_links = links::has_links(&artifact);
        let mut headers = headers.clone();
        // They are meant for this server, which has no use for them.
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
        if has_links {
            for name in [ACCEPT_ENCODING, RANGE] {
                headers.remove(name);
            }
        }
        let mut response = self.ask(&method, &url, &headers).await;
        for _ in 0..MOST_REDIRECTS {
            let Some(next) = redirected(&response, &url) else { break };
            url = next;
            response = self.ask(&method, &url, &headers).await;
        }
        if has_links && response.status() == StatusCode::OK && method == Method::GET {
            response = self.with_links(repository, &url, response).await;
        }
        response
    }

    async fn ask(&self, method: &Method, url: &str, headers: &HeaderMap) -> Response<Body> {
        let (Ok(uri), Some(step)) = (url.parse::<Uri>(), self.step()) else {
            return text(StatusCode::BAD_GATEWAY, "this cannot be asked\n".to_owned());
        };
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers.clone();
        let (parts, ()) = request.into_parts();
        step.shared_step().answer_plainly(parts).await
    }

    /// The index with links to this server.
    async fn with_links(
        &self,
        repository: &PackageRepository,
        url: &str,
        response: Response<Body>,
    ) -> Response<Body> {
        let limit = usize::try_from(self.shared.options.limits.filtered_index).unwrap_or(usize::MAX);
        let (mut parts, body) = response.into_parts();
        let Ok(body) = Limited::new(body, limit).collect().await else {
            return text(StatusCode::BAD_GATEWAY, "the index broke off, or is too large\n".to_owned());
        };
        let body = body.to_bytes();
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let rewritten = links::rewritten(repository, url, content_type.unwrap_or_default(), &body);
        let Some(rewritten) = rewritten else { return Response::from_parts(parts, whole(body)) };
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() > MOST_HOSTS {
            named.clear();
        }
        named.extend(rewritten.hosts.into_iter().map(|host| (repository.name.clone(), host)));
        drop(named);
        parts.headers.remove(CONTENT_LENGTH);
        Response::from_parts(parts, whole(rewritten.body))
    }

    /// Whether something on another host belongs to a repository: an index named the host, or the store has it already.
    fn is_named(&self, repository: &PackageRepository, url: &str) -> bool {
        let Some(address) = Address::parse(url) else { return false };
        let host = format!("{}://{}", address.scheme, address.authority());
        let key = (repository.name.clone(), host);
        if self.named.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return true;
        }
        let request = kept::Request {
            method: Method::GET.as_str().to_owned(),
            url: oci::lock::normalised_url(url),
            variant: String::new(),
            private: false,
        };
        request.latest(&self.shared.options.store).is_ok_and(|kept| kept.is_some())
    }

    /// What answers; another one now and then.
    fn step(&self) -> Option<Arc<StepGateway>> {
        let mut current = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 == 0 {
            let origin: Origin = Arc::new(connection::original_destination);
            current.0 =
                StepGateway::new(self.shared.clone(), Arc::new(|_: &str| ()), origin).ok().map(Arc::new);
            current.1 = ACCOUNT;
        }
        current.1 -= 1;
        current.0.clone()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // At the next start it is fetched again.
        let _ = self.shared.options.store.commit_downloads();
    }
}

/// Where an answer sends its client.
fn redirected(response: &Response<Body>, url: &str) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    Address::parse(url)?.join(response.headers().get(LOCATION)?.to_str().ok()?)
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn not_allowed() -> Response<Body> {
    let mut response =
        text(StatusCode::METHOD_NOT_ALLOWED, "packages are read here, and nothing else\n".to_owned());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
