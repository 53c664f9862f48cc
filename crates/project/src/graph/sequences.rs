//! Orders in which Makefiles build against the order that the images need.

use std::collections::{BTreeMap, HashMap};

use super::build::{Draft, End};
use crate::finding::{Code, Finding};
use crate::model::{Sequence, SequenceBuild};
use crate::place::Place;

/// Compares the order of every goal with the images' needs.
pub fn check(draft: &mut Draft<'_>) {
    let known = Known::new(draft);
    let mut findings = Vec::new();
    // Several goals may run the same builds: of each pair it is said once.
    let mut told: BTreeMap<Place, Vec<Vec<String>>> = BTreeMap::new();
    for (number, sequence) in draft.project.sequences.iter().enumerate() {
        let found = order(draft, &known, number).into_iter().chain(replaced(sequence));
        for finding in found.chain(missing(draft, &known, number)) {
            let here = told.entry(finding.place.clone()).or_default();
            let new =
                if finding.images.is_empty() { here.is_empty() } else { !here.contains(&finding.images) };
            if new {
                here.push(finding.images.clone());
                findings.push(finding);
            }
        }
    }
    draft.findings.extend(findings);
}

/// What is looked up for every goal.
struct Known {
    /// For each goal, where it first builds each image.
    positions: Vec<BTreeMap<usize, usize>>,
    /// For each image, the images that it needs.
    needs: Vec<Vec<usize>>,
}

impl Known {
    fn new(draft: &Draft<'_>) -> Known {
        let mut images: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, image) in draft.project.images.iter().enumerate() {
            if let Some(path) = image.dockerfile.path() {
                images.entry(path).or_default().push(number);
            }
        }
        let mut needs = vec![Vec::new(); draft.project.images.len()];
        for edge in &draft.edges {
            if let End::Image(base) = edge.from
                && !needs[edge.to].contains(&base)
            {
                needs[edge.to].push(base);
            }
        }
        let positions = |sequence: &Sequence| {
            let mut first = BTreeMap::new();
            for (at, build) in sequence.builds.iter().enumerate() {
                for image in images.get(build.dockerfile.as_str()).into_iter().flatten() {
                    first.entry(*image).or_insert(at);
                }
            }
            first
        };
        Known { positions: draft.project.sequences.iter().map(positions).collect(), needs }
    }

    /// The images of a goal with what each needs.
    fn pairs(&self, number: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let positions = &self.positions[number];
        positions.iter().flat_map(|(child, at)| self.needs[*child].iter().map(|base| (*base, *child, *at)))
    }
}

/// Images that a goal builds before what they need.
fn order(draft: &Draft<'_>, known: &Known, number: usize) -> Vec<Finding> {
    let sequence = &draft.project.sequences[number];
    let name = |image: usize| draft.project.images[image].name.as_str();
    let mut findings = Vec::new();
    for (base, child, second) in known.pairs(number) {
        let Some(first) = known.positions[number].get(&base).filter(|first| **first > second) else {
            continue;
        };
        let (base, child) = (name(base), name(child));
        let message = format!("`make {}` builds `{child}` before `{base}`, which it needs", sequence.goal);
        let (here, there) = (&sequence.builds[second].place, &sequence.builds[*first].place);
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
fn missing(draft: &Draft<'_>, known: &Known, number: usize) -> Vec<Finding> {
    let sequences = &draft.project.sequences;
    let sequence = &sequences[number];
    if !sequence.whole {
        return Vec::new();
    }
    let name = |image: usize| draft.project.images[image].name.as_str();
    let same_file: Vec<usize> =
        (0..sequences.len()).filter(|other| sequences[*other].file == sequence.file).collect();
    let mut findings = Vec::new();
    for (base, child, at) in known.pairs(number) {
        if known.positions[number].contains_key(&base) {
            continue;
        }
        let Some(other) = same_file.iter().find(|other| known.positions[**other].contains_key(&base)) else {
            continue;
        };
        let (base, child) = (name(base), name(child));
        let message = format!(
            "`make {}` builds `{child}` and not `{base}`, which it needs and which `make {}` builds",
            sequence.goal, sequences[*other].goal
        );
        let place = sequence.builds[at].place.clone();
        findings.push(Finding::warning(Code::MakefileOrder, place, message).about([child, base]));
    }
    findings
}
