//! Counts of tests, and what is said about those that failed or were skipped.

use std::ops::AddAssign;

/// Tests that CI may skip.
const SKIPS: &str = include_str!("../../tests/skips.txt");

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Did what they should.
    pub passed: usize,
    /// Did not.
    pub failed: usize,
    /// Could not run here.
    pub skipped: usize,
}

impl Tally {
    /// One test that passed.
    pub fn one() -> Tally {
        Tally { passed: 1, ..Tally::default() }
    }

    /// Counts a failure and says what it was.
    pub fn fail(&mut self, name: &str, report: &str) {
        self.failed += 1;
        println!("FAILED {name}\n{}", indent(report));
    }

    /// Counts a test that cannot run here and says why. In CI, only those that are known for it may be skipped.
    pub fn skip(&mut self, name: &str, why: &str) {
        if std::env::var_os("CI").is_some_and(|value| value == "true") && !is_known(SKIPS, name) {
            return self.fail(name, &format!("skipped, and not in tests/skips.txt: {why}"));
        }
        self.skipped += 1;
        println!("skipped {name}: {why}");
    }

    /// Counts one test by its outcome.
    pub fn check(&mut self, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(report) => self.fail(name, &report),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Whether a list of skips has this test, with a reason.
fn is_known(list: &str, name: &str) -> bool {
    let reason = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(|why| !why.trim().is_empty());
    list.lines().any(|line| reason(line) == Some(true))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_known_by_its_whole_name_and_a_reason() {
        let list = "# may be skipped\nreal: a disk: no loop device\nother: \n";
        assert!(is_known(list, "real: a disk"));
        for name in ["a disk", "other", "real: a", "# may"] {
            assert!(!is_known(list, name), "{name}");
        }
    }
}
