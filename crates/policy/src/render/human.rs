//! Findings for people: the place with a mark under it, why, and what to do.

use dockerfile::Diagnostic;

use crate::facts::Facts;
use crate::finding::Finding;
use crate::judge::Judgement;
use crate::level::Level;

/// All findings with their places.
pub fn human(facts: &Facts, judgement: &Judgement, colour: bool) -> String {
    let rendered = judgement.findings.iter().map(|finding| one(facts, finding, colour));
    rendered.collect::<Vec<String>>().join("\n")
}

fn one(facts: &Facts, finding: &Finding, colour: bool) -> String {
    let level = match finding.level {
        Level::Error => dockerfile::Level::Error,
        Level::Warning => dockerfile::Level::Warning,
        Level::Info => dockerfile::Level::Info,
    };
    let diagnostic = Diagnostic { level, ..Diagnostic::error(finding.place.span, &finding.message) };
    let diagnostic = diagnostic.hint(&finding.fix).code(finding.rule.clone());
    dockerfile::render(facts.source(finding.place.source), &[diagnostic], colour)
}

/// The last line: how much there is of what.
pub fn summary(judgement: &Judgement) -> String {
    let count = |level| judgement.findings.iter().filter(|finding| finding.level == level).count();
    let counts = [
        (count(Level::Error), "error", "errors"),
        (count(Level::Warning), "warning", "warnings"),
        (count(Level::Info), "remark", "remarks"),
        (judgement.waived.len(), "waived", "waived"),
        (judgement.ignored, "silenced", "silenced"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
        .collect();
    let found = if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") };
    let unknown =
        judgement.verdicts.iter().filter(|(_, verdict)| *verdict == crate::Verdict::Unknown).count();
    match unknown {
        // Only a user's rules were asked.
        _ if judgement.verdicts.is_empty() => found,
        0 => format!("{found} by {} rules", judgement.verdicts.len()),
        _ => format!("{found} by {} rules; {unknown} could not say", judgement.verdicts.len()),
    }
}
