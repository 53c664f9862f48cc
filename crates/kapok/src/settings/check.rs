//! `check:` in settings: the standards that `kapok check` judges by.

use std::collections::BTreeMap;

use policy::{Date, Level, Profile, Standards};
use serde_json::json;

use super::keys::Places;
use super::tree::Tree;

/// What the settings say of standards.
#[derive(Clone, Debug, Default)]
pub struct CheckSettings {
    profile: Option<Profile>,
    levels: BTreeMap<String, Option<Level>>,
    bases: Vec<String>,
    registries: Vec<String>,
    central: Vec<String>,
    floors: BTreeMap<String, String>,
    expiring_days: Option<u32>,
    waivers: Option<String>,
}

impl CheckSettings {
    /// The standards on a day; `profile` wins over the settings'.
    pub fn standards(&self, profile: Option<Profile>, today: Date) -> Standards {
        let mut standards = Standards::new(profile.or(self.profile).unwrap_or_default(), today);
        standards.levels.clone_from(&self.levels);
        standards.bases.clone_from(&self.bases);
        standards.registries.clone_from(&self.registries);
        standards.central.clone_from(&self.central);
        standards.floors.extend(self.floors.clone());
        standards.expiring_days = self.expiring_days.unwrap_or(standards.expiring_days);
        standards
    }

    /// The file of waivers, in the directory that is judged or above it.
    pub fn waivers(&self) -> &str {
        self.waivers.as_deref().unwrap_or(policy::WAIVERS_FILE)
    }
}

fn texts() -> serde_json::Value {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

/// `check.bases`.
pub const BASES: Tree = Tree {
    path: "check.bases",
    places: Places::All,
    meaning: "approved base images: names in which `*` is anything but `/` and `**` anything",
    schema: texts,
    read: |settings, node, reader| {
        settings.check.bases.extend(reader.texts(node, "bases").into_iter().map(str::to_owned));
    },
};

/// `check.central`.
pub const CENTRAL: Tree = Tree {
    path: "check.central",
    places: Places::All,
    meaning: "the central repository that packages come from: host names, or beginnings of URLs",
    schema: texts,
    read: |settings, node, reader| {
        settings.check.central.extend(reader.texts(node, "central").into_iter().map(str::to_owned));
    },
};

/// `check.expiring-days`.
pub const EXPIRING: Tree = Tree {
    path: "check.expiring-days",
    places: Places::All,
    meaning: "how many days before its end a certificate is expiring; default 60",
    schema: || json!({ "type": "integer", "minimum": 1 }),
    read: |settings, node, reader| {
        let Some(text) = reader.text(node, "expiring-days") else { return };
        match text.parse::<u32>().ok().filter(|days| *days > 0) {
            Some(days) => settings.check.expiring_days = Some(days),
            None => reader.say(node.span, "`check.expiring-days`: expected a number from 1".into(), None),
        }
    },
};

/// `check.floors`.
pub const FLOORS: Tree = Tree {
    path: "check.floors",
    places: Places::All,
    meaning: "the lowest versions of `python`, `java`, `go`, `node`, `ruby`, `php`, `rust`",
    schema: || json!({ "type": "object", "additionalProperties": { "type": ["string", "number"] } }),
    read: |settings, node, reader| {
        for pair in reader.fields(node, "floors", &["python", "java", "go", "node", "ruby", "php", "rust"]) {
            if let Some(text) = reader.text(&pair.value, &pair.key) {
                settings.check.floors.insert(pair.key.clone(), text.to_owned());
            }
        }
    },
};

/// `check.levels`.
pub const LEVELS: Tree = Tree {
    path: "check.levels",
    places: Places::All,
    meaning: "levels of single rules, over the profile's: `error`, `warning`, `info` or `off`",
    schema: || json!({ "type": "object", "additionalProperties": { "enum": ["error", "warning", "info", "off"] } }),
    read: |settings, node, reader| {
        let rules = policy::rules::all();
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
        for pair in node.pairs() {
            if !ids.contains(&pair.key.as_str()) && !pair.key.contains('.') {
                let near = dockerfile::suggest::nearest(&pair.key, ids.iter().copied());
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                reader.say(pair.span, format!("there is no rule `{}`", pair.key), hint);
                continue;
            }
            let level = match pair.value.text() {
                Some("off") => None,
                Some(text) if text.parse::<Level>().is_ok() => text.parse().ok(),
                _ => {
                    let message = "expected `error`, `warning`, `info` or `off`".to_owned();
                    reader.say(pair.value.span, message, None);
                    continue;
                }
            };
            settings.check.levels.insert(pair.key.clone(), level);
        }
    },
};

/// `check.profile`.
pub const PROFILE: Tree = Tree {
    path: "check.profile",
    places: Places::All,
    meaning: "the levels as a whole: `default`, `strict` or `rainforest`",
    schema: || json!({ "enum": ["default", "strict", "rainforest"] }),
    read: |settings, node, reader| {
        let Some(text) = reader.text(node, "profile") else { return };
        match text.parse() {
            Ok(profile) => settings.check.profile = Some(profile),
            Err(()) => reader.say(node.span, "expected `default`, `strict` or `rainforest`".into(), None),
        }
    },
};

/// `check.registries`.
pub const REGISTRIES: Tree = Tree {
    path: "check.registries",
    places: Places::All,
    meaning: "approved registries of base images: host names",
    schema: texts,
    read: |settings, node, reader| {
        settings.check.registries.extend(reader.texts(node, "registries").into_iter().map(str::to_owned));
    },
};

/// `check.waivers`.
pub const WAIVERS: Tree = Tree {
    path: "check.waivers",
    places: Places::All,
    meaning: "the file of waivers, in the directory that is checked or built or above it; default `kapok-waivers.yaml`",
    schema: || json!({ "type": "string" }),
    read: |settings, node, reader| {
        settings.check.waivers = reader.text(node, "waivers").map(str::to_owned);
    },
};
