//! Debian archives: `dists/SUITE/…` says what there is, `pool/…` holds it. (Debian wiki, "RepositoryFormat")

use ::oci::Digest;
use ::oci::url::decoded_text;

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

/// Names of index files; each may have an extension for its compression.
const INDEXES: &[&str] =
    &["Packages", "Sources", "Contents", "Translation", "Components", "Commands", "icons"];
const PACKAGES: &[&str] = &[".deb", ".udeb", ".ddeb"];

pub(super) fn recognise(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    if address.is_directory() {
        return None;
    }
    let segments = address.segments();
    let (last, before) = segments.split_last()?;
    by_hash(last, before)
        .or_else(|| package(last, before))
        .or_else(|| source(last, before))
        .or_else(|| index(request, last, before))
}

/// `by-hash/SHA256/…`: an index by its digest.
fn by_hash(last: &str, before: &[&str]) -> Option<Artifact> {
    let [.., "by-hash", function] = before else { return None };
    let digest = match *function {
        "SHA256" => Some(format!("sha256:{last}").parse::<Digest>().ok()?),
        "SHA512" => Some(format!("sha512:{last}").parse::<Digest>().ok()?),
        "SHA1" | "MD5Sum" if last.bytes().all(|byte| byte.is_ascii_hexdigit()) => None,
        _ => return None,
    };
    let index = Artifact::new(Ecosystem::Debian, Kind::Index, Mutability::Immutable);
    Some(index.promised(digest))
}

/// `NAME_VERSION_ARCHITECTURE.deb`, in a pool or not. File names lack the version's epoch.
fn package(last: &str, before: &[&str]) -> Option<Artifact> {
    let stem = PACKAGES.iter().find_map(|extension| last.strip_suffix(extension))?;
    let mut parts = stem.split('_');
    let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !is_name(name) || !is_version(version) {
        return None;
    }
    Some(described(name, version, architecture, before))
}

/// `NAME_VERSION.dsc`, `.orig.tar.xz`, `.debian.tar.xz` and their kin, below a pool.
fn source(last: &str, before: &[&str]) -> Option<Artifact> {
    if !before.contains(&"pool") {
        return None;
    }
    let (name, rest) = last.split_once('_')?;
    let version = match rest.strip_suffix(".dsc").or_else(|| rest.strip_suffix(".diff.gz")) {
        Some(version) => version,
        None => {
            let stem = &rest[..rest.rfind(".tar.")?];
            let cut = stem.find(".orig").or_else(|| stem.strip_suffix(".debian").map(str::len));
            &stem[..cut.unwrap_or(stem.len())]
        }
    };
    (is_name(name) && is_version(version)).then(|| described(name, version, "source", before))
}

fn described(name: &str, version: &str, architecture: &str, before: &[&str]) -> Artifact {
    // Some archives keep the epoch, encoded twice.
    Artifact::package(Ecosystem::Debian, name, &decoded_text(version))
        .below(distribution(before))
        .qualified("arch", architecture)
}

/// Whose packages they are, by a directory above: purl wants a namespace, and the path is all that says it.
fn distribution(before: &[&str]) -> &'static str {
    const KNOWN: &[&str] = &["ubuntu", "raspbian", "kali", "devuan"];
    let named = |known: &&&str| before.iter().any(|part| part.to_ascii_lowercase().starts_with(**known));
    KNOWN.iter().find(named).copied().unwrap_or("debian")
}

fn index(request: &Request<'_>, last: &str, before: &[&str]) -> Option<Artifact> {
    let in_dists = before.iter().position(|part| *part == "dists").is_some_and(|at| at + 1 < before.len());
    let apt = request.agent.contains("APT-HTTP") || request.agent.contains("APT-CURL");
    let stem = last.split(['.', '-']).next().unwrap_or_default();
    let listed = INDEXES.contains(&stem);
    let difference = before.last().is_some_and(|part| part.ends_with(".diff"));
    let found = match last {
        "InRelease" => true,
        "Release" | "Release.gpg" => in_dists || apt,
        _ if in_dists => listed || difference,
        _ => (matches!(stem, "Packages" | "Sources") && is_compressed(last, stem)) || (apt && listed),
    };
    let kind = if last == "Release.gpg" { Kind::Signature } else { Kind::Index };
    found.then(|| Artifact::index(Ecosystem::Debian).kind(kind))
}

fn is_compressed(last: &str, stem: &str) -> bool {
    matches!(&last[stem.len()..], "" | ".gz" | ".xz" | ".bz2" | ".zst" | ".lzma" | ".lz4")
}

/// Debian policy 5.6.1.
fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Debian policy 5.6.12, with an epoch in either form.
fn is_version(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:%".contains(&byte))
}
