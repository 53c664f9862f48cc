//! The order in which make runs the builds of a goal: what it needs first, then its own recipe, each target once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Build;
use super::recipe::Rule;
use super::text::{Variables, filled};
use crate::files::{join, parent};
use crate::model::{Sequence, SequenceBuild};
use crate::place::Place;

/// Makefiles call each other; nobody goes deeper.
const MAX_DEPTH: usize = 64;
/// No goal takes more steps.
const MAX_STEPS: usize = 16 << 10;

/// A step of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A build, by number.
    Build(usize),
    /// Make itself, elsewhere or for other goals.
    Make {
        /// The Makefile's directory, or the file.
        at: String,
        /// What it is to make; nothing means what it makes by itself.
        goals: Vec<String>,
    },
}

/// The rules of a Makefile.
#[derive(Debug, Default)]
pub struct Plan {
    file: String,
    default: Option<String>,
    rules: Vec<Planned>,
}

/// A rule.
#[derive(Debug)]
struct Planned {
    targets: Vec<String>,
    needs: Vec<String>,
    /// With the target that a step is for, where it is not for all.
    steps: Vec<(Option<String>, Step)>,
    place: Place,
}

impl Plan {
    /// A Makefile without rules.
    pub fn new(file: &str, variables: &Variables) -> Plan {
        let default = variables.get(".DEFAULT_GOAL").map(|goal| filled(goal, variables, 0));
        Plan { file: file.to_owned(), default, rules: Vec::new() }
    }

    /// Begins a rule.
    pub fn begin(&mut self, rule: &Rule, place: Place) {
        let targets: Vec<String> = rule.targets().map(str::to_owned).collect();
        if self.default.is_none() {
            self.default = targets.iter().find(|target| !target.contains('%')).cloned();
        }
        self.rules.push(Planned { targets, needs: rule.needs().to_vec(), steps: Vec::new(), place });
    }

    /// Adds what the last rule does, for all of its targets or one.
    pub fn add(&mut self, target: Option<String>, steps: Vec<Step>) {
        if let Some(rule) = self.rules.last_mut() {
            rule.steps.extend(steps.into_iter().map(|step| (target.clone(), step)));
        }
    }

    fn is_at(&self, at: &str) -> bool {
        self.file == at || (parent(&self.file) == at && !self.file.ends_with(".mk"))
    }
}

/// What `$(MAKE) -C DIRECTORY GOAL` does.
pub fn make(words: &[String], directory: &str) -> Option<Step> {
    let (engine, rest) = words.split_first()?;
    if !matches!(engine.as_str(), "$(MAKE)" | "${MAKE}" | "make" | "gmake") {
        return None;
    }
    let (mut at, mut file, mut goals) = (directory.to_owned(), None, Vec::new());
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-C" | "--directory" => at = join(&at, rest.next()?)?,
            "-f" | "--file" => file = rest.next(),
            "-j" | "--jobs" => {}
            flag if flag.starts_with("--directory=") => at = join(&at, flag.split_once('=')?.1)?,
            flag if flag.starts_with("-C") => at = join(&at, &flag[2..])?,
            flag if flag.starts_with('-') || flag.contains('=') => {}
            number if number.parse::<u32>().is_ok() => {}
            goal => goals.push(goal.to_owned()),
        }
    }
    if let Some(file) = file {
        at = join(&at, file)?;
    }
    Some(Step::Make { at, goals })
}

/// The orders of all goals that no other goal needs.
pub fn sequences(plans: &[Plan], builds: &[Build]) -> Vec<Sequence> {
    let mut sequences = Vec::new();
    for plan in plans {
        let needed: BTreeSet<&str> =
            plan.rules.iter().flat_map(|rule| &rule.needs).map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        for rule in &plan.rules {
            for target in rule.targets.iter().filter(|target| !target.contains(['%', '$'])) {
                let whole = Some(target) == plan.default.as_ref() || target == "all";
                if (needed.contains(target.as_str()) && !whole) || !seen.insert(target.as_str()) {
                    continue;
                }
                let mut walk = Walk { plans, order: Vec::new(), steps: 0 };
                walk.goal(plan, target, &mut BTreeSet::new(), 0);
                let order = walk.order.into_iter().filter_map(|number| {
                    let build = &builds[number];
                    let known = |text: &&String| !text.contains('$');
                    Some(SequenceBuild {
                        dockerfile: build.dockerfile.clone(),
                        from: build.from.as_ref().filter(known).cloned(),
                        tags: build.tags.iter().filter(known).cloned().collect(),
                        place: build.place.clone()?,
                    })
                });
                let builds: Vec<SequenceBuild> = order.collect();
                if !builds.is_empty() {
                    let file: Arc<str> = plan.file.as_str().into();
                    sequences.push(Sequence {
                        goal: target.clone(),
                        file,
                        whole,
                        builds,
                        place: rule.place.clone(),
                    });
                }
            }
        }
    }
    sequences
}

struct Walk<'p> {
    plans: &'p [Plan],
    order: Vec<usize>,
    steps: usize,
}

impl<'p> Walk<'p> {
    fn goal(&mut self, plan: &'p Plan, goal: &str, done: &mut BTreeSet<String>, depth: usize) {
        self.steps += 1;
        if depth > MAX_DEPTH || self.steps > MAX_STEPS || !done.insert(goal.to_owned()) {
            return;
        }
        let exact: Vec<&Planned> =
            plan.rules.iter().filter(|rule| rule.targets.iter().any(|target| target == goal)).collect();
        let has_recipe = exact.iter().any(|rule| !rule.steps.is_empty());
        let patterns = plan
            .rules
            .iter()
            .filter(|_| !has_recipe)
            .filter_map(|rule| Some((rule, rule.targets.iter().find_map(|target| stem(target, goal))?)));
        let chosen: Vec<(&Planned, String)> =
            exact.into_iter().map(|rule| (rule, String::new())).chain(patterns.take(1)).collect();
        for (rule, stem) in &chosen {
            for need in &rule.needs {
                self.goal(plan, &need.replacen('%', stem, 1), done, depth + 1);
            }
        }
        for (rule, _) in &chosen {
            for (target, step) in &rule.steps {
                if target.as_deref().is_none_or(|target| target == goal) {
                    self.step(step, depth);
                }
            }
        }
    }

    fn step(&mut self, step: &Step, depth: usize) {
        match step {
            Step::Build(number) => self.order.push(*number),
            Step::Make { at, goals } => {
                let Some(plan) = self.plans.iter().find(|plan| plan.is_at(at)) else { return };
                let mut done = BTreeSet::new();
                let default: Vec<String> = plan.default.clone().into_iter().collect();
                for goal in if goals.is_empty() { &default } else { goals } {
                    self.goal(plan, goal, &mut done, depth + 1);
                }
            }
        }
    }
}

/// What `%` stands for in a pattern that a target fits.
fn stem(pattern: &str, target: &str) -> Option<String> {
    let (before, after) = pattern.split_once('%')?;
    let stem = target.strip_prefix(before)?.strip_suffix(after)?;
    (!stem.is_empty()).then(|| stem.to_owned())
}
