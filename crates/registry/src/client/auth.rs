//! How a client shows who it is: with a password, or with tokens that it fetches and renews. (Docker's token
//! authentication specification; RFC 6750)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Url;
use serde::Deserialize;

use super::config::Place;
use super::connect::{Connection, Timeouts, within};
use super::credentials::{CredentialSource, Credentials};
use super::error::{RequestError, texts};
use super::request::read_limited;
use crate::wire::challenge::{self, Challenge};
use crate::wire::error;
use crate::{Redacted, Repository};

/// A token server that does not say how long its tokens are good means this. (Docker's specification)
const DEFAULT_LIFETIME: u64 = 60;

/// No token is used in the last part of its life: the request has yet to travel.
const MARGIN: Duration = Duration::from_secs(5);

/// Bytes of a token server's answer.
const TOKEN_LIMIT: u64 = 1 << 20;

/// What is to be done, and where: the scope of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub repository: Repository,
    pub action: Action,
    /// A repository that is read beside, to mount from.
    pub from: Option<Repository>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Pull,
    Push,
    Delete,
    /// Nothing in any repository: only whether the registry takes who we say we are.
    LogIn,
}

impl Action {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Action::Pull => "pull from",
            Action::Push => "push to",
            Action::Delete => "delete from",
            Action::LogIn => "log in for",
        }
    }
}

impl Scope {
    fn texts(&self) -> Vec<String> {
        let actions = match self.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
            Action::Delete => "delete",
            Action::LogIn => return Vec::new(),
        };
        let mut texts = vec![format!("repository:{}:{actions}", self.repository)];
        texts.extend(self.from.iter().map(|from| format!("repository:{from}:pull")));
        texts
    }
}

/// What is known of registries.
pub(super) struct Authentication {
    pub source: Arc<dyn CredentialSource>,
    pub timeouts: Timeouts,
    known: Mutex<HashMap<String, Known>>,
    tokens: Mutex<HashMap<(String, Scope), Token>>,
    /// One token at a time is fetched for a registry: what the first gets is good for all that wait.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// How a registry wants it.
#[derive(Clone)]
enum Known {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

#[derive(Clone)]
struct Token {
    value: String,
    made: Instant,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Authentication {
    pub(super) fn new(source: Arc<dyn CredentialSource>, timeouts: Timeouts) -> Authentication {
        Authentication {
            source,
            timeouts,
            known: Mutex::default(),
            tokens: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Whoever holds it is the one who fetches a token for the registry.
    async fn turn(&self, place: &Place) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = lock(&self.turns).entry(place.registry.clone()).or_default().clone();
        turn.lock_owned().await
    }

    fn fresh(&self, key: &(String, Scope)) -> Option<Token> {
        lock(&self.tokens).get(key).filter(|token| Instant::now() < token.until).cloned()
    }

    /// What to send with a request, as far as it is known that the registry wants something.
    pub(super) async fn authorization(
        &self,
        connection: &Connection,
        place: &Place,
        scope: &Scope,
    ) -> Result<Option<HeaderValue>, RequestError> {
        let known = lock(&self.known).get(&place.registry).cloned();
        match known {
            None => Ok(None),
            Some(Known::Basic) => self.basic(place),
            Some(Known::Bearer { realm, service }) => {
                let key = (place.registry.clone(), scope.clone());
                if let Some(token) = self.fresh(&key) {
                    return Ok(secret(&format!("Bearer {}", token.value)));
                }
                let _turn = self.turn(place).await;
                let token = match self.fresh(&key) {
                    Some(token) => token,
                    None => {
                        let scopes = scope.texts();
                        let token =
                            self.fetch(connection, place, &realm, service.as_deref(), &scopes).await?;
                        lock(&self.tokens).insert(key, token.clone());
                        token
                    }
                };
                Ok(secret(&format!("Bearer {}", token.value)))
            }
        }
    }

    /// Learns from a refusal what the registry wants; whether there is something better to show now. `since`: before the
    /// refused request was made.
    pub(super) async fn learn(
        &self,
        connection: &Connection,
        place: &Place,
        scope: &Scope,
        headers: &HeaderMap,
        since: Instant,
    ) -> Result<bool, RequestError> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = values.flat_map(challenge::parse).collect();
        if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
            let realm = self.realm(connection, bearer)?;
            let service = bearer.get("service").map(str::to_owned);
            let mut scopes = scope.texts();
            let wanted = bearer.get("scope").into_iter().flat_map(str::split_whitespace);
            scopes.extend(
                wanted.filter(|wanted| !covered(&scopes, wanted)).map(str::to_owned).collect::<Vec<_>>(),
            );
            let key = (place.registry.clone(), scope.clone());
            let _turn = self.turn(place).await;
            if self.fresh(&key).is_some_and(|token| token.made > since) {
                return Ok(true);
            }
            let token = self.fetch(connection, place, &realm, service.as_deref(), &scopes).await?;
            lock(&self.known).insert(place.registry.clone(), Known::Bearer { realm, service });
            lock(&self.tokens).insert(key, token);
            return Ok(true);
        }
        if challenges.iter().any(|challenge| challenge.scheme == "basic") {
            lock(&self.known).insert(place.registry.clone(), Known::Basic);
            return Ok(self.basic(place)?.is_some());
        }
        Ok(false)
    }

    /// Where tokens are had. A registry that speaks TLS does not get us to send a password in the clear.
    fn realm(&self, connection: &Connection, bearer: &Challenge) -> Result<Url, RequestError> {
        let text = bearer.get("realm").unwrap_or_default();
        let malformed = |why: &str| RequestError::malformed(&connection.base, why);
        let realm = connection.base.join(text).map_err(|_| malformed("its token server is no URL"))?;
        let plain = realm.scheme() == "http" && connection.base.scheme() == "https";
        if text.is_empty() || !matches!(realm.scheme(), "http" | "https") || plain {
            return Err(malformed("its token server is none that we would send a password to"));
        }
        Ok(realm)
    }

    fn credentials(&self, place: &Place) -> Result<Option<Credentials>, RequestError> {
        let found = self.source.credentials(&place.registry, place.repository.as_str());
        found.map_err(|source| RequestError::Credentials { registry: place.registry.clone(), source })
    }

    fn basic(&self, place: &Place) -> Result<Option<HeaderValue>, RequestError> {
        Ok(self.credentials(place)?.and_then(|credentials| match credentials {
            Credentials::Password { user, password } => basic(&user, &password),
            Credentials::RegistryToken(token) => secret(&format!("Bearer {token}")),
            Credentials::IdentityToken(_) => None,
        }))
    }

    async fn fetch(
        &self,
        connection: &Connection,
        place: &Place,
        realm: &Url,
        service: Option<&str>,
        scopes: &[String],
    ) -> Result<Token, RequestError> {
        let credentials = self.credentials(place)?;
        let made = Instant::now();
        let mut url = realm.clone();
        let request = match &credentials {
            Some(Credentials::RegistryToken(token)) => {
                return Ok(Token { value: token.clone(), made, until: made + Duration::from_secs(3600) });
            }
            Some(Credentials::IdentityToken(token)) => {
                let scope = scopes.join(" ");
                let mut form =
                    vec![("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "kapok")];
                form.extend(service.map(|service| ("service", service)));
                form.push(("scope", &scope));
                connection.http.post(url.clone()).form(&form)
            }
            other => {
                {
                    let mut query = url.query_pairs_mut();
                    query.extend_pairs(service.map(|service| ("service", service)));
                    query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
                    if let Some(Credentials::Password { user, .. }) = other {
                        query.append_pair("account", user);
                    }
                }
                let request = connection.http.get(url.clone());
                match other {
                    Some(Credentials::Password { user, password }) => request.headers(
                        basic(user, password)
                            .map(|value| (header::AUTHORIZATION, value))
                            .into_iter()
                            .collect(),
                    ),
                    _ => request,
                }
            }
        };
        let response = within(self.timeouts.silence, &url, request.send()).await?;
        let status = response.status();
        let body = read_limited(response, TOKEN_LIMIT, self.timeouts.silence).await?;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(RequestError::Unauthorized {
                registry: place.registry.clone(),
                action: "use",
                repository: place.repository.clone(),
                items: texts(&error::parse(&body)),
            });
        }
        if !status.is_success() {
            let items = texts(&error::parse(&body));
            return Err(RequestError::Status {
                url: Redacted::url(url.as_str()),
                status: status.as_u16(),
                items,
            });
        }
        let malformed = |why: &str| RequestError::malformed(&url, why);
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| malformed("no token"))?;
        let value = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let value = value.ok_or_else(|| malformed("no token"))?;
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFETIME).min(86_400));
        // A token of a few seconds is used at once or not at all.
        let useful = if lifetime > 2 * MARGIN { lifetime - MARGIN } else { lifetime / 2 };
        Ok(Token { value, made: Instant::now(), until: Instant::now() + useful })
    }
}

/// Whether scopes contain one, as `pull,push` contains `pull`.
fn covered(scopes: &[String], wanted: &str) -> bool {
    let split =
        |scope: &str| scope.rsplit_once(':').map(|(name, actions)| (name.to_owned(), actions.to_owned()));
    let Some((name, actions)) = split(wanted) else { return false };
    scopes.iter().filter_map(|scope| split(scope)).any(|(known, mine)| {
        known == name && actions.split(',').all(|action| mine.split(',').any(|mine| mine == action))
    })
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// A header that libraries do not show either.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
