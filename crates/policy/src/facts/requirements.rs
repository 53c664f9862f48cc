//! What a project's own files ask package managers for: `requirements.txt`, `package.json`, `pom.xml`, conda's environments.

use dockerfile::Span;
use dockerfile::shell::Value;

use super::commands::{PackageRequest, Pin, RequestKind, conda_package, python_package};
use super::{Facts, Files};
use crate::finding::Place;

/// No such file is larger.
const MAX_BYTES: usize = 1 << 20;

/// A package that a file of the project asks for.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Where it stands.
    pub place: Place,
    /// What is asked for.
    pub request: PackageRequest,
    /// The file is for those who work on the project, and not for what runs: `requirements-dev.txt`.
    pub development: bool,
    /// A digest stands beside it.
    pub hashed: bool,
}

type Reader = fn(&str) -> Vec<(Span, PackageRequest, bool)>;

fn reader(path: &str) -> Option<Reader> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "package.json" => Some(package_json),
        "pom.xml" => Some(pom),
        "environment.yml" | "environment.yaml" | "conda.yml" | "conda.yaml" => Some(environment),
        _ if is_requirements(path) => Some(requirements),
        _ => None,
    }
}

/// Whether a path is that of a list of requirements which pip installs. Inputs of a resolver (`*.in`) and constraints
/// are none.
pub(crate) fn is_requirements(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or(path);
    let below = parts.next().is_some_and(|directory| directory == "requirements");
    name.ends_with(".txt")
        && (name.contains("requirements") || name == "requirement.txt" || below)
        && !name.contains("constraint")
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    let paths: Vec<String> = facts.files.iter().map(|file| file.path.clone()).collect();
    for path in paths {
        let Some(read) = reader(&path) else { continue };
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Some(text) = String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES) else {
            continue;
        };
        let found = read(&text);
        if found.is_empty() {
            continue;
        }
        let words: Vec<&str> = path.split(['/', '-', '_', '.']).collect();
        let development =
            ["dev", "develop", "development", "test", "tests", "testing", "docs", "doc", "lint"];
        let development = words.iter().any(|word| development.contains(word));
        let source = facts.source_named(&path).unwrap_or_else(|| facts.add_source(path.clone(), text));
        let found = found.into_iter().map(|(span, request, hashed)| Requirement {
            place: Place::new(source, span),
            request,
            development,
            hashed,
        });
        facts.requirements.extend(found);
    }
}

/// The lines of a text with their offsets, without their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end()))
    })
}

/// `name==1.2 \` and its like; options, comments and paths of the project are left out.
fn requirements(text: &str) -> Vec<(Span, PackageRequest, bool)> {
    let mut found: Vec<(Span, PackageRequest, bool)> = Vec::new();
    let mut continued = false;
    for (start, line) in lines(text) {
        let own = std::mem::replace(&mut continued, line.ends_with('\\'));
        let hashed = line.contains("--hash=");
        if own {
            // The rest of a requirement: digests.
            if let Some(last) = found.last_mut().filter(|_| hashed) {
                last.2 = true;
            }
            continue;
        }
        let trimmed = line.trim_start();
        let at = start + line.len() - trimmed.len();
        let body = trimmed.split(" #").next().unwrap_or(trimmed).trim_end_matches('\\').trim_end();
        let body = body.split(" --").next().unwrap_or(body).trim_end();
        let (at, body) = match body.strip_prefix("-e ").or_else(|| body.strip_prefix("--editable ")) {
            Some(rest) => (at + body.len() - rest.len(), rest),
            None => (at, body),
        };
        if body.is_empty() || body.starts_with(['#', '-', '{', '$']) {
            continue;
        }
        let span = Span::new(at, at + body.len());
        let request = python_package(Value::known_text(body, span));
        found.push((span, request, hashed));
    }
    found
}

/// The dependencies of a `package.json`: names and versions on lines of their own.
fn package_json(text: &str) -> Vec<(Span, PackageRequest, bool)> {
    let mut found = Vec::new();
    let mut at = 0;
    // Development dependencies build what is shipped, so they count.
    for key in ["\"dependencies\"", "\"devDependencies\"", "\"optionalDependencies\""] {
        let Some(start) = text.find(key).map(|start| start + key.len()) else { continue };
        let Some(open) = text[start..].find('{').map(|open| start + open + 1) else { continue };
        if !text[start..open].trim_matches([':', '{', ' ', '\n', '\r', '\t']).is_empty() {
            continue;
        }
        let end = text[open..].find('}').map_or(text.len(), |end| open + end);
        let mut strings = Strings { text: &text[..end], at: open };
        while let (Some(_), Some((version, span))) = (strings.next(), strings.next()) {
            found.push((span, node_request(version, span), false));
            at += 1;
            if at > 10_000 {
                return found;
            }
        }
    }
    found
}

/// The strings of a text of JSON, each with its place within the quotes.
struct Strings<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Strings<'t> {
    type Item = (&'t str, Span);

    fn next(&mut self) -> Option<(&'t str, Span)> {
        let start = self.at + self.text.get(self.at..)?.find('"')? + 1;
        let end = start + self.text.get(start..)?.find('"')?;
        self.at = end + 1;
        Some((&self.text[start..end], Span::new(start, end)))
    }
}

/// What npm takes for a version: a tag, a range, a URL, a git repository.
fn node_request(version: &str, span: Span) -> PackageRequest {
    let lower = version.to_ascii_lowercase();
    let git = lower.starts_with("git") && (lower.contains("://") || lower.contains('@'))
        || lower.split('#').next().is_some_and(|url| url.ends_with(".git"))
        || lower.starts_with("github:")
        || lower.starts_with("bitbucket:");
    let (kind, pin) = if git {
        let revision = version.split_once('#').map_or("", |(_, revision)| revision);
        let commit = revision.len() >= 7 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        let pin = match revision {
            _ if commit => Pin::Exact(revision.to_owned()),
            "" => Pin::None,
            other => Pin::Moving(other.to_owned()),
        };
        (RequestKind::Git, pin)
    } else if lower.starts_with("http://") || lower.starts_with("https://") {
        (RequestKind::Url, Pin::None)
    } else if ["file:", "link:", "workspace:", "portal:", "."].iter().any(|word| lower.starts_with(word)) {
        (RequestKind::Path, Pin::None)
    } else {
        let pin = match lower.as_str() {
            "*" | "" | "x" => Pin::None,
            "latest" | "next" | "beta" | "canary" => Pin::Moving(lower.clone()),
            // What the lock beside it settles.
            _ => Pin::Exact(version.to_owned()),
        };
        (RequestKind::Named, pin)
    };
    PackageRequest { value: Value::known_text(version, span), name: version.to_owned(), pin, kind }
}

/// Versions of dependencies, parents and plugins in a `pom.xml`.
fn pom(text: &str) -> Vec<(Span, PackageRequest, bool)> {
    let mut found = Vec::new();
    let (mut inside, mut artifact) = (false, "");
    for (start, line) in lines(text) {
        let opens = ["<dependency>", "<parent>", "<plugin>", "<extension>"];
        let closes = ["</dependency>", "</parent>", "</plugin>", "</extension>"];
        inside |= opens.iter().any(|tag| line.contains(tag));
        if let Some((name, _)) = element(line, "artifactId") {
            artifact = name;
        }
        if let Some((version, at)) = element(line, "version").filter(|_| inside) {
            let pin = match version {
                "LATEST" | "RELEASE" => Pin::Moving(version.to_owned()),
                _ if version.ends_with("-SNAPSHOT") => Pin::Moving(version.to_owned()),
                _ if version.starts_with(['[', '(']) && version.contains(',') => {
                    Pin::Range(version.to_owned())
                }
                _ => Pin::Exact(version.to_owned()),
            };
            let span = Span::new(start + at, start + at + version.len());
            let value = Value::known_text(version, span);
            let name = artifact.to_owned();
            found.push((span, PackageRequest { value, name, pin, kind: RequestKind::Named }, false));
        }
        inside &= !closes.iter().any(|tag| line.contains(tag));
    }
    found
}

/// The text of an element that stands on one line, and where it begins there.
fn element<'t>(line: &'t str, name: &str) -> Option<(&'t str, usize)> {
    let open = format!("<{name}>");
    let at = line.find(&open)? + open.len();
    let text = &line[at..at + line[at..].find("</")?];
    let trimmed = text.trim_start();
    Some((trimmed.trim_end(), at + text.len() - trimmed.len()))
}

/// The dependencies of conda's environments, and those for pip among them.
fn environment(text: &str) -> Vec<(Span, PackageRequest, bool)> {
    let mut found = Vec::new();
    let (mut inside, mut pip) = (false, None);
    for (start, line) in lines(text) {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if indent == 0 && !trimmed.starts_with('-') {
            (inside, pip) = (trimmed.starts_with("dependencies:"), None);
            continue;
        }
        let Some(item) = trimmed.strip_prefix("- ").filter(|_| inside) else { continue };
        let spec = item.split(" #").next().unwrap_or(item).trim();
        let bare = spec.trim_matches(['"', '\'']);
        if bare == "pip:" {
            pip = Some(indent);
            continue;
        }
        let of_pip = pip.is_some_and(|outer| indent > outer);
        if !of_pip {
            pip = None;
        }
        if bare.is_empty() || bare.starts_with('-') || matches!(bare, "pip" | "setuptools" | "wheel") {
            continue;
        }
        let at = start + indent + 2 + item.find(bare).unwrap_or(0);
        let span = Span::new(at, at + bare.len());
        let value = Value::known_text(bare, span);
        let request = if of_pip { python_package(value) } else { conda_package(value) };
        found.push((span, request, false));
    }
    found
}
