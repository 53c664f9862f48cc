//! Who may do what: users and tokens, and their rights in repositories.

mod htpasswd;
mod issue;
mod live;
mod pattern;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oci::Digest;

use crate::Repository;

pub use htpasswd::{Htpasswd, HtpasswdError};
pub(super) use issue::{Grant, Issuer, LIFETIME as TOKEN_LIFETIME};
pub use live::LiveAccess;
pub use pattern::{Pattern, PatternError};

/// How long a password that was right is remembered: bcrypt takes a tenth of a second, a push has hundreds of requests.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Passwords remembered at most.
const REMEMBERED_LIMIT: usize = 1024;

/// What somebody may do with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read blobs, manifests, tags and referrers.
    Pull,
    /// Add blobs and manifests, move tags.
    Push,
    /// Remove them.
    Delete,
}

impl Right {
    /// As in the scope of a token.
    pub fn name(self) -> &'static str {
        match self {
            Right::Pull => "pull",
            Right::Push => "push",
            Right::Delete => "delete",
        }
    }
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody, also without credentials.
    Anyone,
    /// Everybody with credentials.
    Users,
    /// One user, or one token by its name.
    User(String),
}

/// Gives rights; nothing takes any away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// To whom.
    pub who: Who,
    /// In which repositories.
    pub repositories: Pattern,
    /// Which.
    pub rights: Vec<Right>,
}

/// A secret that stands for a user, given as `Bearer` or in place of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The user that it stands for.
    pub name: String,
    /// The SHA-256 digest of the secret: the secret itself need not be kept.
    pub digest: Digest,
}

/// Everything about access.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Users with passwords.
    pub users: Htpasswd,
    /// Secrets that stand for users.
    pub tokens: Vec<AccessToken>,
    /// Rights. None at all: whoever has credentials may do everything, or, if there are no credentials either, anyone.
    pub rules: Vec<Rule>,
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Anonymous,
    User(String),
    /// Somebody with a token of this server, which limits what they may do.
    Granted {
        user: Option<String>,
        grants: Vec<Grant>,
    },
}

impl Access {
    /// Whether there is any way to show who one is.
    pub fn has_credentials(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// Whether somebody may do something.
    pub(super) fn allows(&self, identity: &Identity, repository: &Repository, right: Right) -> bool {
        let user = match identity {
            Identity::Anonymous => None,
            Identity::User(name) => Some(name.as_str()),
            Identity::Granted { user, grants } => {
                if !grants.iter().any(|grant| grant.covers(repository, right)) {
                    return false;
                }
                user.as_deref()
            }
        };
        if self.rules.is_empty() {
            return user.is_some() || !self.has_credentials();
        }
        self.rules.iter().any(|rule| {
            let meant = match &rule.who {
                Who::Anyone => true,
                Who::Users => user.is_some(),
                Who::User(name) => user == Some(name),
            };
            meant && rule.rights.contains(&right) && rule.repositories.matches(repository)
        })
    }

    /// The user whose token this is.
    fn token(&self, secret: &str) -> Option<&str> {
        let found = Digest::of(secret.as_bytes());
        // All are compared, each in constant time, so that time says nothing.
        let mut name = None;
        for token in &self.tokens {
            if equal(token.digest.as_bytes(), found.as_bytes()) {
                name = Some(token.name.as_str());
            }
        }
        name
    }
}

/// Tells who makes a request, by what they show.
pub(super) struct Authenticator {
    access: Arc<LiveAccess>,
    issuer: Issuer,
    remembered: Mutex<Remembered>,
    secret: ring::hmac::Key,
}

/// Passwords that were right not long ago, by their marks.
#[derive(Default)]
struct Remembered {
    /// When it was that these passwords were right; with others all is forgotten.
    access: Arc<Access>,
    since: HashMap<[u8; 32], Instant>,
}

/// Credentials that are wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong;

impl Authenticator {
    pub(super) fn new(access: Arc<LiveAccess>, secret: &[u8; 32]) -> Authenticator {
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        Authenticator { access, issuer: Issuer::new(secret.clone()), remembered: Mutex::default(), secret }
    }

    pub(super) fn access(&self) -> Arc<Access> {
        self.access.current()
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whoever has this token.
    pub(super) fn bearer(&self, token: &str) -> Result<Identity, Wrong> {
        if let Some(name) = self.access().token(token) {
            return Ok(Identity::User(name.to_owned()));
        }
        self.issuer.verify(token).ok_or(Wrong)
    }

    /// Whoever has this name and password, as far as it is known without computing.
    pub(super) fn known(&self, user: &str, password: &str) -> Option<Identity> {
        let access = self.access();
        let fresh = |since: &Instant| since.elapsed() < REMEMBERED;
        let remembered = self.remembered(&access).since.get(&self.mark(user, password)).is_some_and(fresh);
        if remembered {
            return Some(Identity::User(user.to_owned()));
        }
        access.token(password).map(|name| Identity::User(name.to_owned()))
    }

    /// Whoever has this name and password. Takes long on purpose: call it where a thread may wait.
    pub(super) fn basic(&self, user: &str, password: &str) -> Result<Identity, Wrong> {
        let access = self.access();
        if !access.users.verify(user, password) {
            return Err(Wrong);
        }
        let mark = self.mark(user, password);
        let mut remembered = self.remembered(&access);
        if remembered.since.len() >= REMEMBERED_LIMIT {
            remembered.since.retain(|_, since| since.elapsed() < REMEMBERED);
        }
        if remembered.since.len() < REMEMBERED_LIMIT {
            remembered.since.insert(mark, Instant::now());
        }
        Ok(Identity::User(user.to_owned()))
    }

    /// What is remembered of a name and a password: nothing that leads back to them.
    fn mark(&self, user: &str, password: &str) -> [u8; 32] {
        let mut context = ring::hmac::Context::with_key(&self.secret);
        context.update(&(user.len() as u64).to_le_bytes());
        context.update(user.as_bytes());
        context.update(password.as_bytes());
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    /// What is remembered of these passwords: nothing, if the last that were asked for are others.
    fn remembered(&self, access: &Arc<Access>) -> std::sync::MutexGuard<'_, Remembered> {
        let mut remembered = self.remembered.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !Arc::ptr_eq(&remembered.access, access) {
            *remembered = Remembered { access: access.clone(), since: HashMap::new() };
        }
        remembered
    }
}

/// Compares in a time that depends on the lengths alone.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
pub(crate) mod tests;
