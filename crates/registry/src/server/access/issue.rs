//! Tokens that this server makes: who shows a password once gets one that is good for a while and for some
//! repositories. (Docker's token authentication specification; the token's inside is nobody's business but ours)

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Access, Identity, Right};
use crate::Repository;

/// How long a token is good. Clients ask for a new one without a word to their user.
pub(in crate::server) const LIFETIME: Duration = Duration::from_secs(300);

/// Scopes of one request for a token; clients that mount need two.
const SCOPE_LIMIT: usize = 16;

/// Rights in one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Grant {
    repository: String,
    rights: Vec<String>,
}

impl Grant {
    pub(super) fn covers(&self, repository: &Repository, right: Right) -> bool {
        self.repository == repository.as_str() && self.rights.iter().any(|name| name == right.name())
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    user: Option<String>,
    grants: Vec<Grant>,
    /// Seconds after the server's start: no clock that somebody could set.
    until: u64,
}

/// Makes tokens and recognises them. They end with the server.
pub(in crate::server) struct Issuer {
    key: ring::hmac::Key,
    started: Instant,
    lifetime: Duration,
}

impl Issuer {
    pub(super) fn new(key: ring::hmac::Key) -> Issuer {
        Issuer { key, started: Instant::now(), lifetime: LIFETIME }
    }

    /// A token for as much of the scopes as the user may do.
    pub(in crate::server) fn issue<'a>(
        &self,
        access: &Access,
        identity: &Identity,
        scopes: impl Iterator<Item = &'a str>,
    ) -> String {
        let grants = scopes.flat_map(str::split_whitespace).take(SCOPE_LIMIT);
        let grants = grants.filter_map(|scope| grant(access, identity, scope)).collect();
        let user = match identity {
            Identity::User(name) => Some(name.clone()),
            _ => None,
        };
        let until = (self.started.elapsed() + self.lifetime).as_secs();
        let claims = serde_json::to_vec(&Claims { user, grants, until }).unwrap_or_default();
        let signature = ring::hmac::sign(&self.key, &claims);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&claims), URL_SAFE_NO_PAD.encode(signature))
    }

    /// Who shows this token; nobody if it is not one of ours, or too old.
    pub(super) fn verify(&self, token: &str) -> Option<Identity> {
        let (claims, signature) = token.split_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        ring::hmac::verify(&self.key, &claims, &signature).ok()?;
        let Claims { user, grants, until } = serde_json::from_slice(&claims).ok()?;
        (self.started.elapsed().as_secs() < until).then_some(Identity::Granted { user, grants })
    }
}

/// What of `repository:NAME:pull,push` somebody gets; nothing of other kinds of scope.
fn grant(access: &Access, identity: &Identity, scope: &str) -> Option<Grant> {
    let (name, rights) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    let repository: Repository = name.parse().ok()?;
    let wanted = |right: Right| rights.split(',').any(|name| name == right.name() || name == "*");
    let rights = [Right::Pull, Right::Push, Right::Delete].into_iter();
    let rights = rights.filter(|right| wanted(*right) && access.allows(identity, &repository, *right));
    let rights: Vec<String> = rights.map(|right| right.name().to_owned()).collect();
    (!rights.is_empty()).then(|| Grant { repository: name.to_owned(), rights })
}
