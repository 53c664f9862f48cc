//! The Go module proxy protocol and the checksum database. (Go modules reference, "GOPROXY protocol")

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    if address.query_value("go-get").is_some_and(|value| value == "1") {
        let module = std::iter::once(address.host.as_str()).chain(segments);
        return Some(module_of(module.collect::<Vec<_>>().as_slice(), Artifact::index(Ecosystem::Go)));
    }
    database(&segments).or_else(|| proxied(&segments))
}

/// `MODULE/@v/list`, `MODULE/@latest`, `MODULE/@v/VERSION.zip`.
fn proxied(segments: &[&str]) -> Option<Artifact> {
    match segments {
        [module @ .., "@latest"] => Some(module_of(module, Artifact::index(Ecosystem::Go))),
        [module @ .., "@v", "list"] => Some(module_of(module, Artifact::index(Ecosystem::Go))),
        [module @ .., "@v", file] => {
            let (version, extension) = file.rsplit_once('.')?;
            let kind = match extension {
                "info" | "mod" => Kind::Metadata,
                "zip" => Kind::Package,
                _ => return None,
            };
            let version = unescape(version);
            let found = Artifact::package(Ecosystem::Go, "", &version).kind(kind);
            // A branch or a shortened commit may be asked for too; the answer to it moves.
            let found = if is_canonical(&version) { found } else { found.mutable() };
            Some(module_of(module, found))
        }
        _ => None,
    }
}

/// `sumdb/NAME/lookup/…` through a proxy, `lookup/…` and `tile/…` from the database itself. A tile of the log never
/// changes; an answer to a lookup ends with the log's head of the day.
fn database(segments: &[&str]) -> Option<Artifact> {
    let (rest, through_proxy) = match segments.iter().position(|part| *part == "sumdb") {
        Some(at) => (segments.get(at + 2..)?, true),
        None => (segments, false),
    };
    let question = Artifact::new(Ecosystem::Go, Kind::Question, Mutability::Mutable);
    match rest {
        ["supported" | "latest"] if through_proxy => Some(question),
        ["lookup", module @ .., last] => {
            let (name, version) = last.split_once('@')?;
            let module: Vec<&str> = module.iter().copied().chain([name]).collect();
            Some(module_of(&module, question.versioned(&unescape(version))))
        }
        ["tile", height, _, _, ..] if height.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Artifact::new(Ecosystem::Go, Kind::Signature, Mutability::Immutable))
        }
        _ => None,
    }
}

/// Names an artifact by a module's path, which begins with the first part that has a dot: the rest is a mirror's own.
fn module_of(segments: &[&str], artifact: Artifact) -> Artifact {
    let start = segments.iter().position(|part| part.contains('.')).unwrap_or(0);
    let parts: Vec<String> = segments[start..].iter().map(|part| unescape(part)).collect();
    match parts.split_last() {
        Some((name, [])) => artifact.named(name),
        Some((name, namespace)) => artifact.named(name).below(&namespace.join("/")),
        None => artifact,
    }
}

/// `!a` stands for `A`. (Go modules reference, "Module proxy": case encoding)
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match chars.peek() {
            Some(letter) if next == '!' && letter.is_ascii_lowercase() => {
                out.push(letter.to_ascii_uppercase());
                chars.next();
            }
            _ => out.push(next),
        }
    }
    out
}

/// `v1.2.3`, with or without a suffix.
fn is_canonical(version: &str) -> bool {
    let Some(rest) = version.strip_prefix('v') else { return false };
    let core = rest.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
