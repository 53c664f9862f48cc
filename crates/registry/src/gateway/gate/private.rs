//! Private names first: what an internal index serves is never taken from a public one, whatever version that offers.
//! (Dependency confusion; CVE-2018-20225)

use super::address::text_matches;
use crate::packages::{Address, Artifact, Ecosystem, Kind};

/// An index of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateIndex {
    ecosystem: Ecosystem,
    /// As clients are given it, with a `/` at the end.
    url: String,
    /// Names that are its own, whether it serves them already or not: `acme-*`, `@acme/*`.
    names: Vec<String>,
    /// The authority and the path below which its index and files lie.
    root: (String, Vec<String>),
}

/// Something that is no private index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateIndexError {
    /// Its URL is none.
    #[error("`{0}` is no `http` or `https` URL")]
    Url(String),
    /// Nobody resolves a name there.
    #[error("an index of {0} cannot be private: its packages are not asked for by name")]
    Ecosystem(Ecosystem),
}

impl PrivateIndex {
    /// An index by the URL that clients are given: for Python the one that ends with `simple/`.
    pub fn new(
        ecosystem: Ecosystem,
        url: &str,
        names: Vec<String>,
    ) -> Result<PrivateIndex, PrivateIndexError> {
        use Ecosystem::{Crates, Go, Maven, Npm, PyPi, RubyGems};
        if !matches!(ecosystem, PyPi | Npm | Crates | Go | Maven | RubyGems) {
            return Err(PrivateIndexError::Ecosystem(ecosystem));
        }
        let bad = || PrivateIndexError::Url(url.to_owned());
        let bare = url.strip_prefix("sparse+").unwrap_or(url);
        let address = Address::parse(bare).filter(|address| address.query.is_none()).ok_or_else(bad)?;
        let mut below = address.plain_segments();
        if ecosystem == PyPi && below.last().is_some_and(|part| part == "simple") {
            below.pop();
        }
        let url =
            format!("{}://{}{}/", address.scheme, address.authority(), address.path.trim_end_matches('/'));
        let root = (host_and_port(&address), below);
        Ok(PrivateIndex { ecosystem, url, names, root })
    }

    /// Whether an address lies within it.
    pub fn holds(&self, address: &Address) -> bool {
        let (authority, below) = &self.root;
        host_and_port(address) == *authority && address.plain_segments().starts_with(below)
    }

    /// Whether a name is its own by the settings.
    pub fn owns(&self, artifact: &Artifact) -> bool {
        let name = artifact.full_name();
        artifact.ecosystem == self.ecosystem
            && name.is_some_and(|name| self.names.iter().any(|pattern| text_matches(pattern, &name)))
    }

    /// The URL that tells whether it serves an artifact's name; nothing for what has no name.
    pub fn probe(&self, artifact: &Artifact) -> Option<String> {
        let resolved = matches!(artifact.kind, Kind::Index | Kind::Package | Kind::Metadata);
        if artifact.ecosystem != self.ecosystem || !resolved {
            return None;
        }
        let name = artifact.full_name()?;
        let path = match self.ecosystem {
            Ecosystem::PyPi => format!("{name}/"),
            Ecosystem::Npm => name.replace('/', "%2f"),
            Ecosystem::Go => format!("{}/@v/list", escaped(&name)),
            Ecosystem::Maven => {
                let (group, artifact) = name.split_once(':')?;
                format!("{}/{artifact}/maven-metadata.xml", group.replace('.', "/"))
            }
            Ecosystem::RubyGems => format!("info/{name}"),
            Ecosystem::Crates => {
                let lower = name.to_ascii_lowercase();
                match lower.len() {
                    0 => return None,
                    length @ 1..=2 => format!("{length}/{lower}"),
                    3 => format!("3/{}/{lower}", lower.get(..1)?),
                    _ => format!("{}/{}/{lower}", lower.get(..2)?, lower.get(2..4)?),
                }
            }
            _ => return None,
        };
        Some(format!("{}{path}", self.url))
    }

    /// Its host and port.
    pub fn authority(&self) -> &str {
        &self.root.0
    }

    /// The URL that clients are given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One line for the policy.
    pub(super) fn policy(&self) -> String {
        format!("private {} {} {}", self.ecosystem, self.url, self.names.join(","))
    }
}

fn host_and_port(address: &Address) -> String {
    format!("{}:{}", address.host, address.port)
}

/// Go's case encoding.
fn escaped(name: &str) -> String {
    let letter =
        |c: char| if c.is_ascii_uppercase() { format!("!{}", c.to_ascii_lowercase()) } else { c.to_string() };
    name.chars().map(letter).collect()
}
