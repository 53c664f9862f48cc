//! Two states of an index compared: which of the packages that a step fetched it would fetch otherwise now.
//!
//! Debian's indexes name one version of a package, or few, and apt takes what they name. Python's name all versions ever,
//! and which of them pip takes depends on the request: what is new is listed, and may be taken.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use oci::layer::Decompressor;
use oci::record::{Intake, Record};
use oci::store::Store;
use registry::packages::index::{Filtered, Index, filter};
use registry::packages::{Ecosystem, Kind, Request, recognise};

use crate::gateway::RunGateway;

/// An index of a whole distribution, unpacked, has 60 MB.
const LARGEST: u64 = 512 << 20;

/// A package that a step fetched, and what its index names by now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// As the record has it.
    pub purl: String,
    /// The version, or versions, that there are now; `gone` where there is none.
    pub now: String,
}

/// What would change of a record's packages, by those of its documents that changed. What cannot be compared is left out.
pub fn changes(changed: &[&Intake], record: &Record, gateway: &RunGateway, store: &Store) -> Vec<Change> {
    let mut found = BTreeSet::new();
    for intake in changed {
        let artifact = recognise(&Request::get(&intake.url));
        match (artifact.ecosystem, artifact.kind) {
            (Ecosystem::Debian, Kind::Index) => found.extend(debian(intake, record, gateway)),
            (Ecosystem::PyPi, Kind::Index) => found.extend(python(intake, record, gateway, store)),
            _ => {}
        }
    }
    found.into_iter().collect()
}

/// A Release file changed: the lists of packages beside which the step fetched some are looked at as they are now.
fn debian(release: &Intake, record: &Record, gateway: &RunGateway) -> Vec<Change> {
    let root = release.url.rsplit_once('/').map_or("", |(root, _)| root);
    let mut lists = BTreeSet::new();
    for intake in &record.intakes {
        let Some(rest) = intake.url.strip_prefix(root).filter(|rest| rest.contains("/binary-")) else {
            continue;
        };
        let directory = rest.split("/by-hash/").next().unwrap_or(rest);
        let directory = directory.rsplit_once("/Packages").map_or(directory, |(directory, _)| directory);
        lists.insert(format!("{root}{}/Packages.xz", directory.trim_end_matches('/')));
    }
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for list in &lists {
        let Ok(Some(body)) = gateway.document(list) else { return Vec::new() };
        let Some(text) = unpacked(&body) else { return Vec::new() };
        for (name, version) in packages(&text) {
            versions.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    if versions.is_empty() {
        return Vec::new();
    }
    let fetched = record.intakes.iter().filter_map(|intake| intake.purl.as_deref());
    fetched.filter_map(|purl| debian_change(purl, &versions)).collect()
}

fn debian_change(purl: &str, versions: &BTreeMap<String, BTreeSet<String>>) -> Option<Change> {
    let (name, version) = name_and_version(purl.strip_prefix("pkg:deb/")?)?;
    let now = versions.get(&name)?;
    // The archive leaves the epoch out of a file's name, and so does its purl.
    let same = |known: &String| known.split_once(':').map_or(known.as_str(), |(_, rest)| rest) == version;
    if now.iter().any(|known| *known == version || same(known)) {
        return None;
    }
    let now = now.iter().cloned().collect::<Vec<_>>().join(", ");
    Some(Change { purl: purl.to_owned(), now })
}

/// Name and version of each stanza. (Debian policy 5.3)
fn packages(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut name = "";
    text.lines().filter_map(move |line| {
        if let Some(found) = line.strip_prefix("Package: ") {
            name = found.trim();
        }
        line.strip_prefix("Version: ").map(|version| (name, version.trim()))
    })
}

/// A project's page changed: versions that it did not name before.
fn python(page: &Intake, record: &Record, gateway: &RunGateway, store: &Store) -> Option<Change> {
    let before = store.read_blob(&page.digest?).ok()?;
    let before = offered(&page.url, &unpacked(&before)?)?;
    let now = offered(&page.url, &unpacked(&gateway.document(&page.url).ok()??)?)?;
    let new: Vec<&str> = now.difference(&before).map(String::as_str).collect();
    let project = recognise(&Request::get(&page.url)).name?;
    let named = |purl: &&str| {
        let named = purl.strip_prefix("pkg:pypi/").and_then(name_and_version);
        named.is_some_and(|(name, _)| name == project)
    };
    let fetched = record.intakes.iter().filter_map(|intake| intake.purl.as_deref()).find(named);
    // Only the page was asked for, or the file in a way that nobody recognises.
    let purl = fetched.map_or_else(|| format!("pkg:pypi/{project}"), str::to_owned);
    (!new.is_empty()).then(|| Change { purl, now: new.join(", ") })
}

fn offered(url: &str, text: &str) -> Option<BTreeSet<String>> {
    let content_type =
        if text.trim_start().starts_with('{') { "application/vnd.pypi.simple.v1+json" } else { "text/html" };
    let index = Index {
        artifact: &recognise(&Request::get(url)),
        url,
        content_type,
        accept: "",
        body: text.as_bytes(),
        times: &BTreeMap::new(),
    };
    let Filtered { offers, .. } = filter(&index, &mut |_| None).ok()?;
    Some(offers.into_iter().filter_map(|offer| offer.version).collect())
}

/// `debian/name@1.0-1?arch=amd64` or `name@1.0`: the last part of the name, and the version, decoded.
fn name_and_version(rest: &str) -> Option<(String, String)> {
    let rest = rest.split(['?', '#']).next()?;
    let (name, version) = rest.rsplit_once('@')?;
    let name = name.rsplit('/').next()?;
    let decoded = oci::url::decoded_text;
    Some((decoded(name), decoded(version)))
}

fn unpacked(body: &[u8]) -> Option<String> {
    let mut text = String::new();
    Decompressor::new(body).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_names_no_more_would_change() {
        let list = "Package: curl\nVersion: 7.88.1-10+deb12u14\n\nPackage: bash\nVersion: 5.2.15-2\n\n\
                    Package: git\nVersion: 1:2.39.5-0\n";
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, version) in packages(list) {
            versions.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
        let change = |purl: &str| debian_change(purl, &versions).map(|change| change.now);
        assert_eq!(
            change("pkg:deb/debian/curl@7.88.1-10%2Bdeb12u12?arch=amd64").as_deref(),
            Some("7.88.1-10+deb12u14")
        );
        assert_eq!(change("pkg:deb/debian/bash@5.2.15-2?arch=amd64"), None);
        assert_eq!(change("pkg:deb/debian/git@2.39.5-0"), None, "the same but for its epoch");
        assert_eq!(change("pkg:deb/debian/other@1"), None, "it came from elsewhere");
        assert_eq!(change("pkg:pypi/curl@1"), None);
    }

    #[test]
    fn pages_offer_versions() {
        let url = "https://packages.example.org/simple/six/";
        let page = "<a href=\"six-1.16.0.tar.gz\">six</a><a href=\"six-1.17.0-py2.py3-none-any.whl\">six</a>";
        assert_eq!(offered(url, page), Some(["1.16.0", "1.17.0"].map(str::to_owned).into()));
        let json = r#"{"name":"six","files":[{"filename":"six-1.17.0.tar.gz","url":"six-1.17.0.tar.gz"}]}"#;
        assert_eq!(offered(url, json), Some(["1.17.0".to_owned()].into()));
    }
}
