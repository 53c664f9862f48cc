//! What an organisation wants: profile, overrides, approved bases, its central repository, version floors.

use std::collections::BTreeMap;

use crate::date::Date;
use crate::level::{Level, Profile};
use crate::rule::Rule;

/// The `check` settings, and the day.
#[derive(Clone, Debug)]
pub struct Standards {
    /// The day on which is judged: ends of life, certificates and waivers depend on it.
    pub today: Date,
    /// Levels as a whole.
    pub profile: Profile,
    /// Levels of single rules, over the profile's; nothing means that the rule is not asked.
    pub levels: BTreeMap<String, Option<Level>>,
    /// Approved bases: names of images, in which `*` stands for anything but `/` and `**` for anything.
    pub bases: Vec<String>,
    /// Approved registries: host names, perhaps with a port.
    pub registries: Vec<String>,
    /// The central repository that packages come from: host names, or beginnings of URLs.
    pub central: Vec<String>,
    /// The lowest versions of languages, by product of the end-of-life data: `python` → `3.8`.
    pub floors: BTreeMap<String, String>,
    /// A certificate that ends within so many days is expiring.
    pub expiring_days: u32,
}

impl Standards {
    /// The profile without any settings, on a day.
    pub fn new(profile: Profile, today: Date) -> Standards {
        let rainforest = profile == Profile::Rainforest;
        let floors: &[(&str, &str)] =
            if rainforest { &[("python", "3.8"), ("java", "11"), ("go", "1.17")] } else { &[] };
        Standards {
            today,
            profile,
            levels: BTreeMap::new(),
            bases: Vec::new(),
            registries: Vec::new(),
            central: Vec::new(),
            floors: floors
                .iter()
                .map(|(product, floor)| ((*product).to_owned(), (*floor).to_owned()))
                .collect(),
            expiring_days: 60,
        }
    }

    /// The level at which a rule speaks; nothing means that it does not.
    pub fn level(&self, rule: &Rule) -> Option<Level> {
        match self.levels.get(rule.id) {
            Some(level) => *level,
            None => rule.levels.in_profile(self.profile),
        }
    }
}
