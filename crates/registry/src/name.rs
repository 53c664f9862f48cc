//! Names within a registry: repositories, tags, digests.

use std::fmt;
use std::str::FromStr;

use oci::{Digest, Reference};

/// A host that no registry has: names within a registry are checked by the grammar of whole references.
const SOME_HOST: &str = "a.b";

/// A repository: `library/debian`. (OCI distribution specification, "Pulling manifests": `<name>`)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

/// What names a manifest in a repository. (OCI distribution specification: `<reference>`)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagOrDigest {
    /// A name that may move.
    Tag(String),
    /// The manifest itself.
    Digest(Digest),
}

/// A text that is no name within a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No repository.
    #[error("`{0}` is not the name of a repository")]
    Repository(String),
    /// Neither tag nor digest.
    #[error("`{0}` is neither a tag nor a digest")]
    TagOrDigest(String),
}

impl Repository {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Reference> for Repository {
    fn from(reference: &Reference) -> Repository {
        Repository(reference.path().to_owned())
    }
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Repository, NameError> {
        let bad = || NameError::Repository(shown(text));
        let reference: Reference = format!("{SOME_HOST}/{text}").parse().map_err(|_| bad())?;
        if reference.path() == text { Ok(Repository(text.to_owned())) } else { Err(bad()) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TagOrDigest {
    /// What a reference means: its digest, else its tag.
    pub fn of(reference: &Reference) -> TagOrDigest {
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => TagOrDigest::Digest(*digest),
            (None, tag) => TagOrDigest::Tag(tag.unwrap_or("latest").to_owned()),
        }
    }

    /// The digest, if it is one.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            TagOrDigest::Digest(digest) => Some(digest),
            TagOrDigest::Tag(_) => None,
        }
    }
}

impl FromStr for TagOrDigest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<TagOrDigest, NameError> {
        let bad = || NameError::TagOrDigest(shown(text));
        if text.contains(':') {
            return text.parse().map(TagOrDigest::Digest).map_err(|_| bad());
        }
        let some: Reference = format!("{SOME_HOST}/a").parse().map_err(|_| bad())?;
        some.with_tag(text).map_err(|_| bad())?;
        Ok(TagOrDigest::Tag(text.to_owned()))
    }
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagOrDigest::Tag(tag) => f.write_str(tag),
            TagOrDigest::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Input can be kilobytes long; messages are not.
fn shown(text: &str) -> String {
    text.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_what_is_none() {
        for good in ["a", "library/debian", "a/b/c/d", "a-b/c_d/e.f/g__h", "localhost/x", "x.y/z"] {
            assert_eq!(good.parse::<Repository>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "A", "a//b", "a:b", "a@b", "a/../b", "a b", "-a", "a/é"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        assert!("a".repeat(300).parse::<Repository>().is_err());
    }

    #[test]
    fn tags_and_digests() {
        assert_eq!("v1.0_x-y".parse(), Ok(TagOrDigest::Tag("v1.0_x-y".to_owned())));
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string().parse(), Ok(TagOrDigest::Digest(digest)));
        for bad in ["", ".x", "-x", "a/b", "sha256:00", "x y", &"t".repeat(129)] {
            assert!(bad.parse::<TagOrDigest>().is_err(), "{bad}");
        }
    }
}
