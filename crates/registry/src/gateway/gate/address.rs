//! Addresses as settings name them: hosts, and paths below them.

use std::fmt;
use std::str::FromStr;

use crate::gateway::hosts::{HostPattern, HostPatternError};
use crate::packages::Address;

/// Some addresses: `example.org`, `*.example.org`, `10.0.0.0/8`, each with a scheme, a port or a path where only that is
/// meant: `https://example.org:8443/team/**`. In a path `*` stands for anything within a part, `**` for any parts; a
/// path without a wildcard means itself and everything below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressPattern {
    text: String,
    scheme: Option<String>,
    hosts: HostPattern,
    path: Vec<String>,
}

/// Text that names no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressPatternError {
    /// Its host is none.
    #[error(transparent)]
    Host(#[from] HostPatternError),
    /// It has something that an address never matches.
    #[error("`{0}` has a query or a fragment; a pattern ends with the path")]
    Query(String),
    /// Schemes other than http and https never reach the gate.
    #[error("`{0}` begins with neither `http://` nor `https://`")]
    Scheme(String),
}

impl AddressPattern {
    /// Whether an address is meant. Its path is read as servers read it: decoded, without `.`, `..` and empty parts.
    pub fn matches(&self, address: &Address) -> bool {
        let scheme = self.scheme.as_ref().is_none_or(|scheme| *scheme == address.scheme);
        if !scheme || !self.hosts.matches(&address.host, address.port) {
            return false;
        }
        let parts = address.plain_segments();
        let pattern: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match pattern.iter().any(|part| part.contains('*')) {
            true => parts_match(&pattern, &parts),
            false => parts.starts_with(&pattern),
        }
    }

    /// Whether a connection of which no path is known may be meant as a whole.
    pub fn matches_host(&self, host: &str, port: u16) -> bool {
        self.path.is_empty() && self.scheme.as_deref() != Some("http") && self.hosts.matches(host, port)
    }
}

impl FromStr for AddressPattern {
    type Err = AddressPatternError;

    fn from_str(text: &str) -> Result<AddressPattern, AddressPatternError> {
        let text = text.trim();
        if text.contains(['?', '#']) {
            return Err(AddressPatternError::Query(text.to_owned()));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        if scheme.as_deref().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err(AddressPatternError::Scheme(text.to_owned()));
        }
        // A network has a slash of its own.
        let network = rest.parse::<HostPattern>().ok();
        let (hosts, path) = match (network, rest.split_once('/')) {
            (Some(hosts), _) => (hosts, ""),
            (None, Some((host, path))) => (host.parse()?, path),
            (None, None) => (rest.parse()?, ""),
        };
        let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Ok(AddressPattern { text: text.to_owned(), scheme, hosts, path })
    }
}

impl fmt::Display for AddressPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Matches parts of a path; the work is bounded by the product of both lengths.
fn parts_match(pattern: &[&str], parts: &[&str]) -> bool {
    wild(pattern, parts, |part| *part == "**", |pattern, part| text_matches(pattern, part))
}

/// Matches a text in which `*` stands for anything.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    wild(&pattern, &text, |part| *part == '*', |pattern, part| pattern == part)
}

/// Wildcard matching with one way back, the last wildcard.
fn wild<T>(pattern: &[T], text: &[T], any: impl Fn(&T) -> bool, same: impl Fn(&T, &T) -> bool) -> bool {
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(part) if any(part) => {
                back = Some((p, t));
                p += 1;
            }
            Some(part) if same(part, &text[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_meant_or_not() {
        let check = |pattern: &str, yes: &[&str], no: &[&str]| {
            let parsed: AddressPattern = pattern.parse().unwrap();
            let meant = |url: &&&str| parsed.matches(&Address::parse(url).unwrap());
            for url in yes {
                assert!(meant(&url), "{pattern} {url}");
            }
            for url in no {
                assert!(!meant(&url), "{pattern} {url}");
            }
        };
        check("example.org", &["http://example.org/a", "https://EXAMPLE.org:8/"], &["http://a.example.org/"]);
        check(
            "*.example.org",
            &["http://a.b.example.org/"],
            &["http://example.org/", "http://badexample.org/"],
        );
        check(
            "https://example.org:8443",
            &["https://example.org:8443/x"],
            &["http://example.org:8443/", "https://example.org/"],
        );
        check(
            "example.org/team/a",
            &[
                "http://example.org/team/a",
                "http://example.org/team/a/b",
                "http://example.org//x/../team/./%61/",
            ],
            &[
                "http://example.org/team/ab",
                "http://example.org/team/a/../b",
                "http://example.org/team/a/%2e%2e/b",
                "http://example.org/",
            ],
        );
        check(
            "example.org/*/x*.tgz",
            &["http://example.org/a/x1.tgz"],
            &["http://example.org/a/b/x1.tgz", "http://example.org/a/y.tgz"],
        );
        check(
            "example.org/a/**/z",
            &["http://example.org/a/z", "http://example.org/a/b/c/z"],
            &["http://example.org/z"],
        );
        check("10.0.0.0/8", &["http://10.1.2.3/x"], &["http://11.0.0.1/"]);
        check("*", &["http://anything/at/all"], &[]);
        for bad in ["", "example.org/a?b", "ftp://example.org", "a b", "http://"] {
            assert!(bad.parse::<AddressPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_cost_little() {
        let pattern = "*a".repeat(50) + "b";
        assert!(!text_matches(&pattern, &"a".repeat(5000)));
        assert!(text_matches("a*c*", "abcd") && text_matches("*", "") && !text_matches("a", ""));
    }
}
