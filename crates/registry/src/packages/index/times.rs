//! Who tells when something was published, where the index or the file does not.

use ::oci::time::parse_rfc3339;
use serde_json::Value;

use super::go::Info;
use super::{Index, npm};
use crate::packages::artifact::{Artifact, Ecosystem, Kind};
use crate::packages::request::Address;

/// Of a list without times, only this many of the highest versions are asked for: what a client would choose. Every
/// file is judged again by itself.
const MOST_ASKED: usize = 24;

/// A document that tells when a version was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The version.
    pub version: String,
    /// What to ask for with a GET; [`read`] reads the answer.
    pub url: String,
}

/// Whether an ecosystem tells times at all.
pub fn tells(ecosystem: Ecosystem) -> bool {
    matches!(ecosystem, Ecosystem::PyPi | Ecosystem::Npm | Ecosystem::Crates | Ecosystem::Go)
}

/// What to ask before an index can be filtered; their answers become [`Index::times`].
pub fn asks(index: &Index<'_>) -> Vec<Ask> {
    let list = index.artifact.ecosystem == Ecosystem::Go && !super::go::is_latest(index);
    let (true, Ok(text)) = (list, super::text(index)) else { return Vec::new() };
    let path = index.url.split(['?', '#']).next().unwrap_or_default();
    let Some(base) = path.strip_suffix("list") else { return Vec::new() };
    let mut versions: Vec<&str> =
        text.lines().filter(|line| line.split_whitespace().count() == 1).map(str::trim).collect();
    let number = |version: &str| version.trim_start_matches('v').to_owned();
    versions.sort_by(|a, b| npm::compare(&number(b), &number(a)));
    let ask = |version: &&str| Ask {
        version: (*version).to_owned(),
        url: format!("{base}{}.info", escaped(version)),
    };
    versions.iter().take(MOST_ASKED).map(ask).collect()
}

/// What to ask before a file can be judged whose index nobody saw.
pub fn ask_of_file(artifact: &Artifact, url: &str) -> Option<Ask> {
    let version = artifact.version.clone()?;
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if !matches!(artifact.kind, Kind::Package | Kind::Metadata) {
        return None;
    }
    let url = match artifact.ecosystem {
        Ecosystem::Go => {
            let stem = path
                .strip_suffix(".zip")
                .or_else(|| path.strip_suffix(".mod"))
                .or_else(|| path.strip_suffix(".info"))?;
            format!("{stem}.info")
        }
        Ecosystem::Npm => path.split_once("/-/")?.0.to_owned(),
        Ecosystem::Crates => {
            let stem = path.strip_suffix("/download")?;
            Address::parse(stem)?.path.contains("/v1/crates/").then(|| stem.to_owned())?
        }
        _ => return None,
    };
    Some(Ask { version, url })
}

/// When a version was published, by the answer to an [`Ask`] about it.
pub fn read(artifact: &Artifact, body: &[u8]) -> Option<i64> {
    let time = match artifact.ecosystem {
        Ecosystem::Go => serde_json::from_slice::<Info>(body).ok()?.time?,
        Ecosystem::Npm => {
            let document: Value = serde_json::from_slice(body).ok()?;
            document.get("time")?.get(artifact.version.as_deref()?)?.as_str()?.to_owned()
        }
        Ecosystem::Crates => {
            let document: Value = serde_json::from_slice(body).ok()?;
            document.get("version")?.get("created_at")?.as_str()?.to_owned()
        }
        _ => return None,
    };
    parse_rfc3339(&time)
}

/// Go's case encoding of a version.
fn escaped(version: &str) -> String {
    let letter =
        |c: char| if c.is_ascii_uppercase() { format!("!{}", c.to_ascii_lowercase()) } else { c.to_string() };
    version.chars().map(letter).collect()
}
