//! Image references: names that people give to images.
//!
//! Grammar and normalisation are Docker's (distribution/reference): `debian` is `docker.io/library/debian:latest`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const NAME_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;

/// A normalised reference: always with a domain, and with a tag, a digest or both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("an image reference may not be empty")]
    Empty,
    /// 64 hexadecimal digits, which would be taken for an image's id.
    #[error("`{0}` is an image id, not a name")]
    LooksLikeId(String),
    /// Upper case in the repository.
    #[error("`{0}` is not an image reference: the repository must be lower case")]
    UpperCase(String),
    /// A repository that is too long.
    #[error("an image name may not be longer than {NAME_LIMIT} characters")]
    TooLong,
    /// The digest is none.
    #[error("`{0}` is not an image reference: its digest is malformed")]
    BadDigest(String),
    /// The tag has other characters or is too long.
    #[error(
        "`{0}` is not an image reference: a tag has at most {TAG_LIMIT} letters, digits, `_`, `.` and `-`"
    )]
    BadTag(String),
    /// Anything else.
    #[error("`{0}` is not an image reference")]
    Malformed(String),
}

impl Reference {
    /// The registry, with its port: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository: `library/debian`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it has one. It decides; the tag beside it is a remark.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Domain and path, without tag and digest: `docker.io/library/debian`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The same repository with this tag and no digest.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::BadTag(shown(tag)));
        }
        Ok(Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository and tag with this digest.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// The short form of the name that means the same: `debian`, `grafana/grafana`, `ghcr.io/o/p`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            // `docker.io/localhost/x` must keep its domain: without it, the first part would be read as one.
            _ if split_domain(&self.path).1 != self.path => self.name(),
            _ => self.path.clone(),
        }
    }

    /// The short form with tag and digest: `debian:latest`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::LooksLikeId(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| ReferenceError::BadDigest(shown(text)))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (domain, rest) = split_domain(rest);
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::UpperCase(shown(text)));
        }
        let path = match domain {
            DEFAULT_DOMAIN if !path.contains('/') => format!("{OFFICIAL_PREFIX}{path}"),
            _ => path.to_owned(),
        };
        if !is_domain(domain) || !path.split('/').all(is_path_component) {
            return Err(ReferenceError::Malformed(shown(text)));
        }
        if domain.len() + 1 + path.len() > NAME_LIMIT {
            return Err(ReferenceError::TooLong);
        }
        let tag = match tag {
            Some(tag) if is_tag(tag) => Some(tag.to_owned()),
            Some(_) => return Err(ReferenceError::BadTag(shown(text))),
            None if digest.is_none() => Some(DEFAULT_TAG.to_owned()),
            None => None,
        };
        Ok(Reference { domain: domain.to_owned(), path, tag, digest })
    }
}

/// The first part is a domain if it could be no repository: it has a dot, a colon or upper case, or is `localhost`.
fn split_domain(name: &str) -> (&str, &str) {
    let (domain, rest) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    };
    (if domain == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { domain }, rest)
}

/// A host name with an optional port, or an IPv6 address in brackets.
fn is_domain(domain: &str) -> bool {
    let (host, port) = if let Some(rest) = domain.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
            return false;
        }
        return match rest.strip_prefix(':') {
            Some(port) => is_port(port),
            None => rest.is_empty(),
        };
    } else {
        match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        }
    };
    let label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// Lower-case letters and digits, joined by one dot, one or two underscores, or any number of dashes.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    alphanumeric(*first)
        && alphanumeric(*last)
        && bytes
            .split(|b| alphanumeric(*b))
            .all(|joint| matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let bytes = tag.as_bytes();
    (1..=TAG_LIMIT).contains(&bytes.len())
        && !matches!(bytes[0], b'.' | b'-')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Input can be megabytes long; messages are not.
fn shown(text: &str) -> String {
    const LIMIT: usize = 160;
    if text.chars().count() <= LIMIT {
        text.to_owned()
    } else {
        text.chars().take(LIMIT).chain("…".chars()).collect()
    }
}

impl fmt::Display for Reference {
    /// The full form, which means the same everywhere.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Reads arbitrary bytes as a reference; both forms of one that is accepted must read back as the same.
pub fn fuzz_reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse().as_ref(), Ok(&reference), "full form of {text:?}");
        assert_eq!(reference.familiar().parse().as_ref(), Ok(&reference), "short form of {text:?}");
    }
    let _ = text.parse::<crate::Platform>();
    let _ = text.parse::<Digest>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, full: &str, familiar: &str) {
        let reference: Reference = text.parse().unwrap();
        assert_eq!((reference.to_string().as_str(), reference.familiar().as_str()), (full, familiar));
        fuzz_reference(text.as_bytes());
    }

    #[test]
    fn normal_and_familiar_forms() {
        check("debian", "docker.io/library/debian:latest", "debian:latest");
        check("debian:12", "docker.io/library/debian:12", "debian:12");
        check("docker.io/docker.io/x/y", "docker.io/docker.io/x/y:latest", "docker.io/docker.io/x/y:latest");
        check("grafana/grafana", "docker.io/grafana/grafana:latest", "grafana/grafana:latest");
        check("docker.io/debian", "docker.io/library/debian:latest", "debian:latest");
        check("index.docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest");
        check("localhost/x", "localhost/x:latest", "localhost/x:latest");
        check("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y");
        check("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest");
        check("ghcr.io/o/p:1.2-3_4", "ghcr.io/o/p:1.2-3_4", "ghcr.io/o/p:1.2-3_4");
        check("Registry/x", "Registry/x:latest", "Registry/x:latest");
        check("e/a--b__c.d", "docker.io/e/a--b__c.d:latest", "e/a--b__c.d:latest");
        check("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest");
        let digest = Digest::of(b"x");
        check(
            &format!("debian@{digest}"),
            &format!("docker.io/library/debian@{digest}"),
            &format!("debian@{digest}"),
        );
        check(
            &format!("debian:12@{digest}"),
            &format!("docker.io/library/debian:12@{digest}"),
            &format!("debian:12@{digest}"),
        );
    }

    #[test]
    fn texts_that_are_no_reference() {
        let id = "0123456789abcdef".repeat(4);
        let long_tag = format!("x:{}", "t".repeat(129));
        let long_name = "x/".repeat(127) + "xx";
        for bad in [
            "",
            ":",
            "/",
            "x/",
            "/x",
            "x:",
            "x::y",
            "x y",
            "X",
            "a/B",
            "-x",
            "x-",
            "a..b",
            "a___b",
            "x@",
            "x@sha256:0",
            "x:-t",
            "x:.t",
            "[::1/x",
            "a.b:/x",
            "a.b:c/x",
            "-a.b/x",
            "é",
            "x:é",
            &id,
            &long_tag,
            &long_name,
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_the_grammar_allows_is_accepted_and_reads_back(
            domain in "([a-z0-9]{1,8}(-[a-z0-9]{1,3})?[.][a-z]{2,5}|localhost|[A-Z][a-z]{0,5})(:[0-9]{1,5})?/",
            path in "[a-z0-9]{1,5}((__|[._]|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,3}",
            tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?",
            with_domain in proptest::bool::ANY,
        ) {
            // Without a domain, a first part with a dot would be read as one.
            let text = if with_domain { domain + &path + &tag } else { "n/".to_owned() + &path + &tag };
            let reference: Reference = text.parse().unwrap();
            proptest::prop_assert!(reference.tag().is_some());
            fuzz_reference(text.as_bytes());
        }

        #[test]
        fn arbitrary_text_is_accepted_or_refused_in_words(text in "[a-zA-Z0-9/:@._\\[\\]é -]{0,40}") {
            fuzz_reference(text.as_bytes());
            if let Err(error) = text.parse::<Reference>() {
                proptest::prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
