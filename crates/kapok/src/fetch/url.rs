//! The little that fetching needs to know of URLs (RFC 3986): schemes, origins, logins, references.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::url::{decoded, without_dots};

/// An `http` or `https` URL without a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// Length of `https://`.
    scheme: usize,
    /// Where the path (or the query, or the end) begins.
    path: usize,
}

impl Url {
    /// Takes a URL apart.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.split('#').next().unwrap_or_default().trim();
        let scheme = if starts_with(text, "http://") {
            7
        } else if starts_with(text, "https://") {
            8
        } else {
            return Err("only `http` and `https` are fetched");
        };
        if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err("it has blanks or control characters");
        }
        let path = text[scheme..].find(['/', '?']).map_or(text.len(), |at| scheme + at);
        let url = Self { text: encoded(text), scheme, path };
        match url.host() {
            "" => Err("it names no host"),
            host if host.contains('%') => Err("its host is not ASCII; write it in punycode"),
            _ => Ok(url),
        }
    }

    /// The URL as it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.scheme == 8
    }

    /// Scheme, host and port: what a login is good for.
    pub fn origin(&self) -> (bool, String, u16) {
        (self.is_secure(), self.host().to_ascii_lowercase(), self.port())
    }

    /// The path, without a query.
    pub fn path(&self) -> &str {
        self.text[self.path..].split('?').next().unwrap_or_default()
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.host_and_port();
        match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split(':').next().unwrap_or_default(),
        }
    }

    /// The port, said or meant.
    pub fn port(&self) -> u16 {
        let behind = self.host_and_port().rsplit(']').next().unwrap_or_default();
        let said = behind.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        said.unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    fn host_and_port(&self) -> &str {
        let authority = &self.text[self.scheme..self.path];
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    /// Takes `user:password@` out, as the value of an `Authorization` header.
    pub fn take_login(&mut self) -> Option<String> {
        let (login, _) = self.text[self.scheme..self.path].rsplit_once('@')?;
        let header = basic(login);
        let cut = login.len() + 1;
        self.text.replace_range(self.scheme..self.scheme + cut, "");
        self.path -= cut;
        Some(header)
    }

    /// What a reference means that was found at this URL (RFC 3986, section 5.2).
    pub fn join(&self, reference: &str) -> Result<Self, &'static str> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        if starts_with(reference, "http://") || starts_with(reference, "https://") {
            return Self::parse(reference);
        }
        if let Some((scheme, _)) = reference.split_once(':')
            && !scheme.contains(['/', '?'])
            && !scheme.is_empty()
        {
            return Err("it redirects to something that is neither `http` nor `https`");
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}{reference}", &self.text[..self.scheme - 2]));
        }
        let (root, rest) = self.text.split_at(self.path);
        let (path, _) = rest.split_once('?').unwrap_or((rest, ""));
        if reference.starts_with('/') {
            return Self::parse(&format!("{root}{}", path_without_dots(reference)));
        }
        if reference.is_empty() || reference.starts_with('?') {
            return Self::parse(&format!("{root}{path}{reference}"));
        }
        let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
        Self::parse(&format!("{root}{}", path_without_dots(&format!("{directory}{reference}"))))
    }
}

/// A URL as messages show it: without login, query and fragment, where secrets are.
pub fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.chars().take(300).collect() };
    let authority = rest.find('/').unwrap_or(rest.len());
    let host = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..]).chars().take(300).collect()
}

/// The value of an `Authorization` header for `user:password`, percent-encoded as in URLs (RFC 7617).
pub fn basic(login: &str) -> String {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    basic_of(&decoded(user), &decoded(password))
}

/// The value of an `Authorization` header for a user and a password.
pub fn basic_of(user: &[u8], password: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode([user, b":", password].concat()))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Characters that may not stand in a URL as they are, but do in what people write.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                let _ = write!(out, "%{byte:02X}");
            }
            byte => out.push(char::from(byte)),
        }
    }
    out
}

/// A reference without `.` and `..` in its path; a query is left alone.
fn path_without_dots(reference: &str) -> String {
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    without_dots(path) + query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let url = Url::parse("HTTPS://ada:pass@Host.example:8443/a?b#c").unwrap();
        assert_eq!(url.origin(), (true, "host.example".to_owned(), 8443));
        assert_eq!(Url::parse("http://[::1]:80/").unwrap().origin(), (false, "::1".to_owned(), 80));
        assert_eq!(Url::parse("https://[::1]").unwrap().port(), 443);
        assert_eq!(Url::parse("http://h/ä|").unwrap().as_str(), "http://h/%C3%A4%7C");
        for bad in ["ftp://h/", "h/x", "http://", "http:///x", "https://ä/", "http://h/a b", "http://h/\nx"]
        {
            assert!(Url::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_login_is_taken_out() {
        let mut url = Url::parse("http://Aladdin:open%20sesame@h/x").unwrap();
        assert_eq!(url.take_login().as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(url.take_login(), None);
        assert_eq!(url.as_str(), "http://h/x");
        assert_eq!(basic("token"), "Basic dG9rZW46");
    }

    /// RFC 3986, section 5.4, as far as it is about `http`.
    #[test]
    fn references_are_resolved() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        let table = [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("#s", "http://a/b/c/d;p"),
            ("", "http://a/b/c/d;p"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../../g", "http://a/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("https://x/y", "https://x/y"),
        ];
        for (reference, expected) in table {
            assert_eq!(base.join(reference).unwrap().as_str(), expected, "{reference}");
        }
        assert!(base.join("file:///etc/passwd").is_err());
        assert!(base.join("javascript:x").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(shown("https://u:p@h:1/a/b?token=1#x"), "https://h:1/a/b");
        assert_eq!(shown("https://h?x"), "https://h");
        assert_eq!(shown("no url"), "no url");
    }
}
