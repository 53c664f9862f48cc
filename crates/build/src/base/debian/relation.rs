//! What a package asks of others: `libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0` (Debian Policy 7.1).

use super::version::Version;
use std::fmt;

/// All of these must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations(pub Vec<Alternatives>);

/// One of these must hold; the first that can is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternatives(pub Vec<Relation>);

/// A package, by name and perhaps by version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The name of a package, or of something that packages provide.
    pub name: String,
    /// `:any`, `:native` or an architecture behind the name.
    pub qualifier: Option<String>,
    /// `(>= 1.0)`.
    pub constraint: Option<(Comparison, Version)>,
    /// `[amd64 !i386]`: the architectures for which the relation counts; empty means all.
    pub architectures: Vec<String>,
}

/// How a version must stand to the one that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Comparison {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

/// Why a text is not a list of relations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a package relation: {reason}")]
pub struct BadRelation {
    /// The relation, cut.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// More relations than the largest metapackage has.
const RELATIONS_LIMIT: usize = 20_000;

impl Relations {
    /// Parses the value of `Depends`, `Conflicts`, `Provides` or the like.
    pub fn parse(text: &str) -> Result<Self, BadRelation> {
        let mut all = Vec::new();
        // A comma at the end is written by hand now and then; dpkg takes it.
        for group in text.split(',').map(str::trim).filter(|group| !group.is_empty()) {
            if all.len() == RELATIONS_LIMIT {
                return Err(bad(group, "too many relations"));
            }
            let alternatives = group.split('|').map(Relation::parse).collect::<Result<_, _>>()?;
            all.push(Alternatives(alternatives));
        }
        Ok(Self(all))
    }

    /// Those that count on an architecture, without their restrictions.
    pub fn on(self, architecture: &str) -> Self {
        let counts = |relation: &Relation| relation.counts_on(architecture);
        let groups =
            self.0.into_iter().map(|group| Alternatives(group.0.into_iter().filter(counts).collect()));
        Self(groups.filter(|group| !group.0.is_empty()).collect())
    }

    /// Every relation, whichever alternative it is.
    pub fn iter(&self) -> impl Iterator<Item = &Relation> {
        self.0.iter().flat_map(|group| &group.0)
    }
}

impl Relation {
    /// Parses one relation, without alternatives.
    pub fn parse(text: &str) -> Result<Self, BadRelation> {
        let text = text.trim();
        let name_end = text.find(|c: char| c.is_whitespace() || "([<:".contains(c)).unwrap_or(text.len());
        let (name, mut rest) = text.split_at(name_end);
        if !is_package_name(name) {
            return Err(bad(text, "no package has such a name"));
        }
        let mut relation =
            Self { name: name.to_owned(), qualifier: None, constraint: None, architectures: Vec::new() };
        if let Some(qualified) = rest.strip_prefix(':') {
            let end =
                qualified.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(qualified.len());
            relation.qualifier = Some(qualified[..end].to_owned()).filter(|word| !word.is_empty());
            rest = &qualified[end..];
        }
        loop {
            rest = rest.trim_start();
            let Some(open) = rest.chars().next() else { return Ok(relation) };
            let close = match open {
                '(' => ')',
                '[' => ']',
                '<' => '>',
                _ => return Err(bad(text, "unexpected text behind the name")),
            };
            let Some((inside, behind)) = rest[1..].split_once(close) else {
                return Err(bad(text, "a bracket is not closed"));
            };
            match open {
                '(' => {
                    relation.constraint = Some(
                        parse_constraint(inside)
                            .ok_or_else(|| bad(text, "the version constraint is not one"))?,
                    )
                }
                '[' => relation.architectures = inside.split_whitespace().map(str::to_owned).collect(),
                // Build profiles say something about source packages only.
                _ => {}
            }
            rest = behind;
        }
    }

    /// Whether a version is one of those asked for.
    pub fn accepts(&self, version: &Version) -> bool {
        self.constraint.as_ref().is_none_or(|(comparison, wanted)| match comparison {
            Comparison::Earlier => version < wanted,
            Comparison::EarlierOrEqual => version <= wanted,
            Comparison::Equal => version == wanted,
            Comparison::LaterOrEqual => version >= wanted,
            Comparison::Later => version > wanted,
        })
    }

    fn counts_on(&self, architecture: &str) -> bool {
        let matches = |word: &str| {
            word == architecture || word == "any" || word == "linux-any" || {
                word.strip_prefix("any-").is_some_and(|cpu| cpu == architecture)
            }
        };
        let (negative, positive): (Vec<_>, Vec<_>) =
            self.architectures.iter().partition(|word| word.starts_with('!'));
        !negative.iter().any(|word| matches(&word[1..]))
            && (positive.is_empty() || positive.iter().any(|word| matches(word)))
    }
}

/// Debian Policy 5.6.1, and a bound.
pub fn is_package_name(name: &str) -> bool {
    (2..=200).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
}

fn parse_constraint(text: &str) -> Option<(Comparison, Version)> {
    let text = text.trim();
    let digits = text.find(|c: char| !"<>=".contains(c))?;
    let (operator, version) = text.split_at(digits);
    let comparison = match operator {
        "<<" => Comparison::Earlier,
        // `<` and `>` alone are the old spelling of `<=` and `>=`, and dpkg still reads them so.
        "<=" | "<" => Comparison::EarlierOrEqual,
        "=" => Comparison::Equal,
        ">=" | ">" => Comparison::LaterOrEqual,
        ">>" => Comparison::Later,
        _ => return None,
    };
    Some((comparison, Version::parse(version.trim()).ok()?))
}

fn bad(text: &str, reason: &'static str) -> BadRelation {
    BadRelation { text: text.trim().chars().take(120).collect(), reason }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Earlier => "<<",
            Self::EarlierOrEqual => "<=",
            Self::Equal => "=",
            Self::LaterOrEqual => ">=",
            Self::Later => ">>",
        })
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some((comparison, version)) = &self.constraint {
            write!(f, " ({comparison} {version})")?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, relation) in self.0.iter().enumerate() {
            write!(f, "{}{relation}", if at == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, alternatives) in self.0.iter().enumerate() {
            write!(f, "{}{alternatives}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// For the fuzzer: parses anything, and what was parsed prints to a text that parses to the same.
pub fn fuzz_relations(data: &[u8]) {
    if let Ok(relations) = Relations::parse(&String::from_utf8_lossy(data)) {
        assert_eq!(Relations::parse(&relations.to_string()).as_ref(), Ok(&relations));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let shown = match Relations::parse(text) {
            Ok(relations) => format!("{relations}\non amd64: {}\n", relations.clone().on("amd64")),
            Err(error) => format!("error: {error}\n"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn every_form() {
        check(
            "libc6(>=2.36),debconf (>= 0.5)|debconf-2.0 , perl:any, aa [ !amd64 i386],bb[linux-any] <!nocheck>, ",
            expect![[r#"
                libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, perl:any, aa [!amd64 i386], bb [linux-any]
                on amd64: libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0, perl:any, bb [linux-any]
            "#]],
        );
        check(
            "",
            expect![[r#"

            on amd64: 
        "#]],
        );
    }

    #[test]
    fn alternatives_of_other_architectures_vanish() {
        check(
            "aa [i386] | bb (<< 1) [!i386], cc [arm64]",
            expect![[r#"
                aa [i386] | bb (<< 1) [!i386], cc [arm64]
                on amd64: bb (<< 1) [!i386]
            "#]],
        );
    }

    #[test]
    fn broken_ones_are_errors() {
        check(
            "a_b",
            expect![[r#"
            error: `a_b` is not a package relation: no package has such a name
        "#]],
        );
        check(
            "aa (>= 1",
            expect![[r#"
            error: `aa (>= 1` is not a package relation: a bracket is not closed
        "#]],
        );
        check(
            "aa (~ 1)",
            expect![[r#"
            error: `aa (~ 1)` is not a package relation: the version constraint is not one
        "#]],
        );
        check(
            "aa bb",
            expect![[r#"
            error: `aa bb` is not a package relation: unexpected text behind the name
        "#]],
        );
        check(
            "aa | | bb",
            expect![[r#"
            error: `` is not a package relation: no package has such a name
        "#]],
        );
    }

    #[test]
    fn constraints_hold() {
        let accepts = |relation: &str, version: &str| {
            Relation::parse(relation).unwrap().accepts(&Version::parse(version).unwrap())
        };
        assert!(accepts("aa", "0"));
        assert!(accepts("aa (>= 1.0)", "1.0") && !accepts("aa (>= 1.0)", "1.0~rc1"));
        assert!(accepts("aa (>> 1.0)", "1.0+b1") && !accepts("aa (>> 1.0)", "1.0"));
        assert!(accepts("aa (<< 1.0)", "1.0~") && !accepts("aa (<< 1.0)", "1.0"));
        assert!(accepts("aa (<= 1.0)", "1.0") && !accepts("aa (<= 1.0)", "1:0"));
        assert!(accepts("aa (= 1.0)", "0:1.0-0") && !accepts("aa (= 1.0)", "1.0-1"));
        assert!(accepts("aa (< 1.0)", "1.0"), "the old spelling includes equality");
    }

    #[test]
    fn anything_may_be_parsed() {
        for data in [&b"aa:any (= 1) [x y]"[..], b"\xff", b"aa(", b"aa:(= 1)", b"aa []", b"a1 <", b",,,"] {
            fuzz_relations(data);
        }
    }
}
