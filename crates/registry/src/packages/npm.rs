//! The npm registry: one document a package, tarballs below `/-/`.

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

/// The abbreviated form of a package's document.
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
const CLIENTS: &[&str] = &["npm", "yarn", "pnpm", "bun"];

/// `NAME/-/NAME-VERSION.tgz`, `@SCOPE/NAME/-/NAME-VERSION.tgz`, and questions below `-/`.
pub(super) fn recognise_file(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let dash = segments.iter().rposition(|part| *part == "-")?;
    let rest = &segments[dash + 1..];
    let file = match rest {
        [file] => Some(file),
        [scope, file] if scope.starts_with('@') => Some(file),
        _ => None,
    };
    let tarball = file.and_then(|file| file.strip_suffix(".tgz").or_else(|| file.strip_suffix(".tar.gz")));
    let (Some(stem), Some((scope, name))) = (tarball, package_name(&segments[..dash])) else {
        let asks = rest
            .first()
            .is_some_and(|part| matches!(*part, "npm" | "v1" | "package" | "ping" | "whoami" | "user"));
        let ours = request.is_agent(CLIENTS) || rest.starts_with(&["npm", "v1"]);
        let question = Artifact::new(Ecosystem::Npm, Kind::Question, Mutability::Mutable);
        return (asks && ours).then_some(question);
    };
    let version = stem.rsplit('/').next()?.strip_prefix(name)?.strip_prefix('-')?;
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(scoped(Artifact::package(Ecosystem::Npm, name, version), scope))
}

/// A package's document has nothing in its path that marks it; what client and answer say does.
pub(super) fn recognise_index(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let last = *segments.last()?;
    let scoped_name = last.starts_with('@') && last.contains('/');
    let ours = request.speaks(ABBREVIATED) || request.is_agent(CLIENTS) || scoped_name;
    let json = request.content_type.is_none_or(|kind| kind.contains("json"));
    let archive = [".tgz", ".tar.gz", ".zip"].iter().any(|form| last.ends_with(form));
    if !ours || !json || archive || !matches!(request.method, "GET" | "HEAD") {
        return None;
    }
    let numbered =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.matches('.').count() >= 2;
    let (path, version) = match segments[..] {
        [ref path @ .., version] if numbered(version) && !path.is_empty() => (path, Some(version)),
        _ => (&segments[..], None),
    };
    let (scope, name) = package_name(path)?;
    let index = scoped(Artifact::index(Ecosystem::Npm).named(name), scope);
    Some(match version {
        Some(version) => index.versioned(version).kind(Kind::Metadata),
        None => index,
    })
}

fn scoped(artifact: Artifact, scope: Option<&str>) -> Artifact {
    match scope {
        Some(scope) => artifact.below(scope),
        None => artifact,
    }
}

/// Scope, with its `@`, and name at the end of a path; both in one segment when the slash was encoded.
fn package_name<'a>(path: &[&'a str]) -> Option<(Option<&'a str>, &'a str)> {
    let last = *path.last()?;
    let (scope, name) = match last.split_once('/') {
        Some((scope, name)) => (Some(scope), name),
        None => (path.len().checked_sub(2).map(|at| path[at]).filter(|part| part.starts_with('@')), last),
    };
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 214
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~!'()*".contains(&byte))
    };
    let scope_plain = scope.is_none_or(|scope| scope.strip_prefix('@').is_some_and(plain));
    (scope_plain && plain(name)).then_some((scope, name))
}
