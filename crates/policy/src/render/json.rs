//! JSON for programs.

use serde_json::{Value, json};

use super::Places;
use crate::facts::Facts;
use crate::judge::Judgement;

/// An object with `findings` (rule, level, file, line, column, end_line, end_column, message, fix, and image where one
/// is known), `waived`, `unknown` and `summary`. Lines and columns count from 1, columns in characters.
pub fn json(facts: &Facts, judgement: &Judgement) -> Value {
    let mut places = Places::new(facts);
    let mut object = |finding: &crate::Finding| {
        let (start, end) = (places.start(finding.place), places.end(finding.place));
        let mut value = json!({
            "rule": finding.rule,
            "level": finding.level.name(),
            "file": facts.source(finding.place.source).name,
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "message": finding.message,
            "fix": finding.fix,
        });
        if let Some(image) = &finding.image {
            value["image"] = image.as_str().into();
        }
        value
    };
    let findings: Vec<Value> = judgement.findings.iter().map(&mut object).collect();
    let waived: Vec<Value> = judgement.waived.iter().map(|(finding, _)| object(finding)).collect();
    let unknown: Vec<Value> = judgement
        .unknown
        .iter()
        .map(|unjudged| {
            let mut value = json!({ "rule": unjudged.rule, "why": unjudged.why });
            if let Some(place) = unjudged.place {
                let start = places.start(place);
                value["file"] = facts.source(place.source).name.as_str().into();
                value["line"] = start.line.into();
                value["column"] = start.column.into();
            }
            value
        })
        .collect();
    let count = |level| judgement.findings.iter().filter(|finding| finding.level == level).count();
    json!({
        "findings": findings,
        "waived": waived,
        "unknown": unknown,
        "summary": {
            "error": count(crate::Level::Error),
            "warning": count(crate::Level::Warning),
            "info": count(crate::Level::Info),
            "waived": judgement.waived.len(),
            "ignored": judgement.ignored,
            "rules": judgement.verdicts.len(),
        },
    })
}
