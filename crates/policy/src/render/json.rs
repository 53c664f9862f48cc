//! JSON for programs.

use serde::Serialize;

use super::Places;
use crate::facts::Facts;
use crate::finding::Finding;
use crate::judge::Judgement;
use crate::level::Level;

/// What is printed. Lines and columns count from 1, columns in characters; the end is the last character.
#[derive(Serialize)]
struct Document<'a> {
    findings: Vec<Row<'a>>,
    waived: Vec<Row<'a>>,
    unknown: Vec<Unknown<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Row<'a> {
    rule: &'a str,
    level: &'static str,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    fix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
}

#[derive(Serialize)]
struct Unknown<'a> {
    rule: &'static str,
    why: &'a str,
    #[serde(flatten)]
    place: Option<Start<'a>>,
}

#[derive(Serialize)]
struct Start<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Summary {
    error: usize,
    warning: usize,
    info: usize,
    waived: usize,
    ignored: usize,
    rules: usize,
}

/// An object with `findings` (rule, level, file, line, column, end_line, end_column, message, fix, and image where one
/// is known), `waived`, `unknown` and `summary`.
pub fn json(facts: &Facts, judgement: &Judgement) -> String {
    let mut places = Places::new(facts);
    let mut row = |finding| row(facts, &mut places, finding);
    let findings = judgement.findings.iter().map(&mut row).collect();
    let waived = judgement.waived.iter().map(|(finding, _)| row(finding)).collect();
    let unknown = judgement.unknown.iter().map(|unjudged| Unknown {
        rule: unjudged.rule,
        why: &unjudged.why,
        place: unjudged.place.map(|place| {
            let start = places.start(place);
            Start { file: &facts.source(place.source).name, line: start.line, column: start.column }
        }),
    });
    let count = |level| judgement.findings.iter().filter(|finding| finding.level == level).count();
    super::pretty(&Document {
        findings,
        waived,
        unknown: unknown.collect(),
        summary: Summary {
            error: count(Level::Error),
            warning: count(Level::Warning),
            info: count(Level::Info),
            waived: judgement.waived.len(),
            ignored: judgement.ignored,
            rules: judgement.verdicts.len(),
        },
    })
}

fn row<'a>(facts: &'a Facts, places: &mut Places<'_>, finding: &'a Finding) -> Row<'a> {
    let (start, end) = (places.start(finding.place), places.end(finding.place));
    Row {
        rule: &finding.rule,
        level: finding.level.name(),
        file: &facts.source(finding.place.source).name,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        message: &finding.message,
        fix: &finding.fix,
        image: finding.image.as_deref(),
    }
}
