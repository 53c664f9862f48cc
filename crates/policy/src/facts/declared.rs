//! Versions of languages that a project's own files name: go.mod, pom.xml, `.python-version` and their like.

use dockerfile::Span;

use super::{Facts, Files};
use crate::finding::Place;
use crate::lifecycle::{self, Release};

/// No such file is larger.
const MAX_BYTES: usize = 1 << 20;

/// A version of a language, as a project's own file asks for it.
#[derive(Clone, Debug)]
pub struct DeclaredVersion {
    /// Where the version stands.
    pub place: Place,
    /// What it is.
    pub release: Release,
    /// This very version, and not one from which on others do too.
    pub exact: bool,
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    let paths: Vec<String> = facts.files.iter().map(|file| file.path.clone()).collect();
    for path in paths {
        let read: fn(&str) -> Vec<(Span, Release)> = match path.rsplit('/').next().unwrap_or(&path) {
            "go.mod" => go_mod,
            "pom.xml" => pom,
            ".python-version" => |text| whole(text, "python"),
            ".nvmrc" | ".node-version" => |text| whole(text, "node"),
            ".ruby-version" => |text| whole(text, "ruby"),
            ".java-version" => |text| whole(text, "java"),
            "runtime.txt" => |text| keyed(text, &[("python-", "python")]),
            ".tool-versions" => |text| {
                keyed(
                    text,
                    &[("python ", "python"), ("nodejs ", "node"), ("golang ", "go"), ("ruby ", "ruby")],
                )
            },
            "pyproject.toml" => |text| keyed(text, &[("requires-python", "python"), ("python =", "python")]),
            "setup.py" => setup_py,
            "setup.cfg" => |text| keyed(text, &[("python_requires", "python")]),
            "Pipfile" => {
                |text| keyed(text, &[("python_version", "python"), ("python_full_version", "python")])
            }
            "package.json" => engines,
            "environment.yml" | "environment.yaml" => {
                |text| keyed(text, &[("- python=", "python"), ("- nodejs=", "node"), ("- openjdk=", "java")])
            }
            "build.gradle" => {
                |text| keyed(text, &[("sourceCompatibility", "java"), ("targetCompatibility", "java")])
            }
            _ => continue,
        };
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Some(text) = String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES) else {
            continue;
        };
        let found = read(&text);
        if found.is_empty() {
            continue;
        }
        let name = path.rsplit('/').next().unwrap_or(&path);
        let exact = name.starts_with('.')
            || matches!(name, "runtime.txt" | "Pipfile" | "environment.yml" | "environment.yaml");
        let source = facts.source_named(&path).unwrap_or_else(|| facts.add_source(path, text));
        let declared = found.into_iter().map(|(span, release)| DeclaredVersion {
            place: Place::new(source, span),
            release,
            exact,
        });
        facts.declared_versions.extend(declared);
    }
}

/// The lines of a text with their offsets.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line.trim_end()))
    })
}

/// `go 1.16`: the least version that the module's language needs.
fn go_mod(text: &str) -> Vec<(Span, Release)> {
    let version = |(start, line): (usize, &str)| {
        let rest = line.strip_prefix("go ")?;
        let number = rest.split_whitespace().next()?;
        let at = start + 3 + rest.find(number)?;
        let release = Release { product: "go", version: lifecycle::leading_version(number) };
        Some((Span::new(at, at + number.len()), release))
    };
    lines(text).filter_map(version).take(1).collect()
}

/// `<maven.compiler.release>11</...>` and the other names that it has.
fn pom(text: &str) -> Vec<(Span, Release)> {
    let names = [
        "maven.compiler.release",
        "maven.compiler.target",
        "maven.compiler.source",
        "java.version",
        "release",
        "target",
        "source",
    ];
    let mut found = Vec::new();
    for (start, line) in lines(text) {
        for name in names {
            let open = format!("<{name}>");
            let Some(at) = line.find(&open).map(|at| at + open.len()) else { continue };
            let Some(length) = line[at..].find("</") else { continue };
            let number = line[at..at + length].trim();
            let version = number.strip_prefix("1.").unwrap_or(number);
            let short = !version.is_empty()
                && version.len() <= 2
                && version.bytes().all(|byte| byte.is_ascii_digit());
            if short {
                let span = Span::new(start + at, start + at + length);
                found.push((span, Release { product: "java", version: version.to_owned() }));
            }
            break;
        }
    }
    found
}

/// A file that is nothing but a version.
fn whole(text: &str, product: &'static str) -> Vec<(Span, Release)> {
    let first = text.lines().next().unwrap_or_default();
    let number = first.trim();
    let version = lifecycle::leading_version(number);
    if version.is_empty() {
        return Vec::new();
    }
    let at = first.find(number).unwrap_or(0);
    vec![(Span::new(at, at + number.len()), Release { product, version })]
}

/// Lines that begin with a key: the first version after it, which of a range is the lowest.
fn keyed(text: &str, keys: &[(&str, &'static str)]) -> Vec<(Span, Release)> {
    let mut found = Vec::new();
    for (start, line) in lines(text) {
        let trimmed = line.trim_start();
        let Some((key, product)) = keys.iter().find(|(key, _)| trimmed.starts_with(key)) else { continue };
        let after = start + line.len() - trimmed.len() + key.len();
        found.extend(lowest(&trimmed[key.len()..], after, product));
    }
    found
}

/// `setup(..., python_requires='>=3.6')`, wherever it stands in its line.
fn setup_py(text: &str) -> Vec<(Span, Release)> {
    let key = "python_requires";
    let found = lines(text).filter_map(|(start, line)| {
        let at = line.find(key).filter(|at| !line[..*at].contains('#'))? + key.len();
        lowest(&line[at..], start + at, "python")
    });
    found.collect()
}

/// `"engines": {"node": ">=12"}`.
fn engines(text: &str) -> Vec<(Span, Release)> {
    let Some(start) = text.find("\"engines\"") else { return Vec::new() };
    let end = text[start..].find('}').map_or(text.len(), |end| start + end);
    let Some(at) = text[start..end].find("\"node\"").map(|at| start + at + "\"node\"".len()) else {
        return Vec::new();
    };
    let rest = text[at..end].split(',').next().unwrap_or_default();
    lowest(rest, at, "node").into_iter().collect()
}

/// The version after `>=`, `~=`, `^`, `==` or nothing; what only excludes or ends a range is none.
fn lowest(text: &str, start: usize, product: &'static str) -> Option<(Span, Release)> {
    let text = text.split('#').next().unwrap_or_default();
    let digit = text.find(|next: char| next.is_ascii_digit())?;
    let before = text[..digit].trim_end();
    if before.ends_with(['<', '!']) || before.ends_with("<=") || before.ends_with("!=") {
        return None;
    }
    let mut version = lifecycle::leading_version(&text[digit..]);
    let length = version.len();
    if product == "java" {
        let own = version.strip_prefix("1.").unwrap_or(&version);
        version = own.split('.').next().unwrap_or_default().to_owned();
    }
    let span = Span::new(start + digit, start + digit + length);
    (!version.is_empty()).then_some((span, Release { product, version }))
}
