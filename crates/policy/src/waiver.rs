//! Waivers: what an organisation accepts, for whom, why, and until when.

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
}

impl Waiver {
    /// Whether it covers a finding in a file.
    pub fn covers(&self, finding: &Finding, path: &str) -> bool {
        let image =
            |pattern: &str| finding.image.as_deref().is_some_and(|image| matches_name(pattern, image));
        self.rule == finding.rule
            && self.path.as_deref().is_none_or(|pattern| matches_name(pattern, path))
            && self.image.as_deref().is_none_or(image)
    }
}

impl Waivers {
    /// No waivers.
    pub fn none() -> Waivers {
        Waivers::default()
    }

    /// Reads a waivers' file of the repository; where there is none, there are no waivers. What cannot be understood is
    /// kept as a problem, and waives nothing.
    pub fn load(facts: &mut Facts, files: &dyn Files, path: &str) -> Waivers {
        let Ok(Some(bytes)) = files.read(path) else { return Waivers::none() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let source = facts.source_named(path).unwrap_or_else(|| facts.add_source(path, text.clone()));
        let mut waivers = Waivers::none();
        let root = match yaml::parse_one(&text) {
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

    /// Whether a finding is about the waivers' own file.
    pub fn is_in(&self, source: SourceId) -> bool {
        self.waivers.iter().any(|waiver| waiver.place.source == source)
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
