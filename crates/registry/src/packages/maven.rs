//! Maven repositories: `GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION[-CLASSIFIER].EXTENSION`.

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

/// Suffixes of documents that vouch for another.
const VOUCHERS: &[&str] = &[".sha1", ".md5", ".sha256", ".sha512", ".asc"];
/// Extensions that nobody but Maven's layout combines with it.
const OWN: &[&str] =
    &["jar", "pom", "module", "war", "ear", "aar", "rar", "klib", "nbm", "hpi", "jpi", "xpi", "so"];
/// Extensions that other layouts have too; they count where the group is plainly one.
const SHARED: &[&str] = &["tar.gz", "tar.bz2", "tar.xz", "tgz", "zip", "exe", "xml", "json", "yaml"];
/// First parts of groups: groups are domains turned round.
const DOMAINS: &[&str] = &[
    "com", "org", "net", "io", "dev", "edu", "gov", "app", "ai", "me", "info", "cloud", "co", "de", "uk",
    "fr", "eu", "ch", "nl", "it", "jp", "cn", "ru", "br", "us", "in", "javax", "jakarta", "junit",
    "androidx",
];

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    if address.is_directory() {
        return None;
    }
    let mut segments = address.segments();
    let last = segments.pop()?;
    let (file, voucher) = match VOUCHERS.iter().find_map(|suffix| last.strip_suffix(suffix)) {
        Some(file) => (file, true),
        None => (last, false),
    };
    let found = match file {
        "maven-metadata.xml" => metadata(&segments),
        "archetype-catalog.xml" => Some(Artifact::index(Ecosystem::Maven)),
        _ => artifact(file, &segments),
    }?;
    Some(if voucher { found.kind(Kind::Signature).prebuilt(false) } else { found })
}

/// `GROUP/ARTIFACT/maven-metadata.xml`, or of a snapshot one directory further down.
fn metadata(before: &[&str]) -> Option<Artifact> {
    let (path, version) = match before {
        [path @ .., version] if version.ends_with("-SNAPSHOT") => (path, Some(*version)),
        path => (path, None),
    };
    let (name, group) = path.split_last()?;
    let index = Artifact::index(Ecosystem::Maven).named(name).below(&group_of(group).0);
    Some(match version {
        Some(version) => index.versioned(version),
        None => index,
    })
}

fn artifact(file: &str, before: &[&str]) -> Option<Artifact> {
    let [group @ .., name, directory] = before else { return None };
    let rest = file.strip_prefix(name)?.strip_prefix('-')?;
    let (group, known) = group_of(group);
    let (version, rest) = version_of(rest, directory)?;
    let extension = OWN
        .iter()
        .chain(SHARED.iter().filter(|_| known))
        .find(|extension| rest.strip_suffix(**extension).is_some_and(|rest| rest.ends_with('.')))?;
    let classifier = rest[..rest.len() - extension.len() - 1].strip_prefix('-').unwrap_or_default();
    if group.is_empty() {
        return None;
    }
    let kind = if matches!(*extension, "pom" | "module") { Kind::Metadata } else { Kind::Package };
    let text = kind == Kind::Metadata
        || matches!(classifier, "sources" | "javadoc")
        || matches!(*extension, "xml" | "json" | "yaml");
    let kind_qualifier = if *extension == "jar" { "" } else { extension };
    // A snapshot by its plain name is whatever was deployed last; with a time in its name it stays.
    let moves = version.ends_with("-SNAPSHOT");
    let mutability = if moves { Mutability::Mutable } else { Mutability::Immutable };
    let found =
        Artifact::new(Ecosystem::Maven, kind, mutability).named(name).versioned(version).below(&group);
    Some(found.qualified("classifier", classifier).qualified("type", kind_qualifier).prebuilt(!text))
}

/// The version in a file's name, which is its directory's or, for a snapshot, has time and number in place of the
/// word; and what follows it.
fn version_of<'a>(rest: &'a str, directory: &str) -> Option<(&'a str, &'a str)> {
    let next = |at: usize| rest[at..].starts_with(['-', '.']);
    if rest.starts_with(directory) && next(directory.len()) {
        return Some(rest.split_at(directory.len()));
    }
    let base = directory.strip_suffix("SNAPSHOT")?;
    let stamp = rest.strip_prefix(base)?;
    let mut parts = stamp.splitn(2, '-');
    let (time, after) = (parts.next()?, parts.next()?);
    let number = after.find(|c: char| !c.is_ascii_digit())?;
    let timed = time.len() == 15 && time.as_bytes()[8] == b'.' && number > 0;
    let at = base.len() + time.len() + 1 + number;
    (timed && next(at)).then(|| rest.split_at(at))
}

/// The group below a repository's own path, and whether it is plainly one. Where a repository begins is not in the
/// address; the usual prefixes and the first part that begins a domain tell.
fn group_of(path: &[&str]) -> (String, bool) {
    let mut start = 0;
    loop {
        start += match &path[start..] {
            ["nexus" | "service", ..] if start == 0 => 1,
            ["content", "groups" | "repositories", _, ..] => 3,
            ["repository" | "artifactory", _, ..] if start <= 1 => 2,
            ["maven" | "maven2" | "m2" | "releases" | "snapshots" | "public", ..] => 1,
            [part, ..] if part.starts_with("maven") && !DOMAINS.contains(part) => 1,
            _ => break,
        };
    }
    let known = start > 0;
    let domain = path[start..].iter().take(3).position(|part| DOMAINS.contains(part));
    let group = &path[start + domain.unwrap_or(0)..];
    (group.join("."), known || domain.is_some())
}
