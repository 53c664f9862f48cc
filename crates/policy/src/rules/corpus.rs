//! The corpus of Dockerfiles: what is found in each, as a text that was reviewed line by line.

use std::fmt::Write;

use expect_test::expect_file;
use project::files::Memory;

use crate::{Facts, Profile, Standards, Waivers, judge};

/// One line a finding, `file:line:column level rule: message`, under a profile.
fn findings(profile: Profile) -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/dockerfiles");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("the corpus is there")
        .map(|entry| entry.expect("it is listed").path())
        .filter(|path| path.extension().is_some_and(|end| end == "Dockerfile"))
        .collect();
    paths.sort();
    let mut out = String::new();
    for path in paths {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read(&path).expect("it is read");
        let facts = Facts::gather(&Memory::new([(name, text)]));
        let mut standards = Standards::new(profile, "2026-11-21".parse().expect("a date"));
        standards.bases = vec!["registry.example.internal/**".to_owned()];
        standards.central = vec!["nexus.example.internal".to_owned()];
        // About the repository as a whole, which this is not.
        for rule in ["dockerignore-missing", "repository-no-dockerignore"] {
            standards.levels.insert(rule.to_owned(), None);
        }
        let judgement = judge(&facts, &standards, &Waivers::none(), Vec::new());
        let _ = writeln!(out, "# {}", facts.dockerfiles.first().map_or("?", |file| file.path.as_str()));
        for finding in &judgement.findings {
            let source = facts.source(finding.place.source);
            let at = dockerfile::line_column(&source.text, finding.place.span.start);
            let (level, rule) = (finding.level, &finding.rule);
            let _ = writeln!(out, "{}:{} {level} {rule}: {}", at.line, at.column, finding.message);
        }
    }
    out
}

#[test]
fn the_corpus_under_the_profile_default() {
    expect_file!["../../corpus/dockerfiles/default.txt"].assert_eq(&findings(Profile::Default));
}

#[test]
fn the_corpus_under_the_profile_rainforest() {
    expect_file!["../../corpus/dockerfiles/rainforest.txt"].assert_eq(&findings(Profile::Rainforest));
}

#[test]
fn clean_files_of_the_corpus_have_no_errors() {
    let mut clean = false;
    for line in findings(Profile::Default).lines() {
        if let Some(name) = line.strip_prefix("# ") {
            clean = name.starts_with("clean-");
        } else if clean {
            assert!(!line.contains(" error "), "{line}");
        }
    }
}
