//! What of a URL or a header may be shown. Messages and logs show them through this type and no other way.

use std::fmt;

use http::HeaderMap;
use http::header::HeaderName;

/// Headers whose values are shown; of all others only the name is.
const PUBLIC: &[&str] = &[
    "accept",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "docker-content-digest",
    "host",
    "oci-subject",
    "range",
    "retry-after",
    "server",
    "user-agent",
];

/// Text without secrets: no user, password, query or fragment of a URL, no value of a header that could hold a
/// credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted(String);

impl Redacted {
    /// A URL. Queries go as a whole: storage behind a registry puts signatures there.
    pub fn url(url: &str) -> Redacted {
        let end = url.find(['?', '#']).unwrap_or(url.len());
        let (shown, hidden) = (&url[..end], end < url.len());
        let mut text = match shown.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                format!("{scheme}://{host}{path}")
            }
            None => shown.to_owned(),
        };
        if hidden {
            text.push_str("?…");
        }
        Redacted(text)
    }

    /// Headers, in one line.
    pub fn headers(headers: &HeaderMap) -> Redacted {
        let shown = |name: &HeaderName, value: &http::HeaderValue| {
            let value = match value.to_str() {
                Ok(value) if PUBLIC.contains(&name.as_str()) => value,
                _ => "…",
            };
            format!("{name}: {value}")
        };
        Redacted(headers.iter().map(|(name, value)| shown(name, value)).collect::<Vec<_>>().join(", "))
    }

    /// Text that a stranger wrote: one line, without control characters, of bounded length.
    pub fn foreign(text: &str) -> Redacted {
        const LIMIT: usize = 300;
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let clean: String = line.chars().filter(|c| !c.is_control()).collect();
        match clean.char_indices().nth(LIMIT) {
            Some((end, _)) => Redacted(format!("{}…", &clean[..end])),
            None => Redacted(clean),
        }
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_left() {
        let url = |text: &str| Redacted::url(text).to_string();
        assert_eq!(url("https://u:p@h:1/v2/a?X-Amz-Signature=s#f"), "https://h:1/v2/a?…");
        assert_eq!(url("https://h/p@q"), "https://h/p@q");
        assert_eq!(url("https://a@b@c"), "https://c");
        assert_eq!(url("/v2/?x"), "/v2/?…");
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer abc".parse().unwrap());
        headers.insert("range", "bytes=1-".parse().unwrap());
        assert_eq!(Redacted::headers(&headers).to_string(), "authorization: …, range: bytes=1-");
        assert_eq!(Redacted::foreign("a\n\u{1b}[31mb\t c").to_string(), "a [31mb c");
        assert!(Redacted::foreign(&"x".repeat(5000)).to_string().chars().count() <= 301);
    }
}
