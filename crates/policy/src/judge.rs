//! The judge: asks every rule, then settles levels, remarks and waivers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ask;
use crate::facts::{Facts, Known};
use crate::finding::{Finding, Place};
use crate::ignore::{self, Dialect, Remark};
use crate::rule::{Need, Raw, Rule, Sink};
use crate::rules::{self, built};
use crate::standards::Standards;
use crate::waiver::Waivers;

/// What a rule's verdict is on all facts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing found, and everything known.
    Pass,
    /// Something found.
    Fail,
    /// Nothing found, but something that the rule needs is not known.
    Unknown,
}

/// What a rule could not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unjudged {
    /// The rule's id.
    pub rule: &'static str,
    /// Where, if there is a place.
    pub place: Option<Place>,
    /// What is not known.
    pub why: Cow<'static, str>,
}

/// The result of a judgement.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What was found and not waived, by file and place.
    pub findings: Vec<Finding>,
    /// What was found and waived, with the waiver's index.
    pub waived: Vec<(Finding, usize)>,
    /// How much remarks in the files silenced.
    pub ignored: usize,
    /// What could not be said.
    pub unknown: Vec<Unjudged>,
    /// The verdict of every rule that was asked.
    pub verdicts: Vec<(&'static str, Verdict)>,
}

/// Judges facts by the rules of the registry; `more` are findings of a user's own rules, which remarks and waivers cover
/// like all others.
pub fn judge(facts: &Facts, standards: &Standards, waivers: &Waivers, more: Vec<Finding>) -> Judgement {
    let mut judgement = Judgement::default();
    let mut found = more;
    let asked: Vec<(&'static Rule, crate::Level)> =
        rules::all().iter().filter_map(|rule| Some((*rule, standards.level(rule)?))).collect();
    for ((rule, level), mut sink) in asked.iter().copied().zip(ask::all(facts, standards, &asked)) {
        lacking(rule, facts, &mut sink);
        let verdict = match (sink.found.is_empty(), sink.unknown.is_empty()) {
            (false, _) => Verdict::Fail,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Pass,
        };
        judgement.verdicts.push((rule.id, verdict));
        let unjudged = |(place, why)| Unjudged { rule: rule.id, place, why };
        judgement.unknown.extend(sink.unknown.into_iter().map(unjudged));
        found.extend(sink.found.into_iter().map(|raw| raw.settled(rule, level)));
    }
    without_echoes(&mut found);
    of_their_images(facts, &mut found);
    let remarks = ignore::remarks(facts);
    let mut used = BTreeSet::new();
    found.retain(|finding| {
        let rule = rules::find(&finding.rule);
        let silencing = |remark: &Remark| match rule {
            Some(rule) => remark.silences(rule, finding.place),
            None => remark.name == finding.rule && remark.covers.contains(&finding.place.span.start),
        };
        let indexes: Vec<usize> = remarks
            .iter()
            .enumerate()
            .filter(|(_, remark)| silencing(remark))
            .map(|(index, _)| index)
            .collect();
        used.extend(&indexes);
        indexes.is_empty()
    });
    judgement.ignored = used.len();
    about_remarks(&remarks, &used, &found, standards, &mut judgement.findings);
    settle_waivers(found, facts, standards, waivers, &mut judgement);
    let key = |finding: &Finding| {
        let name = facts.source(finding.place.source).name.clone();
        (name, finding.place.span, finding.rule.clone(), finding.message.clone())
    };
    judgement.findings.sort_by_cached_key(key);
    judgement.findings.dedup();
    judgement
}

/// A rule that needs to know what a build did cannot say that all is well before it.
fn lacking(rule: &Rule, facts: &Facts, sink: &mut Sink<'_>) {
    let of_a_build = |need: &Need| matches!(need, Need::Intakes | Need::Tree);
    if let Known::Unknown(why) = &facts.intakes
        && rule.needs.iter().any(of_a_build)
    {
        sink.unknown(None, why.clone());
    }
}

/// What is wrong in a Dockerfile is wrong with the image that the project makes of it.
fn of_their_images(facts: &Facts, found: &mut [Finding]) {
    for finding in found.iter_mut().filter(|finding| finding.image.is_none()) {
        finding.image = facts.dockerfile_at(finding.place).and_then(|file| file.image.clone());
    }
}

/// Rules that say the same of one place in other words: the first speaks.
const ECHOES: [(&str, &str); 6] = [
    ("secret-in-clear", "script-secret"),
    ("secret-in-manifest", "secret-in-clear"),
    ("build-trigger-contradictory", "build-base-trigger-missing"),
    ("stage-unknown", "image-name-drift"),
    ("settings-signature-off", "repository-unsigned"),
    ("settings-tls-off", "repository-unsigned"),
];

/// Leaves one finding where two rules found one fault.
fn without_echoes(found: &mut Vec<Finding>) {
    let mut first: BTreeMap<(&str, crate::SourceId), Vec<dockerfile::Span>> = BTreeMap::new();
    for finding in found.iter() {
        if let Some((rule, _)) = ECHOES.iter().find(|(first, _)| finding.rule == *first) {
            first.entry((rule, finding.place.source)).or_default().push(finding.place.span);
        }
    }
    found.retain(|finding| {
        let (source, span) = (finding.place.source, finding.place.span);
        let touches = |own: &dockerfile::Span| own.start <= span.end && span.start <= own.end;
        !ECHOES
            .iter()
            .filter(|(_, second)| finding.rule == *second)
            .any(|(rule, _)| first.get(&(*rule, source)).is_some_and(|spans| spans.iter().any(touches)))
    });
}

/// A finding of one of the judge's own rules, where the profile has it.
fn own(
    rule: &'static Rule,
    place: Place,
    message: String,
    standards: &Standards,
    findings: &mut Vec<Finding>,
) {
    if let Some(level) = standards.level(rule) {
        let raw = Raw { place, message, fix: None, image: None, at_most: None };
        findings.push(raw.settled(rule, level));
    }
}

/// What is wrong with the remarks themselves. Those in other tools' words are left alone: they are for those tools.
fn about_remarks(
    remarks: &[Remark],
    used: &BTreeSet<usize>,
    found: &[Finding],
    standards: &Standards,
    findings: &mut Vec<Finding>,
) {
    for (index, remark) in remarks.iter().enumerate().filter(|(_, remark)| remark.dialect == Dialect::Kapok) {
        let name = &remark.name;
        let user_rule = used.contains(&index) || found.iter().any(|finding| finding.rule == name.as_str());
        if rules::find(name).is_none() && !user_rule {
            let message = format!("there is no rule `{name}`");
            own(&rules::waivers::UNKNOWN_RULE, remark.place, message, standards, findings);
            continue;
        }
        if !used.contains(&index) && !built::is_asked_again(name) {
            let message = format!("nothing here breaks `{name}`");
            own(&rules::waivers::UNUSED_IGNORE, remark.place, message, standards, findings);
        }
        if !remark.reasoned {
            let message = format!("`{name}` is silenced without a reason");
            own(&rules::waivers::NO_REASON, remark.place, message, standards, findings);
        }
    }
}

fn settle_waivers(
    found: Vec<Finding>,
    facts: &Facts,
    standards: &Standards,
    waivers: &Waivers,
    judgement: &mut Judgement,
) {
    let mut used = BTreeSet::new();
    for finding in found {
        let covering = waivers.covering(facts, &finding);
        let valid = covering.iter().copied().find(|index| waivers.waivers[*index].expires >= standards.today);
        used.extend(covering);
        match valid {
            Some(index) => judgement.waived.push((finding, index)),
            None => judgement.findings.push(finding),
        }
    }
    for (index, waiver) in waivers.waivers.iter().enumerate() {
        let rule = &waiver.rule;
        if waiver.expires < standards.today {
            let message =
                format!("the waiver for `{rule}` of {} expired on {}", waiver.owner, waiver.expires);
            own(&rules::waivers::EXPIRED, waiver.expires_place, message, standards, &mut judgement.findings);
        } else if !used.contains(&index) && !waivers.partial && !built::is_asked_again(rule) {
            let message = format!("the waiver for `{rule}` covers nothing");
            own(&rules::waivers::UNUSED, waiver.place, message, standards, &mut judgement.findings);
        }
    }
    for (place, message) in &waivers.problems {
        own(&rules::waivers::UNREADABLE, *place, message.clone(), standards, &mut judgement.findings);
    }
}
