//! Cargo's sparse index and crate downloads. (The Cargo Book, "Registry Index")

use super::artifact::{Artifact, Ecosystem};
use super::request::{Address, Request};

pub(super) fn recognise(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    if address.is_directory() {
        return None;
    }
    let segments = address.segments();
    download(&segments).or_else(|| {
        let cargo = request.is_agent(&["cargo"]);
        if cargo && segments.last() == Some(&"config.json") {
            return Some(Artifact::index(Ecosystem::Crates));
        }
        let name = index_entry(&segments)?;
        // One- and two-letter directories are too common for the short names to mean something on their own.
        (cargo || name.len() > 3).then(|| Artifact::index(Ecosystem::Crates).named(name))
    })
}

/// `…/crates/NAME/VERSION/download`, `…/NAME-VERSION.crate`.
fn download(segments: &[&str]) -> Option<Artifact> {
    if let [.., "crates", name, version, "download"] = segments {
        return checked(name, version);
    }
    let stem = segments.last()?.strip_suffix(".crate")?;
    stem.match_indices('-').find_map(|(at, _)| checked(&stem[..at], &stem[at + 1..]))
}

fn checked(name: &str, version: &str) -> Option<Artifact> {
    let numbered = version.starts_with(|c: char| c.is_ascii_digit()) && version.split('.').count() >= 3;
    (is_name(name) && numbered).then(|| Artifact::package(Ecosystem::Crates, name, version))
}

/// `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcdef`.
fn index_entry<'a>(segments: &[&'a str]) -> Option<&'a str> {
    let name = *segments.last()?;
    if !is_name(name) {
        return None;
    }
    let wanted = match name.len() {
        1 => vec!["1"],
        2 => vec!["2"],
        3 => vec!["3", &name[..1]],
        _ => vec![&name[..2], &name[2..4]],
    };
    let before = &segments[..segments.len() - 1];
    let same = |wanted: &[&str]| {
        before.len() >= wanted.len()
            && before[before.len() - wanted.len()..]
                .iter()
                .zip(wanted)
                .all(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    same(&wanted).then_some(name)
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() <= 64 && text.bytes().all(plain)
}
