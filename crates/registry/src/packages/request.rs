//! A request as far as recognising needs it, and its address taken apart.

use ::oci::url::{decoded_text, without_dots};

/// A request and, where there is one already, what its answer says it is.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, `HEAD`, `POST`.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// The request's `Accept`; empty where it has none.
    pub accept: &'a str,
    /// The request's `User-Agent`; empty where it has none.
    pub agent: &'a str,
    /// The answer's `Content-Type`, once it is there.
    pub content_type: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A GET of which nothing else is known.
    pub fn get(url: &'a str) -> Request<'a> {
        Request { method: "GET", url, accept: "", agent: "", content_type: None }
    }

    /// The same with an `Accept` header.
    pub fn accept(self, accept: &'a str) -> Request<'a> {
        Request { accept, ..self }
    }

    /// The same with a `User-Agent` header.
    pub fn agent(self, agent: &'a str) -> Request<'a> {
        Request { agent, ..self }
    }

    /// The same with its answer's content type.
    pub fn answered(self, content_type: Option<&'a str>) -> Request<'a> {
        Request { content_type, ..self }
    }

    /// Whether request or answer speak of this media type.
    pub(super) fn speaks(&self, media_type: &str) -> bool {
        let holds = |text: &str| text.to_ascii_lowercase().contains(media_type);
        holds(self.accept) || self.content_type.is_some_and(holds)
    }

    /// Whether the client calls itself so; its name stands before a `/` or at the very beginning.
    pub(super) fn is_agent(&self, names: &[&str]) -> bool {
        let starts = |name: &&str| {
            let rest = self.agent.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
            rest.is_some() && !self.agent[name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        names.iter().any(starts)
    }
}

/// A URL taken apart. Path segments are decoded one by one, so that `@scope%2fname` is one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http` or `https`, lower case.
    pub scheme: String,
    /// Lower case, without brackets.
    pub host: String,
    /// Given, or the scheme's.
    pub port: u16,
    /// The path as it is sent, `/` where there is none.
    pub path: String,
    /// The query as it is sent.
    pub query: Option<String>,
    segments: Vec<String>,
}

/// No client sends longer ones; a longer one is nobody's protocol.
const LONGEST_URL: usize = 16 << 10;

impl Address {
    /// Takes a URL of http or https apart. `None` where it is none.
    pub fn parse(url: &str) -> Option<Address> {
        if url.len() > LONGEST_URL {
            return None;
        }
        let url = url.split('#').next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(authority, default)?;
        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (tail, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(decoded_text).collect();
        Some(Address { scheme, host, port, path: path.to_owned(), query, segments })
    }

    /// The path's parts, decoded, without empty ones.
    pub fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The path's parts as a server reads them: decoded to the end, without `.`, `..` and empty parts.
    pub fn plain_segments(&self) -> Vec<String> {
        let mut plain: Vec<String> = Vec::new();
        // A slash may be encoded too; servers differ in whether it then parts.
        for part in self.segments.iter().flat_map(|segment| segment.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    plain.pop();
                }
                part => plain.push(part.to_owned()),
            }
        }
        plain
    }

    /// The last part of the path, decoded.
    pub fn last(&self) -> Option<&str> {
        self.segments.last().map(String::as_str)
    }

    /// Whether the path ends with a `/`.
    pub fn is_directory(&self) -> bool {
        self.path.ends_with('/')
    }

    /// Host and, where it is not the scheme's own, port; IPv6 addresses in brackets.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.scheme.as_str(), self.port) {
            ("http", 80) | ("https", 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The URL of a path on the same host. `reference` may be absolute, begin with `/` or be relative to this
    /// document. (RFC 3986, 5.2)
    pub fn join(&self, reference: &str) -> Option<String> {
        let reference = reference.split('#').next().unwrap_or_default();
        if reference.contains("://") {
            return Address::parse(reference).map(|_| reference.to_owned());
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Some(format!("{}://{rest}", self.scheme));
        }
        let root = format!("{}://{}", self.scheme, self.authority());
        let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
        let base = if path.starts_with('/') { "" } else { &self.path[..=self.path.rfind('/')?] };
        if path.is_empty() {
            return Some(format!("{root}{}{query}", self.path));
        }
        Some(format!("{root}{}{query}", without_dots(&format!("{base}{path}"))))
    }

    /// The value of a key in the query, decoded.
    pub(super) fn query_value(&self, key: &str) -> Option<String> {
        let pairs = self.query.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| decoded_text(value))
    }
}

fn split_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = if port.is_empty() { default } else { port.parse().ok()? };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::parse(url).unwrap_or_else(|| panic!("{url}"))
    }

    #[test]
    fn urls_are_taken_apart() {
        let found = address("HTTPS://u:p@Repo.Example.Org:8443//a/@s%2Fn/x%2by?k=v%20w#f");
        assert_eq!(
            (found.scheme.as_str(), found.host.as_str(), found.port),
            ("https", "repo.example.org", 8443)
        );
        assert_eq!(found.segments(), ["a", "@s/n", "x+y"]);
        assert_eq!(found.query_value("k").as_deref(), Some("v w"));
        assert_eq!(found.authority(), "repo.example.org:8443");
        assert_eq!(address("http://[2001:db8::5]:81/a").authority(), "[2001:db8::5]:81");
        assert_eq!(address("http://h").path, "/");
        assert_eq!(address("http://h?x").query.as_deref(), Some("x"));
        for none in ["", "ftp://h/", "http://", "http://h:x/", "/a", "http://[::1/"] {
            assert_eq!(Address::parse(none), None, "{none}");
        }
        assert_eq!(address("http://h/%zz%f").segments(), ["%zz%f"]);
    }

    #[test]
    fn references_are_resolved() {
        let base = address("https://h:8/simple/six/?x");
        for (reference, wanted) in [
            ("../../packages/a.whl#sha256=00", "https://h:8/packages/a.whl"),
            ("/p/./b", "https://h:8/p/b"),
            ("c?d=e", "https://h:8/simple/six/c?d=e"),
            ("//other/x", "https://other/x"),
            ("http://other/x#f", "http://other/x"),
            ("../../../..", "https://h:8/"),
        ] {
            assert_eq!(base.join(reference).as_deref(), Some(wanted), "{reference}");
        }
    }

    #[test]
    fn agents_are_whole_words() {
        let agent = |text: &str| Request::get("http://h").agent(text).is_agent(&["npm", "cargo"]);
        assert!(agent("npm/10.2 node/v20") && agent("cargo 1.88.0") && agent("NPM/1"));
        assert!(!agent("npmx/1") && !agent("") && !agent("é"));
    }
}
