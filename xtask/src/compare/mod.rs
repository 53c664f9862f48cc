//! `kapok check` beside other checkers, on the project's own corpora: what each finds that the other does not.

mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policy::{Facts, Foreign, Profile, Standards, Waivers};
use project::files::Memory;

use crate::report::Tally;
use crate::workspace;
use tools::Tool;

/// The day that is judged on: certificates and ends of life depend on it.
const TODAY: &str = "2026-11-21";

type Names = BTreeSet<String>;

/// A checker's own id of a rule, where the rule has one.
type IdOf = fn(Foreign) -> Option<&'static str>;

/// What is compared.
#[derive(Debug)]
pub struct Options {
    /// Only checkers whose name contains this.
    pub case: Option<String>,
}

/// Prints a table for each checker. One that cannot be had is skipped.
pub fn run(options: &Options) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let wanted = |name: &str| options.case.as_deref().is_none_or(|part| name.contains(part));
    type Get = fn() -> io::Result<Tool>;
    let all: [(&str, &str, Get, IdOf); 3] = [
        ("hadolint", "dockerfiles", tools::hadolint, |also| match also {
            Foreign::Hadolint(id) => Some(id),
            _ => None,
        }),
        ("docker", "dockerfiles", tools::buildkit, |also| match also {
            Foreign::Docker(id) => Some(id),
            _ => None,
        }),
        ("kube-score", "manifests", tools::kube_score, |also| match also {
            Foreign::KubeScore(id) => Some(id),
            _ => None,
        }),
    ];
    for (name, corpus, get, id_of) in all.into_iter().filter(|(name, ..)| wanted(name)) {
        match get().and_then(|tool| compare(&tool, corpus, id_of)) {
            Ok(()) => tally.passed += 1,
            Err(error) => tally.skip(&format!("compare {name}"), &error.to_string()),
        }
    }
    Ok(tally)
}

/// What both say of one file.
struct File {
    name: String,
    theirs: Names,
    ours: Names,
}

fn compare(tool: &Tool, corpus: &str, id_of: IdOf) -> io::Result<()> {
    let directory = workspace::root().join("crates/policy/corpus").join(corpus);
    let mut files = Vec::new();
    for path in below(&directory)? {
        let name = path.strip_prefix(&directory).unwrap_or(&path).display().to_string();
        files.push(File { name, theirs: tool.ask(&path)?, ours: ours(&path)? });
    }
    println!("\n## {} {}, {} files\n", tool.name, tool.version, files.len());
    println!("| {}'s checks | both | {} alone | Kapok alone |\n|---|---|---|---|", tool.name, tool.name);
    let mut shared = Names::new();
    for group in groups(id_of) {
        shared.extend(group.ids.iter().cloned());
        let said = |file: &&File| !file.theirs.is_disjoint(&group.ids);
        let found = |file: &&File| !file.ours.is_disjoint(&group.rules);
        let both = files.iter().filter(said).filter(found).count();
        let alone: Vec<&str> =
            files.iter().filter(said).filter(|file| !found(file)).map(|file| file.name.as_str()).collect();
        let kapok = files.iter().filter(found).filter(|file| !said(file)).count();
        if both + alone.len() + kapok > 0 {
            println!("| {} | {both} | {} | {kapok} |", quoted(&group.ids), alone.len());
            for name in alone {
                eprintln!("{} alone: {name}", quoted(&group.ids));
            }
        }
    }
    let count = |names: fn(&File) -> &Names, known: &Names| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for name in files.iter().flat_map(names).filter(|name| !known.contains(*name)) {
            *counts.entry(name.clone()).or_default() += 1;
        }
        counts.iter().map(|(name, count)| format!("`{name}` ({count})")).collect::<Vec<_>>().join(", ")
    };
    println!("\nChecks of {} without a rule in Kapok: {}", tool.name, count(|file| &file.theirs, &shared));
    let carried: Names = groups(id_of).into_iter().flat_map(|group| group.rules).collect();
    println!("\nRules of Kapok without a check of {}: {}", tool.name, count(|file| &file.ours, &carried));
    Ok(())
}

fn quoted(ids: &Names) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Every file below a directory that is judged, in order.
fn below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(below(&path)?);
        } else if path.extension().is_some_and(|end| end == "Dockerfile" || end == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The rules that speak on a file alone, under the profile `strict`.
fn ours(path: &Path) -> io::Result<Names> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let facts = Facts::gather(&Memory::new([(name, fs::read(path)?)]));
    let today = TODAY.parse().map_err(|_| io::Error::other("no date"))?;
    let judgement =
        policy::judge(&facts, &Standards::new(Profile::Strict, today), &Waivers::none(), Vec::new());
    Ok(judgement.findings.into_iter().map(|finding| finding.rule.into_owned()).collect())
}

/// Checks and rules that stand for one another, as the rules' data has it.
struct Group {
    ids: Names,
    rules: Names,
}

fn groups(id_of: IdOf) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for rule in policy::rules::all() {
        let ids: Names = rule.also.iter().filter_map(|also| id_of(*also)).map(str::to_owned).collect();
        if ids.is_empty() {
            continue;
        }
        let mut whole = Group { ids, rules: Names::from([rule.id.to_owned()]) };
        let (same, others) = groups.into_iter().partition(|group| !group.ids.is_disjoint(&whole.ids));
        groups = others;
        for group in same {
            whole.ids.extend(group.ids);
            whole.rules.extend(group.rules);
        }
        groups.push(whole);
    }
    groups.sort_by(|one, other| one.ids.cmp(&other.ids));
    groups
}
