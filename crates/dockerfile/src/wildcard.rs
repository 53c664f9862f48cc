//! Go's `filepath.Match`, by which COPY and ADD choose their sources.

use crate::glob::{Glob, Token, class};

/// A pattern that Go would refuse with `syntax error in pattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// A pattern to match names with: `*` and `?` stay within a path component, `[a-z]` and `[^a-z]` are classes, `\`
/// takes away a character's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(Glob);

impl Wildcard {
    /// Reads a pattern.
    pub fn parse(pattern: &str) -> Result<Wildcard, BadPattern> {
        let mut tokens = Vec::new();
        let mut chars = pattern.chars();
        while let Some(next) = chars.next() {
            tokens.push(match next {
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => class(&mut chars)?,
                '\\' => Token::Literal(chars.next().ok_or(BadPattern)?),
                other => Token::Literal(other),
            });
        }
        Ok(Wildcard(Glob::new(tokens)))
    }

    /// Whether the whole name matches.
    pub fn matches(&self, name: impl AsRef<[u8]>) -> bool {
        self.0.matches(name.as_ref())
    }
}

/// Whether a name matches a pattern; [`Wildcard`] is for those who ask often.
pub fn matches(pattern: &str, name: impl AsRef<[u8]>) -> Result<bool, BadPattern> {
    Wildcard::parse(pattern).map(|wildcard| wildcard.matches(name))
}

/// Whether a pattern has anything in it that [`matches()`] would not take literally.
pub fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for name in matching {
            assert_eq!(matches(pattern, name), Ok(true), "{pattern} {name}");
        }
        for name in others {
            assert_eq!(matches(pattern, name), Ok(false), "{pattern} {name}");
        }
    }

    #[test]
    fn stars_and_question_marks_stay_in_a_component() {
        check("*", &["", "a", "abc", ".hidden"], &["a/b", "/"]);
        check("a*", &["a", "ab"], &["ba", "a/b", ""]);
        check("*c", &["abc", "c"], &["abcd"]);
        check("a*b*c", &["abc", "axxbyyc", "abbc"], &["abcd", "a/bc", "acb"]);
        check("a/*/c", &["a/b/c", "a//c"], &["a/c", "a/b/d/c"]);
        check("?", &["a", "é", "世"], &["", "ab", "/"]);
        check("a?c", &["abc"], &["ac", "a/c"]);
        check("*.txt", &["a.txt", ".txt"], &["a.txt.gz", "d/a.txt"]);
        check("**", &["ab"], &["a/b"]);
        check("*/*", &["a/b", "/"], &["a", "a/b/c"]);
    }

    #[test]
    fn classes() {
        check("[abc]", &["a", "b"], &["d", "ab", ""]);
        check("[a-c]x", &["ax", "cx"], &["dx"]);
        check("[^a-c]", &["d", "-", "é"], &["a"]);
        check("[!a]", &["!", "a"], &["b"]);
        check("[^/]", &["a"], &["/"]);
        check("x[^a]y", &["xby", "x/y"], &["xay"]);
        check("[\\]a]", &["]", "a"], &["\\"]);
        check("[\\-x]", &["-", "x"], &["a"]);
        check("[а-я]", &["ж"], &["z"]);
        check("[z-a]", &[], &["a", "m", "z"]);
        check("a]", &["a]"], &["a"]);
    }

    #[test]
    fn escapes() {
        check("\\*", &["*"], &["a"]);
        check("a\\?", &["a?"], &["ab"]);
        check("\\a", &["a"], &["\\a"]);
        check("\\[a]", &["[a]"], &["a"]);
        check("\\\\", &["\\"], &["\\\\"]);
    }

    #[test]
    fn patterns_that_are_none() {
        for pattern in
            ["[", "[a", "[^", "[]", "[-a]", "[a-", "[\\", "\\", "a[", "[^]", "[]a]", "[a-]]", "[]]"]
        {
            assert_eq!(matches(pattern, "a"), Err(BadPattern), "{pattern}");
        }
    }

    #[test]
    fn names_that_are_no_text() {
        assert_eq!(matches("a?b", b"a\xffb"), Ok(true));
        assert_eq!(matches("a*", b"a\xff\xfe"), Ok(true));
        assert_eq!(matches("a", b"\xff"), Ok(false));
    }

    #[test]
    fn hard_patterns_take_no_longer() {
        let name = "a".repeat(200);
        assert_eq!(matches(&format!("{}b?", "a*".repeat(20)), &name), Ok(false));
        assert_eq!(matches(&format!("{}b?", "a*".repeat(60)), &name), Ok(false));
        assert_eq!(matches(&format!("{}a?", "a*".repeat(60)), &name), Ok(true));
    }
}
