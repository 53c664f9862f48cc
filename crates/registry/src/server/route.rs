//! What a request is about, by its path. (OCI distribution specification, "Endpoints")

use oci::Digest;

use super::answer::Refusal;
use crate::wire::error::Code;
use crate::{Repository, TagOrDigest};

/// Longer paths than the longest name, a digest and the words between are no requests.
const PATH_LIMIT: usize = 1024;

/// An endpoint with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`
    Base,
    /// `/token`: where tokens are had, if the server makes some.
    Token,
    /// `/v2/_catalog`, Docker's list of repositories.
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Repository),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Repository, TagOrDigest),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Repository, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Repository, String),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Repository, Digest),
}

impl Route {
    /// Reads a path as it stands in the request.
    pub(super) fn parse(path: &str) -> Result<Route, Refusal> {
        let unknown = || Refusal::new(Code::NameUnknown, "there is nothing of this name");
        if path.len() > PATH_LIMIT {
            return Err(unknown());
        }
        let path = decode(path).ok_or_else(unknown)?;
        match path.as_str() {
            "/v2" | "/v2/" => return Ok(Route::Base),
            "/v2/_catalog" => return Ok(Route::Catalog),
            "/token" => return Ok(Route::Token),
            _ => {}
        }
        let rest = path.strip_prefix("/v2/").ok_or_else(unknown)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let name = |count: usize| -> Result<Repository, Refusal> {
            let text = parts[..parts.len() - count].join("/");
            text.parse().map_err(|error| Refusal::new(Code::NameInvalid, format!("{error}")))
        };
        match parts[..] {
            [_, .., "tags", "list"] => Ok(Route::Tags(name(2)?)),
            [_, .., "blobs", "uploads", ""] => Ok(Route::Uploads(name(3)?)),
            [_, .., "blobs", "uploads"] => Ok(Route::Uploads(name(2)?)),
            [_, .., "blobs", "uploads", id] => Ok(Route::Upload(name(3)?, id.to_owned())),
            [_, .., "blobs", digest] => Ok(Route::Blob(name(2)?, parse_digest(digest)?)),
            [_, .., "referrers", digest] => Ok(Route::Referrers(name(2)?, parse_digest(digest)?)),
            [_, .., "manifests", reference] => {
                let repository = name(2)?;
                let code = if reference.contains(':') { Code::DigestInvalid } else { Code::TagInvalid };
                let reference = reference.parse().map_err(|error| Refusal::new(code, format!("{error}")))?;
                Ok(Route::Manifest(repository, reference))
            }
            _ => Err(unknown()),
        }
    }
}

/// A digest out of a path or a query.
pub(super) fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error| Refusal::new(Code::DigestInvalid, format!("{error}")))
}

/// Undoes percent-encoding; `None` if it is broken or not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// The parameters of a query, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`; what is not decodable is left out.
    pub(super) fn parse(text: Option<&str>) -> Query {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        });
        Query(decoded.collect())
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let shown = match Route::parse(path) {
            Ok(route) => format!("{route:?}"),
            Err(refusal) => refusal.code.name().to_owned(),
        };
        assert_eq!(shown, expected, "{path}");
    }

    #[test]
    fn paths() {
        let digest = Digest::of(b"");
        check("/v2/", "Base");
        check("/v2/a/b/tags/list", "Tags(Repository(\"a/b\"))");
        check("/v2/a/blobs/uploads/", "Uploads(Repository(\"a\"))");
        check("/v2/a/blobs/uploads", "Uploads(Repository(\"a\"))");
        check("/v2/a/blobs/uploads/x-1", "Upload(Repository(\"a\"), \"x-1\")");
        check("/v2/blobs/uploads/manifests/x", "Manifest(Repository(\"blobs/uploads\"), Tag(\"x\"))");
        check(&format!("/v2/a/blobs/{digest}"), &format!("Blob(Repository(\"a\"), {digest})"));
        let encoded = digest.to_string().replace(':', "%3A");
        check(&format!("/v2/a/referrers/{encoded}"), &format!("Referrers(Repository(\"a\"), {digest})"));
        check("/v2/a/blobs/sha256:0", "DIGEST_INVALID");
        check("/v2/a/manifests/.x", "TAG_INVALID");
        check("/v2/A/manifests/x", "NAME_INVALID");
        check("/v2/a/%2e%2e/manifests/x", "NAME_INVALID");
        check("/v2/%zz/manifests/x", "NAME_UNKNOWN");
        check("/v2/manifests/x", "NAME_UNKNOWN");
        check("/v1/", "NAME_UNKNOWN");
        check(&format!("/v2/{}/tags/list", "a/".repeat(600)), "NAME_UNKNOWN");
    }

    #[test]
    fn queries() {
        let query = Query::parse(Some("n=2&last=a%2Bb+c&scope=x&scope=y&bad=%zz&flag"));
        assert_eq!(query.get("last"), Some("a+b c"));
        assert_eq!(query.all("scope").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((query.get("bad"), query.get("flag")), (None, Some("")));
    }
}
