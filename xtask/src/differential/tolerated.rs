//! The differences from BuildKit that are meant, as data: a case, the lines that may differ, and why.
//!
//! ```text
//! # reason, one or more lines
//! case-glob | line-glob
//! case-glob | *        the whole case is not compared
//! ```
//! A glob's `*` stands for anything. A line that matches is left out on both sides.

use std::fs;
use std::io;
use std::path::Path;

/// The list.
#[derive(Debug, Default)]
pub struct Tolerated {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    case: String,
    line: String,
    reason: String,
}

/// Reads the list; every entry must have a reason.
pub fn load(path: &Path) -> io::Result<Tolerated> {
    let mut entries = Vec::new();
    let mut reason = String::new();
    let mut fresh = true;
    for line in fs::read_to_string(path)?.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix('#') {
            if fresh {
                reason.clear();
            }
            fresh = false;
            reason.push_str(words);
        } else if let Some((case, pattern)) = line.split_once(" | ") {
            fresh = true;
            if reason.is_empty() {
                return Err(io::Error::other(format!("`{line}` has no reason")));
            }
            let (case, line) = (case.trim().to_owned(), pattern.trim().to_owned());
            entries.push(Entry { case, line, reason: reason.trim().to_owned() });
        }
    }
    Ok(Tolerated { entries })
}

impl Tolerated {
    /// The reason for which a case is not compared at all.
    pub fn whole_case(&self, case: &str) -> Option<&str> {
        let whole = |entry: &&Entry| entry.line == "*" && matches(&entry.case, case);
        self.entries.iter().find(whole).map(|entry| entry.reason.as_str())
    }

    /// What differs and may not, as lines with `-` (BuildKit) and `+` (Kapok).
    pub fn differences(&self, case: &str, expected: &str, actual: &str) -> Option<String> {
        // That a build fails is compared; each program says so in its own words.
        if expected.starts_with("fails") && actual.starts_with("fails") {
            return None;
        }
        let keep = |line: &&str| {
            !self.entries.iter().any(|entry| matches(&entry.case, case) && matches(&entry.line, line))
        };
        let expected: Vec<&str> = expected.lines().filter(keep).collect();
        let actual: Vec<&str> = actual.lines().filter(keep).collect();
        if expected == actual {
            return None;
        }
        let missing = expected.iter().filter(|line| !actual.contains(line)).map(|line| format!("- {line}\n"));
        let added = actual.iter().filter(|line| !expected.contains(line)).map(|line| format!("+ {line}\n"));
        let report: String = missing.chain(added).collect();
        Some(if report.is_empty() { "the same lines in another order\n".into() } else { report })
    }
}

/// Whether a pattern whose `*` stands for anything covers the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|&at| text.is_char_boundary(at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_matching_lines_are_left_out() {
        let entry =
            |case: &str, line: &str| Entry { case: case.into(), line: line.into(), reason: "x".into() };
        let list = Tolerated { entries: vec![entry("run-*", "/log *"), entry("whole", "*")] };
        assert_eq!(list.differences("run-a", "ok\n/log one\n", "ok\n/log two\n"), None);
        assert!(list.differences("copy-a", "ok\n/log one\n", "ok\n/log two\n").is_some());
        assert_eq!(list.differences("x", "fails: a\n", "fails: b\n"), None);
        assert!(list.differences("x", "fails: a\n", "ok\n").is_some());
        assert_eq!((list.whole_case("whole"), list.whole_case("other")), (Some("x"), None));
    }
}
