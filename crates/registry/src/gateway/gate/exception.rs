//! Exceptions from rules: for one package, until a day, for a reason.

use std::fmt;
use std::str::FromStr;

use oci::url::decoded_text;

use super::address::text_matches;
use super::rules::Rule;
use crate::packages::{Artifact, Ecosystem, UnknownEcosystem};

/// One rule does not hold for some packages until a day is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The rule that does not hold.
    pub rule: Rule,
    /// For these packages.
    pub package: PackagePattern,
    /// The second from which the rule holds again, since 1970: the end of the last day, in UTC.
    pub until: i64,
    /// Why, for those who read the settings later.
    pub reason: String,
}

/// Some packages: `pypi/requests`, `pypi/requests@2.32.*`, `npm/@acme/*`, `maven/org.slf4j:*`, or a package URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagePattern {
    ecosystem: Ecosystem,
    name: String,
    version: Option<String>,
}

/// Text that names no packages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackagePatternError {
    /// Nothing before or after the first `/`.
    #[error("`{0}` names no package; write `pypi/requests` or `pypi/requests@2.32.0`")]
    Form(String),
    /// An ecosystem that is none.
    #[error(transparent)]
    Ecosystem(#[from] UnknownEcosystem),
}

impl Exception {
    /// Whether it holds for an artifact at a time.
    pub fn covers(&self, rule: Rule, artifact: &Artifact, now: i64) -> bool {
        self.rule == rule && now < self.until && self.package.matches(artifact)
    }
}

impl PackagePattern {
    /// Whether a package is meant. A pattern with a version does not mean an index of all versions.
    pub fn matches(&self, artifact: &Artifact) -> bool {
        let named = artifact.full_name().is_some_and(|name| text_matches(&self.name, &name));
        let versioned = match (&self.version, &artifact.version) {
            (None, _) => true,
            (Some(pattern), Some(version)) => text_matches(pattern, version),
            (Some(_), None) => false,
        };
        artifact.ecosystem == self.ecosystem && named && versioned
    }
}

impl FromStr for PackagePattern {
    type Err = PackagePatternError;

    fn from_str(text: &str) -> Result<PackagePattern, PackagePatternError> {
        let bad = || PackagePatternError::Form(text.chars().take(200).collect());
        let (plain, purl) = match text.trim().strip_prefix("pkg:") {
            Some(rest) => (rest.split(['?', '#']).next().unwrap_or_default(), true),
            None => (text.trim(), false),
        };
        let (word, rest) = plain.split_once('/').ok_or_else(bad)?;
        let ecosystem: Ecosystem = word.parse()?;
        // The first character may be a scope's.
        let at = rest.char_indices().skip(1).filter(|(_, c)| *c == '@').map(|(at, _)| at).last();
        let (name, version) = match at {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let (mut name, mut version) = (name.to_owned(), version.map(str::to_owned));
        if purl {
            name = decoded_text(&name);
            version = version.map(|version| decoded_text(&version));
            // Where a purl has a namespace, our names have the group, the path, or nothing.
            name = match (ecosystem, name.rsplit_once('/')) {
                (Ecosystem::Maven, Some((group, artifact))) => format!("{group}:{artifact}"),
                (Ecosystem::Debian | Ecosystem::Rpm | Ecosystem::Alpine, Some((_, package))) => {
                    package.to_owned()
                }
                _ => name,
            };
        }
        if ecosystem == Ecosystem::PyPi {
            name = name.to_ascii_lowercase().replace(['_', '.'], "-");
        }
        if name.is_empty() || version.as_deref() == Some("") {
            return Err(bad());
        }
        Ok(PackagePattern { ecosystem, name, version })
    }
}

impl fmt::Display for PackagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ecosystem, self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::{Request, recognise};

    #[test]
    fn packages_are_meant_or_not() {
        let check = |pattern: &str, url: &str, wanted: bool| {
            let parsed: PackagePattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(&recognise(&Request::get(url))), wanted, "{pattern} {url}");
        };
        let wheel = "http://h/typing_extensions-4.12.2-py3-none-any.whl";
        check("pypi/Typing.Extensions", wheel, true);
        check("pypi/typing-*@4.12.*", wheel, true);
        check("pypi/typing-extensions@4.13", wheel, false);
        check("pkg:pypi/typing-extensions@4.12.2", wheel, true);
        check("npm/typing-extensions", wheel, false);
        check("pypi/typing-extensions@4", "http://h/simple/typing-extensions/", false);
        let node = "http://h/@types/node/-/node-20.1.0.tgz";
        check("npm/@types/*", node, true);
        check("npm/@types/node@20.1.0", node, true);
        check("pkg:npm/%40types/node@20.1.0", node, true);
        let slf4j = "http://h/maven2/org/slf4j/slf4j-api/2.0.9/slf4j-api-2.0.9.jar";
        check("maven/org.slf4j:*", slf4j, true);
        check("pkg:maven/org.slf4j/slf4j-api@2.0.9?type=jar", slf4j, true);
        check("deb/curl", "http://h/pool/curl_8_amd64.deb", true);
        for bad in ["requests", "pypi/", "pypi/x@", "oops/x", ""] {
            assert!(bad.parse::<PackagePattern>().is_err(), "{bad}");
        }
    }
}
