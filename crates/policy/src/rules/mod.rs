//! The registry of rules: one list for each room, each rule its own value.

mod base;
mod certificates;
mod correctness;
mod downloads;
mod languages;
mod manifests;
mod packages;
mod privilege;
mod repository;
mod settings;
mod source;
pub(crate) mod waivers;

use crate::rule::Rule;

/// All rules, by family and id.
pub fn all() -> Vec<&'static Rule> {
    let lists = [
        base::RULES,
        downloads::RULES,
        packages::RULES,
        languages::RULES,
        source::RULES,
        privilege::RULES,
        correctness::RULES,
        certificates::RULES,
        repository::RULES,
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
    let rules = all();
    let own = rules.iter().find(|rule| rule.id == id).copied();
    own.or_else(|| rules.into_iter().find(|rule| rule.also.iter().any(|foreign| foreign.words().1 == id)))
}

#[cfg(test)]
mod tests;
