//! Waivers: what an organisation accepts, for whom, why, and until when.

use std::collections::BTreeMap;

use project::Files;
use project::yaml::{self, Node};

use crate::date::Date;
use crate::facts::{Facts, SourceId};
use crate::finding::{Finding, Place};

/// Where waivers stand unless `check.waivers` says otherwise.
pub const WAIVERS_FILE: &str = "kapok-waivers.yaml";

/// One waiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The rule's id.
    pub rule: String,
    /// The image it is for, by name or pattern.
    pub image: Option<String>,
    /// The files it is for: a path, or a pattern in which `*` stands for anything but `/` and `**` for anything.
    pub path: Option<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds.
    pub expires: Date,
    /// Where the rule's id stands in the waivers' file.
    pub place: Place,
    /// Where the day stands.
    pub expires_place: Place,
}

/// All waivers, and what is wrong with their file.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    /// In the order of the file.
    pub waivers: Vec<Waiver>,
    /// What could not be understood, and where.
    pub problems: Vec<(Place, String)>,
    /// Paths from the waivers' directory of files that the facts know by other names.
    pub paths: BTreeMap<String, String>,
    /// They are for more than what is judged: one that covers nothing here may cover something elsewhere.
    pub partial: bool,
}

impl Waivers {
    /// No waivers.
    pub fn none() -> Waivers {
        Waivers::default()
    }

    /// Reads a waivers' file of the repository; where there is none, there are no waivers. What cannot be understood is
    /// kept as a problem, and waives nothing.
    pub fn load(facts: &mut Facts, files: &dyn Files, path: &str) -> Waivers {
        match files.read(path) {
            Ok(Some(bytes)) => Waivers::parse(facts, path, &String::from_utf8_lossy(&bytes)),
            _ => Waivers::none(),
        }
    }

    /// Reads the text of a waivers' file, which messages call by this name.
    pub fn parse(facts: &mut Facts, name: &str, text: &str) -> Waivers {
        let source = facts.source_named(name).unwrap_or_else(|| facts.add_source(name, text));
        let mut waivers = Waivers::none();
        let root = match yaml::parse_one(text) {
            Ok(root) => root,
            Err(diagnostic) => {
                waivers.problems.push((Place::new(source, diagnostic.span), diagnostic.message));
                return waivers;
            }
        };
        for node in root.items_at("waivers") {
            match waiver(node, source) {
                Ok(waiver) => waivers.waivers.push(waiver),
                Err(problem) => waivers.problems.push((Place::new(source, node.span), problem)),
            }
        }
        waivers
    }

    /// The waivers that cover a finding, by their number.
    pub fn covering(&self, facts: &Facts, finding: &Finding) -> Vec<usize> {
        if self.waivers.is_empty() {
            return Vec::new();
        }
        let name = &facts.source(finding.place.source).name;
        let path = self.paths.get(name).unwrap_or(name);
        let file = facts.dockerfile_at(finding.place);
        let called = file.iter().flat_map(|file| &file.called);
        let names: Vec<&String> = finding.image.iter().chain(called).collect();
        let covers = |waiver: &Waiver| {
            let image = |pattern: &str| names.iter().any(|name| matches_name(pattern, name));
            waiver.rule == finding.rule
                && waiver.path.as_deref().is_none_or(|pattern| matches_name(pattern, path))
                && waiver.image.as_deref().is_none_or(image)
        };
        let covering = self.waivers.iter().enumerate().filter(|(_, waiver)| covers(waiver));
        covering.map(|(index, _)| index).collect()
    }
}

fn waiver(node: &Node, source: SourceId) -> Result<Waiver, String> {
    let needed = |key: &str| {
        let value = node.get(key).filter(|value| value.text().is_some_and(|text| !text.trim().is_empty()));
        value.ok_or_else(|| format!("a waiver without `{key}`"))
    };
    let known = ["rule", "image", "path", "reason", "owner", "expires"];
    if let Some(pair) = node.pairs().iter().find(|pair| !known.contains(&pair.key.as_str())) {
        return Err(format!("a waiver has no key `{}`", pair.key));
    }
    let (rule, reason, owner, expires) =
        (needed("rule")?, needed("reason")?, needed("owner")?, needed("expires")?);
    let optional = |key: &str| node.text_at(key).map(str::to_owned);
    if node.get("image").is_none() && node.get("path").is_none() {
        return Err("a waiver without `path` or `image`".to_owned());
    }
    let words = |node: &Node| node.text().unwrap_or_default().to_owned();
    Ok(Waiver {
        rule: words(rule),
        image: optional("image"),
        path: optional("path"),
        reason: words(reason),
        owner: words(owner),
        expires: words(expires).parse().map_err(|error: crate::date::BadDate| error.to_string())?,
        place: Place::new(source, rule.span),
        expires_place: Place::new(source, expires.span),
    })
}

/// Whether a name fits a pattern: `*` is anything but `/`, `**` anything, `?` one character; a pattern that ends in `/`
/// fits all below it.
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('/') {
        Some(directory) => fits(format!("{directory}/**").as_bytes(), name.as_bytes(), &mut 0),
        None => fits(pattern.as_bytes(), name.as_bytes(), &mut 0),
    }
}

/// Steps after which a pattern is given up: nobody writes one that needs more.
const MAX_STEPS: usize = 10_000;

fn fits(pattern: &[u8], name: &[u8], steps: &mut usize) -> bool {
    *steps += 1;
    if *steps > MAX_STEPS {
        return false;
    }
    match pattern {
        [] => name.is_empty(),
        [b'*', b'*', b'/', rest @ ..] if fits(rest, name, steps) => true,
        [b'*', b'*', rest @ ..] => (0..=name.len()).any(|skip| fits(rest, &name[skip..], steps)),
        [b'*', rest @ ..] => {
            let limit = name.iter().position(|byte| *byte == b'/').unwrap_or(name.len());
            (0..=limit).any(|skip| fits(rest, &name[skip..], steps))
        }
        [b'?', rest @ ..] => name.first().is_some_and(|byte| *byte != b'/') && fits(rest, &name[1..], steps),
        [first, rest @ ..] => name.first() == Some(first) && fits(rest, &name[1..], steps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (pattern, name) in [
            ("a/b", "a/b"),
            ("a/*", "a/b"),
            ("a/**", "a/b/c"),
            ("**/Dockerfile", "Dockerfile"),
            ("**/Dockerfile", "a/b/Dockerfile"),
            ("a/", "a/b/c"),
            ("r.example.com/ubi?/*", "r.example.com/ubi9/python-39"),
        ] {
            assert!(matches_name(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a/*", "a/b/c"), ("a", "ab"), ("*b", "a/b"), ("a/", "ab/c"), ("", "a")] {
            assert!(!matches_name(pattern, name), "{pattern} {name}");
        }
        assert!(!matches_name(&"**a".repeat(40), &"b".repeat(200)));
    }
}
