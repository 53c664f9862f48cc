//! Waivers: what an organisation accepts, for whom, why, and until when.

use crate::date::Date;
use crate::facts::SourceId;
use crate::finding::{Finding, Place};

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

    /// Whether a finding is about the waivers' own file.
    pub fn is_in(&self, source: SourceId) -> bool {
        self.waivers.iter().any(|waiver| waiver.place.source == source)
    }
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
