//! The judge after a build: rules whose facts were unknown before it are asked again, about what came of it.

use crate::facts::Facts;
use crate::facts::built::BuiltImage;
use crate::finding::Finding;
use crate::ignore;
use crate::judge::Unjudged;
use crate::level::Level;
use crate::rule::{Need, Sink};
use crate::rules::{self, built::AGAIN};
use crate::standards::Standards;
use crate::waiver::Waivers;

/// What a judgement of a built image comes to.
#[derive(Debug, Default)]
pub struct Again {
    /// What was found and neither silenced nor waived, by place.
    pub findings: Vec<Finding>,
    /// How much waivers and remarks cover.
    pub excused: usize,
    /// What could not be said still.
    pub unknown: Vec<Unjudged>,
}

/// Whether the standards hold an image's files to something that would stop it: then they have to be looked at.
pub fn needs_tree(standards: &Standards) -> bool {
    AGAIN
        .iter()
        .any(|(rule, _)| rule.needs.contains(&Need::Tree) && standards.level(rule) == Some(Level::Error))
}

/// Whether the standards ask what images start from.
pub fn asks_for_bases(standards: &Standards) -> bool {
    [&rules::base::NOT_APPROVED, &rules::base::BUILDER_NOT_APPROVED]
        .iter()
        .any(|rule| standards.level(rule).is_some())
}

/// Judges an image that was built. `facts` are those of its Dockerfile; levels, remarks and waivers count as before the build.
/// What is wrong with remarks and waivers themselves was said then.
pub fn judge_built(facts: &Facts, built: &BuiltImage, standards: &Standards, waivers: &Waivers) -> Again {
    let mut again = Again::default();
    let mut found = Vec::new();
    for (rule, ask) in AGAIN {
        let Some(level) = standards.level(rule) else { continue };
        let mut sink = Sink::new(standards);
        ask(facts, built, &mut sink);
        let unjudged = |(place, why)| Unjudged { rule: rule.id, place, why };
        again.unknown.extend(sink.unknown.into_iter().map(unjudged));
        found.extend(sink.found.into_iter().map(|raw| (*rule, raw.settled(rule, level))));
    }
    let remarks = if found.is_empty() { Vec::new() } else { ignore::remarks(facts) };
    for (rule, finding) in found {
        let silenced = remarks.iter().any(|remark| remark.silences(rule, finding.place));
        let valid = |index: &usize| waivers.waivers[*index].expires >= standards.today;
        if silenced || waivers.covering(facts, &finding).iter().any(valid) {
            again.excused += 1;
        } else if !again.findings.contains(&finding) {
            again.findings.push(finding);
        }
    }
    again.findings.sort_by_key(|finding| (finding.place, finding.rule.clone()));
    again.unknown.dedup();
    again
}
