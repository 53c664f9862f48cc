//! Rules of users, in Rego: the packages that conftest runs, over the facts of a repository or over any document.
//!
//! A package's rules `deny`, `violation` and `warn`, and those whose names begin like this (`deny_root`), give what is
//! wrong: texts, or objects with `msg`. An object may also say `file`, `line`, `column` and `fix`. Policies of the first
//! version of Rego and of the second are read alike. What a policy does is bounded: its time and its memory have a limit, a panic of the
//! interpreter is an error like any other, and there is no network, no file and no clock in it but the day it is given.

mod builtins;
mod document;
mod imports;
mod input;
mod interpreter;
mod prepared;
mod recursion;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use document::{Document, documents};
pub use input::{SCHEMA, input};

use crate::facts::{Facts, SourceId};
use crate::finding::{Finding, Place};
use crate::level::Level;
use interpreter::Interpreter;

/// The name of the thread that policies run on. A panic there is an error of the policy, not of Kapok: who prints panics
/// leaves those out.
pub const THREAD: &str = "rego";

/// Why policies could not be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegoError {
    /// A policy cannot be read.
    #[error("`{path}` is not Rego: {message}")]
    Syntax {
        /// The policy.
        path: String,
        /// What the interpreter says.
        message: String,
    },
    /// A data file is not JSON or YAML.
    #[error("`{path}` holds no data: {message}")]
    Data {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// A rule failed.
    #[error("rule `{rule}` failed: {message}")]
    Rule {
        /// The rule, with its package.
        rule: String,
        /// What the interpreter says.
        message: String,
    },
    /// A rule took too long.
    #[error("rule `{rule}` was stopped after {} ms", limit.as_millis())]
    TooLong {
        /// The rule, with its package.
        rule: String,
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// A rule took too much memory.
    #[error("rule `{rule}` was stopped: it needs more than {} MB of memory", limit >> 20)]
    TooLarge {
        /// The rule, with its package.
        rule: String,
        /// How many bytes it was allowed to take.
        limit: u64,
    },
    /// A function calls itself, which Rego forbids.
    #[error("function `{0}` calls itself, which Rego forbids")]
    Recursive(String),
    /// The interpreter panicked.
    #[error("the interpreter of Rego gave up on rule `{rule}`: {message}")]
    Panicked {
        /// The rule, with its package.
        rule: String,
        /// What it said.
        message: String,
    },
    /// No policy has a rule that finds anything.
    #[error("no policy has a rule `deny`, `violation` or `warn`{0}")]
    NoRules(String),
}

/// Policies as they were read: files of Rego, and of data beside them.
#[derive(Clone, Debug)]
pub struct Policies {
    /// Path and text of each `.rego`.
    pub modules: Vec<(String, String)>,
    /// Path and text of each data file; directories become keys, `data.json` and `data.yaml` do not.
    pub data: Vec<(String, String)>,
    /// The packages to run; none means all. `main` means `data.main`.
    pub namespaces: Vec<String>,
    /// How long one rule may take.
    pub limit: Duration,
    /// How much memory one rule may take.
    pub memory: Memory,
    /// The moment that policies take for now, in seconds since 1970.
    pub now: i64,
}

/// How much memory a rule may take, and how that is known.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes that the program may grow by while a rule runs.
    pub limit: u64,
    /// How many bytes the program has now.
    pub used: fn() -> u64,
}

/// What a rule of a user says.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The package, without `data.`.
    pub package: String,
    /// The rule.
    pub rule: String,
    /// Error for `deny` and `violation`, warning for `warn`.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// The object that it gave, if it gave one.
    pub details: Option<serde_json::Value>,
    /// It says nothing, or not all, because a function failed.
    pub failed: bool,
    /// The policy it stands in, and its line.
    pub policy: (String, usize),
}

/// How a unit test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The package and the rule.
    pub name: String,
    /// The policy it stands in, and its line.
    pub policy: (String, usize),
    /// Nothing where it passed; else why it failed.
    pub failed: Option<String>,
}

/// Runs the policies' rules over one document.
pub fn reports(policies: &Policies, input: &serde_json::Value) -> Result<Vec<Report>, RegoError> {
    Interpreter::start(policies, false)?.reports(input)
}

/// Runs the policies' unit tests: the rules whose names begin with `test_`.
pub fn test(policies: &Policies) -> Result<Vec<TestResult>, RegoError> {
    Interpreter::start(policies, true)?.tests()
}

/// Judges the facts of a repository.
pub fn judge(policies: &Policies, facts: &mut Facts) -> Result<Vec<Finding>, RegoError> {
    let input = input(facts);
    let reports = reports(policies, &input)?;
    Ok(reports.into_iter().map(|report| finding(policies, facts, None, report)).collect())
}

/// Judges files of JSON and YAML, given by name and text, each document of them on its own. Gives the facts that the
/// findings' places are in.
pub fn judge_files(
    policies: &Policies,
    files: Vec<(String, String)>,
) -> Result<(Facts, Vec<Finding>), RegoError> {
    let mut facts = Facts::gather(&project::files::Memory::default());
    let mut findings = Vec::new();
    let mut interpreter = Interpreter::start(policies, false)?;
    for (name, text) in files {
        let parsed = documents(&name, &text)?;
        let source = facts.add_source(name, text);
        for document in parsed {
            let place = Place::new(source, document.span);
            let reports = interpreter.reports(&document.value)?;
            findings
                .extend(reports.into_iter().map(|report| finding(policies, &mut facts, Some(place), report)));
        }
    }
    Ok((facts, findings))
}

/// The place is the one that the rule names, or the document's, or the rule's own in its policy.
fn finding(policies: &Policies, facts: &mut Facts, document: Option<Place>, report: Report) -> Finding {
    let said = |key: &str| report.details.as_ref().and_then(|details| details.get(key));
    let number = |key: &str| said(key).and_then(serde_json::Value::as_u64).map(|number| number as usize);
    let file = said("file").and_then(serde_json::Value::as_str).and_then(|file| facts.source_named(file));
    let named = file.or(document.map(|place| place.source)).zip(number("line"));
    let place = named
        .map(|(source, line)| line_place(facts, source, line, number("column")))
        .or_else(|| file.map(Place::file))
        .or(document)
        .unwrap_or_else(|| {
            let (path, line) = &report.policy;
            let text = policies.modules.iter().find(|(own, _)| own == path).map_or("", |(_, text)| text);
            let source = facts.source_named(path).unwrap_or_else(|| facts.add_source(path.clone(), text));
            line_place(facts, source, *line, None)
        });
    let text = |key: &str| said(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    Finding {
        rule: format!("{}.{}", report.package, report.rule).into(),
        level: report.level,
        place,
        fix: text("fix").unwrap_or_else(|| match report.failed {
            true => "ask first whether a value is what the function takes, with `is_string` and its like"
                .to_owned(),
            false => format!("the policy `{}` asks for it", report.policy.0),
        }),
        image: text("image"),
        message: report.message,
    }
}

/// A line of a file, from a column on; what is outside the file is its end.
fn line_place(facts: &Facts, source: SourceId, line: usize, column: Option<usize>) -> Place {
    let text = &facts.source(source).text;
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let whole = text[start..].split('\n').next().unwrap_or_default().trim_end();
    let skip = match column {
        Some(column) => whole.char_indices().nth(column.saturating_sub(1)).map_or(whole.len(), |(at, _)| at),
        None => whole.len() - whole.trim_start().len(),
    };
    Place::new(source, dockerfile::Span::new(start + skip, start + whole.len()))
}
