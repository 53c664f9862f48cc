//! Every rule catches its bad example at the exact place and leaves the good one alone.

use std::collections::BTreeSet;
use std::io;

use super::*;
use crate::facts::built::{BuiltImage, Places};
use crate::{Date, Facts, Profile, Standards, WAIVERS_FILE, Waivers, judge, judge_built};
use project::Files;

/// The files of an example, by path, with the marks gone; and where the marks were.
struct Repository {
    paths: Vec<String>,
    files: Vec<(String, String)>,
    marks: Vec<(String, usize, usize)>,
}

impl Repository {
    fn parse(text: &str) -> Repository {
        let mut files: Vec<(String, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            match line.strip_prefix("//- ") {
                Some(path) => files.push((path.trim().to_owned(), String::new())),
                None if files.is_empty() => files.push(("Dockerfile".to_owned(), line.to_owned())),
                None => files.last_mut().expect("a file").1.push_str(line),
            }
        }
        let mut marks = Vec::new();
        for (path, text) in &mut files {
            let mut plain = String::new();
            let mut open = None;
            for next in text.chars() {
                match next {
                    '«' => open = Some(plain.len()),
                    '»' => {
                        marks.push((path.clone(), open.take().expect("a mark that was opened"), plain.len()))
                    }
                    other => plain.push(other),
                }
            }
            *text = plain;
        }
        files.sort();
        Repository { paths: files.iter().map(|(path, _)| path.clone()).collect(), files, marks }
    }
}

impl Files for Repository {
    fn list(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let found = self.files.iter().find(|(own, _)| own == path);
        Ok(found.map(|(_, text)| text.clone().into_bytes()))
    }
}

/// What one rule finds in an example, as file, start and end.
fn found(rule: &'static Rule, repository: &Repository) -> Vec<(String, usize, usize)> {
    let today: Date = "2026-11-21".parse().expect("a date");
    let mut standards = Standards::new(Profile::Rainforest, today);
    standards.bases = vec!["registry.example.internal/**".to_owned()];
    standards.central = vec!["nexus.example.com".to_owned()];
    // Only this rule is asked, and those on waivers that the example may have.
    for other in all() {
        standards.levels.insert(other.id.to_owned(), Some(crate::Level::Error));
    }
    let mut facts = Facts::gather(repository);
    let waivers = Waivers::load(&mut facts, repository, WAIVERS_FILE);
    let judgement = judge(&facts, &standards, &waivers, Vec::new());
    let mut findings = judgement.findings;
    // What a build of the Dockerfile saw.
    if let Some(seen) = repository.read("built.json").expect("a file") {
        let seen = serde_json::from_slice(&seen).expect("what a build saw");
        let file = facts.dockerfiles.first().expect("a Dockerfile");
        let places = Places {
            source: file.source,
            steps: file.each().map(|(_, own, _)| own.span).collect(),
            stages: file.stages.iter().map(|stage| (stage.index, stage.image_span)).collect(),
            target: file.stages.len() - 1,
        };
        let built = BuiltImage::new(None, seen, places);
        findings.extend(judge_built(&facts, &built, &standards, &waivers).findings);
    }
    let own = findings.into_iter().filter(|finding| finding.rule == rule.id);
    own.map(|finding| {
        let name = facts.source(finding.place.source).name.clone();
        (name, finding.place.span.start, finding.place.span.end)
    })
    .collect()
}

#[test]
fn every_rule_catches_its_bad_example_and_leaves_the_good_one_alone() {
    let mut wrong = Vec::new();
    for rule in all() {
        let bad = Repository::parse(rule.bad.0);
        let mut marks = bad.marks.clone();
        marks.sort();
        let caught = found(rule, &bad);
        if marks.is_empty() || caught != marks {
            let words = |(path, start, end): &(String, usize, usize)| {
                let text = bad.files.iter().find(|(own, _)| own == path).map_or("", |(_, text)| text);
                format!("{path}: {:?}", text.get(*start..*end))
            };
            let caught: Vec<String> = caught.iter().map(words).collect();
            let marks: Vec<String> = marks.iter().map(words).collect();
            wrong.push(format!("{}: caught {caught:?}, not {marks:?}", rule.id));
        }
        let good = found(rule, &Repository::parse(rule.good.0));
        if !good.is_empty() {
            wrong.push(format!("{}: finds {good:?} in its good example", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ids_are_unique_and_words_are_whole() {
    let mut ids = BTreeSet::new();
    for rule in all() {
        assert!(ids.insert(rule.id), "{} twice", rule.id);
        let kebab =
            rule.id.chars().all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '-');
        assert!(kebab, "{}", rule.id);
        for words in [rule.title, rule.fix] {
            assert!(!words.is_empty() && !words.ends_with('.'), "{}: {words}", rule.id);
        }
        assert!(rule.why.ends_with('.'), "{}: {}", rule.id, rule.why);
        assert!(!rule.needs.is_empty(), "{}", rule.id);
        assert_eq!(find(rule.id).map(|found| found.id), Some(rule.id));
    }
}

#[test]
fn the_page_of_rules_is_current() {
    expect_test::expect_file!["../../../../docs/rules.md"].assert_eq(&crate::render::index());
}
