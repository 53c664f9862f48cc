//! What cargo itself runs: formatting, lints, and every crate's tests.

use std::io;
use std::process::Command;
use std::time::Duration;

use crate::command::{self, Outcome, must};
use crate::report::Tally;
use crate::workspace;

/// A whole build on a slow machine.
const LIMIT: Duration = Duration::from_secs(1800);

fn cargo(words: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace::root()).args(words);
    cargo
}

/// Builds the program under test.
pub fn build() -> io::Result<()> {
    must(&mut cargo(&["build", "--release", "--locked", "--package", "kapok"]), LIMIT).map(drop)
}

/// `cargo fmt --check`, where rustfmt is installed.
pub fn format() -> io::Result<Tally> {
    component("fmt", &["fmt", "--all", "--check"])
}

/// `cargo clippy` without a warning, where clippy is installed.
pub fn lints() -> io::Result<Tally> {
    component(
        "clippy",
        &[
            "clippy",
            "--release",
            "--locked",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "--deny",
            "warnings",
        ],
    )
}

fn component(name: &str, words: &[&str]) -> io::Result<Tally> {
    let mut tally = Tally::default();
    if !command::run(&mut cargo(&[name, "--version"]), Duration::from_secs(20))?.success() {
        tally.skip(name, "the toolchain has no such component");
        return Ok(tally);
    }
    let outcome = command::run(&mut cargo(words), LIMIT)?;
    tally.check(name, if outcome.success() { Ok(()) } else { Err(outcome.tail(60)) });
    Ok(tally)
}

/// All test binaries of the workspace; their own counts are added up.
pub fn tests() -> io::Result<Tally> {
    let outcome =
        command::run(&mut cargo(&["test", "--release", "--locked", "--workspace", "--no-fail-fast"]), LIMIT)?;
    let mut tally = counts(&outcome);
    if !outcome.success() {
        println!("{}", failures(&outcome));
        if tally.failed == 0 {
            tally.fail("cargo test", &outcome.tail(60));
        }
    }
    Ok(tally)
}

/// Adds up the lines `test result: ok. 3 passed; 0 failed; 0 ignored; ...`.
fn counts(outcome: &Outcome) -> Tally {
    let mut tally = Tally::default();
    for line in outcome.stdout.lines().filter(|line| line.starts_with("test result: ")) {
        let number = |word: &str| {
            let before = line.split(word).next().unwrap_or_default();
            before.rsplit([' ', '.']).find_map(|part| part.parse::<usize>().ok()).unwrap_or(0)
        };
        tally += Tally { passed: number(" passed"), failed: number(" failed"), skipped: number(" ignored") };
    }
    tally
}

/// What the failed tests printed.
fn failures(outcome: &Outcome) -> String {
    let mut shown = Vec::new();
    let mut inside = false;
    for line in outcome.stdout.lines() {
        inside = (inside || line == "failures:") && !line.starts_with("test result:");
        if inside {
            shown.push(line);
        }
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let stdout = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                      noise\ntest result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let outcome = Outcome { status: None, stdout: stdout.into(), stderr: String::new() };
        assert_eq!(counts(&outcome), Tally { passed: 15, failed: 2, skipped: 1 });
    }
}
