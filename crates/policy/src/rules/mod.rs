//! The registry of rules: one list for each room, each rule its own value.

pub(crate) mod base;
pub(crate) mod built;
mod certificates;
mod context;
mod correctness;
mod downloads;
mod languages;
mod makefiles;
mod manifests;
mod packages;
mod privilege;
mod repository;
mod requirements;
mod scripts;
mod secrets;
mod settings;
mod shell;
mod source;
mod trust;
mod variables;
mod versions;
pub(crate) mod waivers;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::rule::Rule;

/// All rules, by family and id.
pub fn all() -> &'static [&'static Rule] {
    static ALL: OnceLock<Vec<&'static Rule>> = OnceLock::new();
    ALL.get_or_init(sorted)
}

fn sorted() -> Vec<&'static Rule> {
    let lists = [
        base::RULES,
        downloads::RULES,
        packages::RULES[0],
        packages::RULES[1],
        packages::RULES[2],
        languages::RULES,
        source::RULES,
        privilege::RULES,
        scripts::RULES,
        secrets::RULES,
        correctness::RULES,
        context::RULES,
        variables::RULES,
        shell::RULES,
        trust::RULES,
        versions::RULES,
        certificates::RULES,
        built::RULES,
        makefiles::RULES,
        repository::RULES,
        requirements::RULES,
        settings::RULES,
        waivers::RULES,
    ];
    let lists = lists.into_iter().chain(manifests::RULES);
    let mut rules: Vec<&'static Rule> = lists.flat_map(|list| list.iter().copied()).collect();
    rules.sort_by_key(|rule| (rule.family, rule.id));
    rules
}

/// The rule of this id, or of this id in another tool.
pub fn find(id: &str) -> Option<&'static Rule> {
    static BY_ID: OnceLock<BTreeMap<&str, &Rule>> = OnceLock::new();
    let by_id = BY_ID.get_or_init(|| {
        let foreign =
            all().iter().rev().flat_map(|rule| rule.also.iter().map(move |also| (also.words().1, *rule)));
        // Own ids win, and of several rules with the same id elsewhere the first.
        foreign.chain(all().iter().map(|rule| (rule.id, *rule))).collect()
    });
    by_id.get(id).copied()
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
