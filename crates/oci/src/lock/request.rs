//! Requests in one form, so that the same question is found again.

use crate::Digest;
use crate::url::without_dots;

/// What a request is found by: URL and method, and what beside them decides the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey {
    /// Normalised.
    pub url: String,
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// The beginning of the digest of the request's body and of the headers that decide: 16 hexadecimal digits. It
    /// tells requests of one URL apart and vouches for nothing.
    pub variant: Option<String>,
}

/// Digits of [`RequestKey::variant`].
pub(super) const VARIANT_DIGITS: usize = 16;

/// Keys in queries that sign a URL for a while: storage behind a server puts them there, another one at each redirect.
const SIGNATURES: &[&str] = &[
    "awsaccesskeyid",
    "expires",
    "googleaccessid",
    "jwt",
    "key-pair-id",
    "policy",
    "se",
    "sig",
    "signature",
    "ske",
    "skoid",
    "sks",
    "skt",
    "sktid",
    "skv",
    "sp",
    "spr",
    "sr",
    "st",
    "sv",
    "verify",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-goog-algorithm",
    "x-goog-credential",
    "x-goog-date",
    "x-goog-expires",
    "x-goog-signature",
    "x-goog-signedheaders",
];

/// Keys in queries whose values are somebody's own, wherever they stand: with them, others could ask as her.
const SECRETS: &[&str] = &[
    "access_token",
    "access-token",
    "accesstoken",
    "api_key",
    "api-key",
    "apikey",
    "auth_token",
    "authtoken",
    "client_secret",
    "id_token",
    "job_token",
    "oauth_token",
    "passwd",
    "password",
    "private_token",
    "private-token",
    "refresh_token",
    "secret",
    "token",
    "x-amz-security-token",
];

/// Words of which one must be there before the short keys above count as a signature.
const MARKS: &[&str] = &["sig", "signature", "jwt", "verify", "x-amz-signature", "x-goog-signature"];

impl RequestKey {
    /// The key of a request; `request` as in an intake.
    pub fn new(method: &str, url: &str, request: Option<&Digest>) -> RequestKey {
        let variant = request.map(|digest| digest.hex()[..VARIANT_DIGITS].to_owned());
        RequestKey { url: normalised_url(url), method: method.to_ascii_uppercase(), variant }
    }
}

/// A URL in one form: scheme and host in lower case, no default port, no user, password or fragment, `/` for an empty
/// path, no `.` and `..`, percent-encoding only where it is needed, no signatures that expire and no tokens.
/// (RFC 3986, 6.2.2 and 6.2.3)
pub fn normalised_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return encoded(url, is_bad) };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let default = if scheme == "http" { ":80" } else { ":443" };
    let authority = authority.strip_suffix(default).unwrap_or(&authority);
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let path = without_dots(&reencoded(path));
    let query = without_signature(&reencoded(query));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{}{path}{mark}{}", encoded(authority, is_bad), query)
}

/// Whether a URL says who asks: a user, or a token in its query. What a storage signed for a while is not meant.
pub fn names_somebody(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@') || (!is_signed(query) && pairs(query).any(|pair| SECRETS.contains(&&*key(pair))))
}

/// A URL, or a reference to one, without what lets others ask it: everything else is as it was.
pub fn without_secrets(url: &str) -> String {
    match url.split_once('?') {
        Some((place, query)) => {
            let query = without_signature(query);
            let mark = if query.is_empty() { "" } else { "?" };
            format!("{place}{mark}{query}")
        }
        None => url.to_owned(),
    }
}

fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

fn key(pair: &str) -> String {
    pair.split('=').next().unwrap_or_default().to_ascii_lowercase()
}

fn is_signed(query: &str) -> bool {
    pairs(query).any(|pair| MARKS.contains(&&*key(pair)))
}

fn without_signature(query: &str) -> String {
    let signed = is_signed(query);
    let goes = |pair: &&str| {
        let key = key(pair);
        SECRETS.contains(&&*key) || (signed && SIGNATURES.contains(&&*key))
    };
    if !pairs(query).any(|pair| goes(&pair)) {
        return query.to_owned();
    }
    let kept: Vec<&str> = pairs(query).filter(|pair| !goes(pair)).collect();
    kept.join("&")
}

/// Letters, digits and `-._~` stand for themselves; other escapes have upper-case digits.
fn reencoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digits = pair.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte as char),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None if bytes[at].is_ascii_graphic() => out.push(bytes[at] as char),
            None => out.push_str(&format!("%{:02X}", bytes[at])),
        }
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

fn is_bad(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// A text with some of its characters percent-encoded.
pub(super) fn encoded(text: &str, bad: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if bad(c) {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_many() {
        for (url, wanted) in [
            ("HTTPS://u:p@Example.ORG:443?a=b#f", "https://example.org/?a=b"),
            ("http://h:80/a/./b/../c%7e%2f%c3%a9?x=%41+b", "http://h/a/c~%2F%C3%A9?x=A+b"),
            ("http://h:8080/a//b/", "http://h:8080/a//b/"),
            ("http://[2001:DB8::1]:80/a b", "http://[2001:db8::1]/a%20b"),
            ("https://s/x?X-Amz-Date=1&X-Amz-Signature=2&id=7&X-Amz-Expires=5", "https://s/x?id=7"),
            ("https://s/x?sp=r&sv=1&se=2&sig=abc", "https://s/x"),
            // Without a signature the short words are somebody's own.
            ("https://s/x?sp=r&page_token=1&&", "https://s/x?sp=r&page_token=1&&"),
            ("https://s/x?sp=r&Token=1&&b", "https://s/x?sp=r&b"),
            ("https://s/x?private%5Ftoken=1", "https://s/x"),
            ("https://s/..%2f../é?", "https://s/..%2F../%C3%A9"),
            ("https://s/%2e%2e/a/%2E", "https://s/a/"),
            ("nonsense here", "nonsense%20here"),
        ] {
            assert_eq!(normalised_url(url), wanted, "{url}");
            assert_eq!(normalised_url(wanted), wanted, "{url}, twice");
        }
    }

    #[test]
    fn who_asks_is_told_by_some() {
        for url in ["https://u@h/x", "https://h/x?a=1&access_token=2", "https://h?API_KEY=1"] {
            assert!(names_somebody(url), "{url}");
        }
        for url in ["https://h/x@1?a=b@c", "https://h/x?page_token=1", "https://h/x?sig=1&token=2"] {
            assert!(!names_somebody(url), "{url}");
        }
        assert_eq!(without_secrets("/a b?x=1&sig=2&st=3#f"), "/a b?x=1");
        assert_eq!(without_secrets("/a?x=%7e&y"), "/a?x=%7e&y");
    }
}
