//! SARIF 2.1.0, which code hosts show beside the lines.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Places;
use crate::facts::Facts;
use crate::finding::Finding;
use crate::judge::Judgement;
use crate::level::Level;
use crate::rule::Rule;
use crate::rules;

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'static str,
    results: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'a str,
    rules: Vec<Descriptor<'a>>,
}

/// A rule; of a user's own only the name is known.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_description: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_description: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Properties>,
}

#[derive(Serialize)]
struct Properties {
    family: &'static str,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressions: Option<[Suppression; 1]>,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    physical_location: Physical<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical<'a> {
    artifact_location: Artifact<'a>,
    region: Region,
}

#[derive(Serialize)]
struct Artifact<'a> {
    uri: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

/// A log with one run. Waived findings are in it, suppressed.
pub fn sarif(facts: &Facts, judgement: &Judgement, version: &str) -> String {
    let findings = judgement.findings.iter().map(|finding| (finding, false));
    let all = || findings.clone().chain(judgement.waived.iter().map(|(finding, _)| (finding, true)));
    let asked: Vec<&Rule> = rules::all()
        .iter()
        .copied()
        .filter(|rule| judgement.verdicts.iter().any(|(id, _)| *id == rule.id))
        .collect();
    let known: BTreeSet<&str> = asked.iter().map(|rule| rule.id).collect();
    let others: BTreeSet<&str> =
        all().map(|(finding, _)| &*finding.rule).filter(|id| !known.contains(id)).collect();
    let mut descriptors: Vec<Descriptor<'_>> = asked.into_iter().map(descriptor).collect();
    descriptors.extend(others.into_iter().map(|id| Descriptor {
        id,
        short_description: None,
        full_description: None,
        help: None,
        properties: None,
    }));
    let indexes: BTreeMap<&str, usize> =
        descriptors.iter().enumerate().map(|(index, rule)| (rule.id, index)).collect();
    let mut places = Places::new(facts);
    let results = all().map(|(finding, suppressed)| entry(facts, &mut places, &indexes, finding, suppressed));
    let results = results.collect();
    super::pretty(&Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver: Driver { name: "kapok", version, rules: descriptors } },
            column_kind: "unicodeCodePoints",
            results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Descriptor<'_> {
    Descriptor {
        id: rule.id,
        short_description: Some(Text { text: rule.title }),
        full_description: Some(Text { text: rule.why }),
        help: Some(Text { text: rule.fix }),
        properties: Some(Properties { family: rule.family.name() }),
    }
}

fn entry<'a>(
    facts: &'a Facts,
    places: &mut Places<'_>,
    indexes: &BTreeMap<&str, usize>,
    finding: &'a Finding,
    suppressed: bool,
) -> Entry<'a> {
    let (start, end) = (places.start(finding.place), places.end(finding.place));
    Entry {
        rule_id: &finding.rule,
        rule_index: indexes.get(&*finding.rule).copied().unwrap_or_default(),
        level: level(finding.level),
        message: Message { text: format!("{}; {}", finding.message, finding.fix) },
        locations: [Location {
            physical_location: Physical {
                artifact_location: Artifact { uri: uri(&facts.source(finding.place.source).name) },
                region: Region {
                    start_line: start.line,
                    start_column: start.column,
                    end_line: end.line,
                    // SARIF's end is the character behind.
                    end_column: end.column + 1,
                },
            },
        }],
        suppressions: suppressed.then_some([Suppression { kind: "external" }]),
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

/// A path as a relative URI reference.
fn uri(path: &str) -> std::borrow::Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_~".contains(&byte);
    if path.bytes().all(plain) {
        return path.into();
    }
    let mut uri = String::new();
    for byte in path.bytes() {
        if plain(byte) {
            uri.push(byte.into());
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.into()
}
