//! The registry behind the connections: finds out who asks, whether they may, and who answers.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::access::{Authenticator, Identity, Right, Wrong};
use super::answer::{Answer, Refusal, set, whole};
use super::listen::{Bounds, Service};
use super::receive::RequestBody;
use super::route::{Query, Route};
use super::uploads::Uploads;
use super::{Challenge, Events, Limits, Served, Storage, StorageError, blobs, lists, manifests};
use crate::body::Pieces;
use crate::wire::error::Code;
use crate::{Redacted, Repository};

/// bcrypts at once: guessers share them, so that the rest of the machine stays for those who have work.
const PASSWORDS_AT_ONCE: usize = 2;

/// Longer names and passwords are nobody's.
const CREDENTIALS_LIMIT: usize = 4096;

pub(super) struct Registry {
    pub storage: Storage,
    pub authenticator: Authenticator,
    pub uploads: Uploads,
    pub limits: Limits,
    pub challenge: Challenge,
    pub is_tls: bool,
    pub events: Arc<dyn Events>,
    pub passwords: Semaphore,
}

impl Service for Registry {
    type Body = Pieces;

    fn bounds(&self) -> Bounds {
        let Limits { connections, connection_idle: idle, head, .. } = self.limits;
        Bounds { connections, idle, head }
    }

    async fn reply(self: Arc<Registry>, request: Request<Incoming>) -> Answer {
        self.serve(request.map(Into::into)).await
    }

    fn rest(&self) {
        self.uploads.expire();
    }
}

impl Registry {
    pub(super) fn passwords() -> Semaphore {
        Semaphore::new(PASSWORDS_AT_ONCE)
    }

    /// Answers one request.
    pub(super) async fn serve(self: Arc<Registry>, request: Request<RequestBody>) -> Answer {
        let started = Instant::now();
        let (method, path) = (request.method().clone(), Redacted::url(request.uri().path()));
        let unread = request.body().unread();
        let client_waits = request.headers().contains_key(header::EXPECT);
        let (user, result) = self.clone().handle(request).await;
        let (mut answer, problem) = match result {
            Ok(answer) => (answer, None),
            Err(mut refusal) => {
                let problem = refusal.cause.take();
                (refusal.answer(), problem)
            }
        };
        self.events.served(&Served {
            method: method.as_str(),
            path,
            status: answer.status().as_u16(),
            user: user.as_deref(),
            wall: started.elapsed(),
            problem: problem.as_ref(),
        });
        // A client that is not told goes on to use a connection that is closed under its hands.
        if !unread.drain(client_waits).await {
            set(&mut answer, header::CONNECTION, "close");
        }
        answer
    }

    async fn handle(
        self: Arc<Registry>,
        request: Request<RequestBody>,
    ) -> (Option<String>, Result<Answer, Refusal>) {
        let route = match Route::parse(request.uri().path()) {
            Ok(route) => route,
            Err(refusal) => return (None, Err(as_asked(refusal, request.method()))),
        };
        let identity = match self.identify(request.headers()).await {
            Ok(identity) => identity,
            Err(Wrong) => {
                let refusal = self.unauthorized(
                    &route,
                    request.method(),
                    request.headers(),
                    "the credentials are wrong",
                );
                return (None, Err(refusal));
            }
        };
        let user = match &identity {
            Identity::User(name) | Identity::Granted { user: Some(name), .. } => Some(name.clone()),
            _ => None,
        };
        if let Err(refusal) = self.permit(&identity, &route, request.method(), request.headers()) {
            return (user, Err(refusal));
        }
        (user, self.answer(identity, route, request).await)
    }

    async fn answer(
        self: &Arc<Registry>,
        identity: Identity,
        route: Route,
        request: Request<RequestBody>,
    ) -> Result<Answer, Refusal> {
        let (head, body) = request.into_parts();
        let query = Query::parse(head.uri.query());
        let is_head = head.method == Method::HEAD;
        match (head.method.as_str(), route) {
            ("GET" | "HEAD", Route::Base) => Ok(whole(StatusCode::OK, "application/json", "{}")),
            ("GET", Route::Token) => self.token(&identity, &query),
            ("GET" | "HEAD", Route::Catalog) => lists::catalog(self, &identity, &query).await,
            ("GET" | "HEAD", Route::Tags(name)) => lists::tags(self, name, &query).await,
            ("GET" | "HEAD", Route::Referrers(name, digest)) => {
                lists::referrers(self, name, digest, &query).await
            }
            ("GET" | "HEAD", Route::Manifest(name, which)) => {
                manifests::read(self, name, which, &head.headers, is_head).await
            }
            ("PUT", Route::Manifest(name, which)) => {
                manifests::write(self, name, which, &query, &head.headers, body).await
            }
            ("DELETE", Route::Manifest(name, which)) => manifests::delete(self, name, which).await,
            ("GET" | "HEAD", Route::Blob(name, digest)) => {
                blobs::read(self, name, digest, &head.headers, is_head).await
            }
            ("DELETE", Route::Blob(name, digest)) => blobs::delete(self, name, digest).await,
            ("POST", Route::Uploads(name)) => blobs::begin(self, &identity, name, &query, body).await,
            ("GET" | "HEAD", Route::Upload(name, id)) => blobs::status(self, &name, &id).await,
            ("PATCH", Route::Upload(name, id)) => blobs::append(self, name, id, head.headers, body).await,
            ("PUT", Route::Upload(name, id)) => {
                blobs::complete(self, name, id, &query, head.headers, body).await
            }
            ("DELETE", Route::Upload(name, id)) => blobs::cancel(self, &name, &id),
            _ => Err(Refusal::new(Code::Unsupported, "this is not done here with this method")),
        }
    }

    /// Does something that may block, on a thread that may.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Storage) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let storage = self.storage.clone();
        let done = tokio::task::spawn_blocking(move || work(&storage)).await;
        done.unwrap_or_else(|panic| Err(StorageError::new("finish a request", panic).into()))
    }

    async fn identify(self: &Arc<Registry>, headers: &HeaderMap) -> Result<Identity, Wrong> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Identity::Anonymous) };
        let value = value.to_str().map_err(|_| Wrong)?;
        if value.len() > CREDENTIALS_LIMIT {
            return Err(Wrong);
        }
        let (scheme, rest) = value.split_once(' ').ok_or(Wrong)?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.authenticator.bearer(rest.trim());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Wrong);
        }
        let decoded = STANDARD.decode(rest.trim()).map_err(|_| Wrong)?;
        let text = String::from_utf8(decoded).map_err(|_| Wrong)?;
        let (user, password) = text.split_once(':').ok_or(Wrong)?;
        if let Some(identity) = self.authenticator.known(user, password) {
            return Ok(identity);
        }
        if self.authenticator.access().users.is_empty() {
            // An open registry takes whatever clients show out of habit.
            return if self.authenticator.access().has_credentials() {
                Err(Wrong)
            } else {
                Ok(Identity::Anonymous)
            };
        }
        let _turn = self.passwords.acquire().await.map_err(|_| Wrong)?;
        let (registry, user, password) = (self.clone(), user.to_owned(), password.to_owned());
        let check = move || registry.authenticator.basic(&user, &password);
        tokio::task::spawn_blocking(check).await.unwrap_or(Err(Wrong))
    }

    /// Whether somebody may do what they ask for.
    fn permit(
        &self,
        identity: &Identity,
        route: &Route,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let access = self.authenticator.access();
        let allowed = match need(route, method) {
            Some((repository, right)) => access.allows(identity, repository, right),
            // Clients ask here to learn whether they must show who they are.
            None => {
                matches!(route, Route::Token) || *identity != Identity::Anonymous || !access.has_credentials()
            }
        };
        match identity {
            _ if allowed => Ok(()),
            Identity::User(_) => Err(Refusal::new(Code::Denied, "this user may not do that")),
            _ => Err(self.unauthorized(route, method, headers, "who asks must show who they are")),
        }
    }

    fn unauthorized(&self, route: &Route, method: &Method, headers: &HeaderMap, message: &str) -> Refusal {
        let basic = || format!("Basic realm=\"{}\"", self.challenge.service());
        let challenge = match &self.challenge {
            Challenge::Bearer { service, realm } if *route != Route::Token => {
                let realm = realm.clone().unwrap_or_else(|| self.own_realm(headers));
                let scope = need(route, method).map(|(repository, right)| {
                    let rights = if right == Right::Push { "pull,push" } else { right.name() };
                    format!(",scope=\"repository:{repository}:{rights}\"")
                });
                format!("Bearer realm=\"{realm}\",service=\"{service}\"{}", scope.unwrap_or_default())
            }
            _ => basic(),
        };
        Refusal::new(Code::Unauthorized, message).header(header::WWW_AUTHENTICATE, challenge)
    }

    /// Where this server's tokens are had, as the client sees it.
    fn own_realm(&self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let clean = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}/token", if clean { host } else { "localhost" })
    }

    /// GET of a token.
    fn token(&self, identity: &Identity, query: &Query) -> Result<Answer, Refusal> {
        if !matches!(self.challenge, Challenge::Bearer { .. }) {
            return Err(Refusal::new(Code::Unsupported, "this registry makes no tokens"));
        }
        let issuer = self.authenticator.issuer();
        let token = issuer.issue(&self.authenticator.access(), identity, query.all("scope"));
        let seconds = super::access::TOKEN_LIFETIME.as_secs();
        let body = serde_json::json!({"token": token, "access_token": token, "expires_in": seconds});
        let mut answer = whole(StatusCode::OK, "application/json", body.to_string());
        set(&mut answer, header::CACHE_CONTROL, "no-store");
        Ok(answer)
    }
}

/// What somebody must be allowed to do for this; `None`: nothing in a repository.
fn need<'a>(route: &'a Route, method: &Method) -> Option<(&'a Repository, Right)> {
    let by_method = match *method {
        Method::GET | Method::HEAD => Right::Pull,
        Method::DELETE => Right::Delete,
        _ => Right::Push,
    };
    match route {
        Route::Base | Route::Token | Route::Catalog => None,
        Route::Tags(name) | Route::Manifest(name, _) | Route::Blob(name, _) | Route::Referrers(name, _) => {
            Some((name, by_method))
        }
        // Looking after an upload is part of pushing, giving it up too.
        Route::Uploads(name) | Route::Upload(name, _) => Some((name, Right::Push)),
    }
}

/// A tag that nobody could have made is, for who asks for it, one that is not there.
fn as_asked(refusal: Refusal, method: &Method) -> Refusal {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match refusal.code {
        Code::TagInvalid if reads => {
            Refusal { status: StatusCode::NOT_FOUND, code: Code::ManifestUnknown, ..refusal }
        }
        _ => refusal,
    }
}
