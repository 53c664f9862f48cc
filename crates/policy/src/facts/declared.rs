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
        let source = facts.source_named(&path).unwrap_or_else(|| facts.add_source(path, text));
        let declared = found
            .into_iter()
            .map(|(span, release)| DeclaredVersion { place: Place::new(source, span), release });
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
