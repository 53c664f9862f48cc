//! The corpus of manifests, repositories and certificates: every finding on it, as reviewed.
//!
//! A manifest is judged alone, a directory below `repositories` as a whole. What is clean has at most remarks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use policy::facts::Files;
use policy::{Facts, Level, Profile, Standards, Waivers, judge};

/// A repository in memory.
struct Repository {
    paths: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    fn new(files: BTreeMap<String, Vec<u8>>) -> Repository {
        Repository { paths: files.keys().cloned().collect(), files }
    }
}

impl Files for Repository {
    fn list(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.get(path).cloned())
    }
}

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every file below a directory, by its path from there.
fn files_below(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("the corpus is here") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below").to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// What is found, one line each, and the worst level.
fn findings(prefix: &str, files: BTreeMap<String, Vec<u8>>) -> (String, Option<Level>) {
    let facts = Facts::gather(&Repository::new(files));
    let standards = Standards::new(Profile::Default, "2026-11-21".parse().expect("a date"));
    let judgement = judge(&facts, &standards, &Waivers::none(), Vec::new());
    let mut text = String::new();
    for finding in &judgement.findings {
        let source = facts.source(finding.place.source);
        let at = dockerfile::line_column(&source.text, finding.place.span.start);
        let (name, line, column) = (&source.name, at.line, at.column);
        writeln!(
            text,
            "{prefix}{name}:{line}:{column} {} {}: {}",
            finding.level, finding.rule, finding.message
        )
        .expect("a text");
    }
    (text, judgement.findings.iter().map(|finding| finding.level).max())
}

fn each_manifest() -> impl Iterator<Item = (String, BTreeMap<String, Vec<u8>>)> {
    let manifests = files_below(&corpus().join("manifests"));
    manifests.into_iter().filter(|(path, _)| path.ends_with(".yaml")).map(|(path, bytes)| {
        let (kind, name) = path.split_once('/').expect("clean or flawed");
        (format!("{kind}/"), BTreeMap::from([(name.to_owned(), bytes)]))
    })
}

fn each_repository() -> impl Iterator<Item = (String, BTreeMap<String, Vec<u8>>)> {
    let mut repositories: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for (path, bytes) in files_below(&corpus().join("repositories")) {
        let (repository, name) = path.split_once('/').expect("a directory for each");
        repositories.entry(format!("{repository}/")).or_default().insert(name.to_owned(), bytes);
    }
    repositories.into_iter()
}

#[test]
fn every_finding_is_the_reviewed_one() {
    let mut text = String::new();
    let certificates = [("certificates/".to_owned(), files_below(&corpus().join("certificates")))];
    for (prefix, files) in each_manifest().chain(each_repository()).chain(certificates) {
        text.push_str(&findings(&prefix, files).0);
    }
    expect_test::expect_file!["../corpus/manifests.expected"].assert_eq(&text);
}

#[test]
fn what_is_clean_has_at_most_remarks() {
    for (prefix, files) in
        each_manifest().chain(each_repository()).filter(|(prefix, _)| prefix.contains("clean"))
    {
        let name = files.keys().next().cloned().unwrap_or_default();
        let (text, worst) = findings(&prefix, files);
        assert!(worst.is_none_or(|level| level == Level::Info), "{prefix}{name}:\n{text}");
    }
}
