//! SARIF 2.1.0, which code hosts show beside the lines.

use serde_json::{Value, json};

use super::Places;
use crate::facts::Facts;
use crate::judge::Judgement;
use crate::level::Level;
use crate::rules;

/// A log with one run. Waived findings are in it, suppressed.
pub fn sarif(facts: &Facts, judgement: &Judgement, version: &str) -> Value {
    let mut places = Places::new(facts);
    let mut result = |finding: &crate::Finding, suppressed: bool| {
        let (start, end) = (places.start(finding.place), places.end(finding.place));
        let mut value = json!({
            "ruleId": finding.rule,
            "level": level(finding.level),
            "message": { "text": format!("{}; {}", finding.message, finding.fix) },
            "locations": [{
                "physicalLocation": {
                    "artifactLocation": { "uri": uri(&facts.source(finding.place.source).name) },
                    "region": {
                        "startLine": start.line,
                        "startColumn": start.column,
                        "endLine": end.line,
                        "endColumn": end.column + 1,
                    },
                },
            }],
        });
        if suppressed {
            value["suppressions"] = json!([{ "kind": "external" }]);
        }
        value
    };
    let mut results: Vec<Value> = judgement.findings.iter().map(|finding| result(finding, false)).collect();
    results.extend(judgement.waived.iter().map(|(finding, _)| result(finding, true)));
    let asked = rules::all().iter().filter(|rule| judgement.verdicts.iter().any(|(id, _)| *id == rule.id));
    let rules: Vec<Value> = asked
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why },
                "help": { "text": rule.fix },
                "properties": { "family": rule.family.name() },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "kapok", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(byte.into())
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
