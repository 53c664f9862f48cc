//! Repositories of RPM packages: `repodata/repomd.xml` names the other indexes by digest.

use ::oci::Digest;

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

/// Directories by which a vendor is known, and its namespace in purls.
const VENDORS: &[(&str, &str)] = &[
    ("fedora", "fedora"),
    ("epel", "fedora"),
    ("centos", "centos"),
    ("rhel", "redhat"),
    ("ubi", "redhat"),
    ("redhat", "redhat"),
    ("rocky", "rocky"),
    ("almalinux", "almalinux"),
    ("amazonlinux", "amazonlinux"),
    ("opensuse", "opensuse"),
    ("oracle", "oracle"),
];

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    if address.is_directory() {
        return None;
    }
    let segments = address.segments();
    let (last, before) = segments.split_last()?;
    match before.last() {
        Some(&"repodata") => return Some(index(last)),
        _ if matches!(*last, "mirrorlist" | "metalink") && address.query_value("repo").is_some() => {
            return Some(Artifact::index(Ecosystem::Rpm));
        }
        _ => {}
    }
    package(last, before)
}

/// `repomd.xml` and what it names, which carries its digest in front since createrepo_c's default.
fn index(last: &str) -> Artifact {
    match last {
        "repomd.xml.asc" | "repomd.xml.key" => {
            Artifact::new(Ecosystem::Rpm, Kind::Signature, Mutability::Mutable)
        }
        "repomd.xml" => Artifact::index(Ecosystem::Rpm),
        _ => {
            let hex = last.split('-').next().unwrap_or_default();
            let digest = match hex.len() {
                64 => format!("sha256:{hex}").parse::<Digest>().ok(),
                128 => format!("sha512:{hex}").parse::<Digest>().ok(),
                _ => None,
            };
            match digest {
                Some(_) => Artifact::new(Ecosystem::Rpm, Kind::Index, Mutability::Immutable).promised(digest),
                None => Artifact::index(Ecosystem::Rpm),
            }
        }
    }
}

/// `NAME-VERSION-RELEASE.ARCHITECTURE.rpm`.
fn package(last: &str, before: &[&str]) -> Option<Artifact> {
    let stem = last.strip_suffix(".rpm").or_else(|| last.strip_suffix(".drpm"))?;
    let (rest, architecture) = stem.rsplit_once('.')?;
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~^-:".contains(&byte))
    };
    if ![name, version, release, architecture].into_iter().all(plain) {
        return None;
    }
    let version = format!("{version}-{release}");
    let package = Artifact::package(Ecosystem::Rpm, name, &version).qualified("arch", architecture);
    Some(match vendor(before) {
        Some(vendor) => package.below(vendor),
        None => package,
    })
}

fn vendor(before: &[&str]) -> Option<&'static str> {
    let part_starts = |known: &str| before.iter().any(|part| part.to_ascii_lowercase().starts_with(known));
    VENDORS.iter().find(|(directory, _)| part_starts(directory)).map(|(_, namespace)| *namespace)
}
