//! Logins that belong to a place, and are sent there without standing in the URL.

use super::url::{Url, basic, basic_of};
use std::fmt;

/// A user and a password for all URLs below one.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    origin: (bool, String, u16),
    path: String,
    header: String,
}

impl Login {
    /// For URLs below `prefix`; none if that is no URL.
    pub fn new(prefix: &str, user: &str, password: &str) -> Option<Self> {
        Self::with_header(prefix, basic_of(user.as_bytes(), password.as_bytes()))
    }

    /// From `user:password`, percent-encoded as in a URL.
    pub fn encoded(prefix: &str, login: &str) -> Option<Self> {
        Self::with_header(prefix, basic(login))
    }

    fn with_header(prefix: &str, header: String) -> Option<Self> {
        let url = Url::parse(prefix).ok()?;
        Some(Self { origin: url.origin(), path: url.path().trim_end_matches('/').to_owned(), header })
    }

    /// The value of an `Authorization` header, if the URL is below the place.
    pub fn header_for(&self, url: &Url) -> Option<&str> {
        let below =
            url.path().strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (url.origin() == self.origin && below).then_some(&self.header)
    }
}

/// Without the secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("origin", &self.origin)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
