//! Orders in which Makefiles build against the order that the images need.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Draft, End};
use crate::finding::{Code, Finding};
use crate::model::{Sequence, SequenceBuild};

/// Compares the order of every goal with the images' needs.
pub fn check(draft: &mut Draft<'_>) {
    let mut findings = Vec::new();
    // Several goals may run the same builds: of each pair it is said once.
    let mut told = BTreeSet::new();
    for sequence in &draft.project.sequences {
        for finding in
            order(draft, sequence).into_iter().chain(replaced(sequence)).chain(missing(draft, sequence))
        {
            let known = finding.images.is_empty() && told.iter().any(|(place, _)| *place == finding.place);
            if !known && told.insert((finding.place.clone(), finding.images.clone())) {
                findings.push(finding);
            }
        }
    }
    draft.findings.extend(findings);
}

/// Where a goal first builds each image.
fn positions(draft: &Draft<'_>, sequence: &Sequence) -> BTreeMap<usize, usize> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, build) in sequence.builds.iter().enumerate() {
        first.entry(build.dockerfile.as_str()).or_insert(at);
    }
    let images = draft.project.images.iter().enumerate();
    images.filter_map(|(number, image)| Some((number, *first.get(image.dockerfile.path()?)?))).collect()
}

/// Images that a goal builds before what they need.
fn order(draft: &Draft<'_>, sequence: &Sequence) -> Vec<Finding> {
    let positions = positions(draft, sequence);
    let name = |image: usize| draft.project.images[image].name.as_str();
    let mut findings = Vec::new();
    for edge in &draft.edges {
        let End::Image(base) = edge.from else { continue };
        let (Some(first), Some(second)) = (positions.get(&base), positions.get(&edge.to)) else { continue };
        if first <= second {
            continue;
        }
        let (base, child) = (name(base), name(edge.to));
        let message = format!("`make {}` builds `{child}` before `{base}`, which it needs", sequence.goal);
        let (here, there) = (&sequence.builds[*second].place, &sequence.builds[*first].place);
        let fix = format!("`{base}` is built at {}:{}: let its target come first", there.file, there.line);
        findings
            .push(Finding::warning(Code::MakefileOrder, here.clone(), message).fix(fix).about([child, base]));
    }
    findings
}

/// Builds whose `--from` names what the same goal builds later. Of a build that an edge was told of, this says nothing new.
fn replaced(sequence: &Sequence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, build) in sequence.builds.iter().enumerate() {
        let Some(from) = &build.from else { continue };
        let makes = |other: &SequenceBuild| other.tags.contains(from);
        if sequence.builds[..at].iter().any(makes) {
            continue;
        }
        let Some(later) = sequence.builds[at + 1..].iter().find(|other| makes(other)) else { continue };
        let message = format!(
            "`make {}` builds `{}` before `{from}`, which it is built on",
            sequence.goal, build.dockerfile
        );
        let fix = format!(
            "`{from}` is built at {}:{}: let its target come first",
            later.place.file, later.place.line
        );
        findings.push(Finding::warning(Code::MakefileOrder, build.place.clone(), message).fix(fix));
    }
    findings
}

/// What the goal for everything leaves out, though its images need it and the same Makefile builds it for another goal.
fn missing(draft: &Draft<'_>, sequence: &Sequence) -> Vec<Finding> {
    if !sequence.whole {
        return Vec::new();
    }
    let positions = positions(draft, sequence);
    let name = |image: usize| draft.project.images[image].name.as_str();
    let mut findings = Vec::new();
    for edge in &draft.edges {
        let End::Image(base) = edge.from else { continue };
        let (None, Some(at)) = (positions.get(&base), positions.get(&edge.to)) else { continue };
        let others = draft.project.sequences.iter().filter(|other| other.file == sequence.file);
        let mut others = others.filter(|other| self::positions(draft, other).contains_key(&base));
        let Some(other) = others.next() else { continue };
        let (base, child) = (name(base), name(edge.to));
        let message = format!(
            "`make {}` builds `{child}` and not `{base}`, which it needs and which `make {}` builds",
            sequence.goal, other.goal
        );
        let place = sequence.builds[*at].place.clone();
        findings.push(Finding::warning(Code::MakefileOrder, place, message).about([child, base]));
    }
    findings
}
