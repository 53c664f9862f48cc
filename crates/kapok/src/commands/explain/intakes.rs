//! How `explain` shows what a step fetched: what, from where, digest, size, package, age, verdict.

use oci::record::{Intake, Verdict};

use crate::ui::format::{ago, size};

/// A step's intakes in a word.
pub fn summary(intakes: &[Intake]) -> String {
    if intakes.is_empty() {
        return String::new();
    }
    let bytes = intakes.iter().map(|intake| intake.size).sum();
    let bad =
        |verdict: fn(&Verdict) -> bool| intakes.iter().filter(|intake| verdict(&intake.verdict)).count();
    let refused = bad(Verdict::is_refused);
    let failed = bad(|verdict| matches!(verdict, Verdict::Failed { .. }));
    let mut text = format!("{}, {}", intakes.len(), size(bytes));
    for (count, word) in [(refused, "refused"), (failed, "failed")] {
        if count > 0 {
            text += &format!(", {count} {word}");
        }
    }
    text
}

/// One intake: what was asked for, then what is known of it.
pub fn lines(intake: &Intake, now: i64) -> Vec<String> {
    let request = match intake.method.as_str() {
        "" | "GET" => intake.url.clone(),
        method => format!("{method} {}", intake.url),
    };
    let mut facts: Vec<String> = Vec::new();
    match &intake.verdict {
        Verdict::Allowed => {}
        Verdict::Refused { rule, reason } => facts.push(format!("REFUSED by `{rule}`: {reason}")),
        Verdict::Failed { reason } => facts.push(format!("FAILED: {reason}")),
    }
    facts.extend(intake.purl.clone().or_else(|| intake.ecosystem.clone()));
    match intake.status {
        None | Some(200) => {}
        Some(status) => facts.push(format!("answered {status}")),
    }
    if intake.size > 0 || intake.digest.is_some() {
        facts.push(size(intake.size));
    }
    if let Some(published) = intake.published {
        let date = oci::time::format_rfc3339(published);
        facts.push(format!("published {} ({})", &date[..10], ago(published, now)));
    }
    if intake.mutable {
        facts.push("may change".to_owned());
    }
    facts.extend(intake.from.as_ref().map(|from| format!("from {from}")));
    facts.extend(intake.digest.map(|digest| digest.to_string()));
    if facts.is_empty() { vec![request] } else { vec![request, format!("  {}", facts.join(", "))] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intake_says_what_from_where_and_whether() {
        let digest = oci::Digest::of(b"");
        let intake = Intake {
            url: "https://example.org/a_1.0_amd64.deb".to_owned(),
            method: "GET".to_owned(),
            status: Some(206),
            size: 1200,
            digest: Some(digest),
            purl: Some("pkg:deb/debian/a@1.0".to_owned()),
            published: Some(86_400),
            from: Some("https://mirror.example.org/a".to_owned()),
            ..Intake::default()
        };
        let facts = format!(
            "  pkg:deb/debian/a@1.0, answered 206, 1.20 kB, published 1970-01-02 (3 days ago), from https://mirror.example.org/a, {digest}"
        );
        assert_eq!(lines(&intake, 86_400 * 4), ["https://example.org/a_1.0_amd64.deb".to_owned(), facts]);
    }

    #[test]
    fn what_was_refused_comes_first() {
        let verdict =
            Verdict::Refused { rule: "network.deny".to_owned(), reason: "the host is denied".to_owned() };
        let refused = Intake {
            url: "https://example.org/".to_owned(),
            method: "POST".to_owned(),
            verdict,
            mutable: true,
            ..Intake::default()
        };
        let expected =
            ["POST https://example.org/", "  REFUSED by `network.deny`: the host is denied, may change"];
        assert_eq!(lines(&refused, 0), expected);
        let plain = Intake { url: "https://example.org/x".to_owned(), size: 5, ..Intake::default() };
        assert_eq!(summary(&[refused, plain]), "2, 5 B, 1 refused");
        assert_eq!(summary(&[]), "");
    }
}
