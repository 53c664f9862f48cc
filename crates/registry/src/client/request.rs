//! One request to a registry: authenticated, tried again while that makes sense, its answer bounded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::{Body, Response, Url};

use super::Client;
use super::auth::{Action, Scope};
use super::config::Place;
use super::connect::{Connection, Timeouts, within};
use super::error::{RequestError, texts};
use super::retry::retry_after;
use crate::Redacted;
use crate::wire::error;

/// Bytes of an error's body that are read.
const ERROR_LIMIT: u64 = 64 << 10;

/// A request that can be made again: its body, if any, is in memory.
#[derive(Clone)]
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    pub(super) fn new(method: Method, url: Url) -> Ask {
        Ask { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Ask {
        // Values are digests, numbers and media types; what HTTP cannot carry no registry understands.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Ask {
        self.body = body;
        self
    }
}

impl Client {
    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.inner.connector.timeouts
    }

    pub(super) fn scope(&self, place: &Place, action: Action) -> Scope {
        Scope { repository: place.repository.clone(), action, from: None }
    }

    /// Asks until there is an answer that is no passing failure. Answers of success come back, others as errors; 404
    /// and 416 come back too, because callers know better what they mean.
    pub(super) async fn ask(&self, place: &Place, scope: &Scope, ask: Ask) -> Result<Response, RequestError> {
        let mut failures = 0;
        loop {
            let (error, asked) = match self.ask_once(place, scope, &ask).await {
                Ok(response) if is_answer(response.status()) => return Ok(response),
                Ok(response) => {
                    let asked = retry_after(response.headers());
                    (refusal(place, scope.action, response).await, asked)
                }
                Err(error) => (error, None),
            };
            failures += 1;
            self.pause_or_fail(failures, asked, error).await?;
        }
    }

    /// Waits before the next attempt, or gives up.
    pub(super) async fn pause_or_fail(
        &self,
        failures: u32,
        asked: Option<Duration>,
        error: RequestError,
    ) -> Result<(), RequestError> {
        if !error.is_passing() {
            return Err(error);
        }
        match self.inner.retry.wait(failures, asked) {
            Some(time) => {
                self.inner.pause.pause(time).await;
                Ok(())
            }
            None if failures <= 1 => Err(error),
            None => Err(RequestError::GaveUp { attempts: failures, last: Box::new(error) }),
        }
    }

    /// Asks once, or twice if the registry wants to know who asks.
    pub(super) async fn ask_once(
        &self,
        place: &Place,
        scope: &Scope,
        ask: &Ask,
    ) -> Result<Response, RequestError> {
        let connection = self.inner.connector.connect(place).await?;
        let mut shown = false;
        loop {
            let since = Instant::now();
            let body = ask.body.clone();
            let length = (!body.is_empty() || takes_body(&ask.method)).then_some(body.len() as u64);
            let request = self.prepare(&connection, place, scope, ask, Body::from(body), length).await?;
            let response = within(self.timeouts().answer, &ask.url, request.send()).await?;
            if response.status() != StatusCode::UNAUTHORIZED || shown {
                return Ok(response);
            }
            shown = true;
            if !self.inner.authentication.learn(&connection, place, scope, response.headers(), since).await? {
                return Ok(response);
            }
        }
    }

    /// A request, with what is known of how to show who asks.
    pub(super) async fn prepare(
        &self,
        connection: &Connection,
        place: &Place,
        scope: &Scope,
        ask: &Ask,
        body: Body,
        length: Option<u64>,
    ) -> Result<reqwest::RequestBuilder, RequestError> {
        let mut request =
            connection.http.request(ask.method.clone(), ask.url.clone()).headers(ask.headers.clone());
        // An upload's Location may lead to another host; what we are to the registry is not its business.
        if ask.url.host_str() == connection.base.host_str()
            && let Some(value) = self.inner.authentication.authorization(connection, place, scope).await?
        {
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length).body(body);
        }
        Ok(request)
    }

    /// The URL of something in a repository.
    pub(super) async fn url(&self, place: &Place, rest: &str) -> Result<Url, RequestError> {
        let connection = self.inner.connector.connect(place).await?;
        let path = format!("{}/{rest}", place.repository);
        connection.base.join(&path).map_err(|_| RequestError::malformed(&connection.base, "no URL"))
    }
}

fn takes_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn is_answer(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE)
}

/// An answer that is none, as an error.
pub(super) async fn refusal(place: &Place, action: Action, response: Response) -> RequestError {
    // What it says beside its status is not worth much patience.
    let silence = Duration::from_secs(10);
    let (url, status) = (Redacted::url(response.url().as_str()), response.status());
    let items = match read_limited(response, ERROR_LIMIT, silence).await {
        Ok(body) => texts(&error::parse(&body)),
        Err(_) => Vec::new(),
    };
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let (registry, repository) = (place.registry.clone(), place.repository.clone());
        return RequestError::Unauthorized { registry, action: action.verb(), repository, items };
    }
    RequestError::Status { url, status: status.as_u16(), items }
}

/// The whole body, if it is not larger than it may be.
pub(super) async fn read_limited(
    mut response: Response,
    limit: u64,
    silence: Duration,
) -> Result<Vec<u8>, RequestError> {
    let url = response.url().clone();
    let too_large = || RequestError::TooLarge { url: Redacted::url(url.as_str()), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(piece) = within(silence, &url, response.chunk()).await? {
        if body.len() as u64 + piece.len() as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
