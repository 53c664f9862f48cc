//! Revisions of this repository that manifests name: one that differs from all others builds other files than those at hand.

use std::collections::{BTreeMap, BTreeSet};

use super::applications::sources;
use super::collect::World;
use super::object::Object;
use super::remote::Same;
use crate::finding::{Code, Finding};
use crate::place::Place;
use crate::yaml::Node;

/// Says which Applications and BuildConfigs name another revision than most.
pub fn check(world: &mut World<'_>, objects: &[Object]) {
    let mut named: BTreeMap<String, Vec<(Place, String)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for object in objects {
        let mut one = |url: Option<&str>, revision: Option<&Node>, does: &str| {
            let (Some(url), Some(revision)) = (url, revision) else { return };
            let text = revision.text().unwrap_or_default();
            let text = text.strip_prefix("refs/heads/").unwrap_or(text);
            // No revision and HEAD mean whatever is the repository's own; what is filled in later is not known.
            if matches!(text, "" | "HEAD") || text.contains(['$', '{', '<']) || world.own(url) == Same::No {
                return;
            }
            let place = object.place(revision.span);
            if seen.insert(place.clone()) {
                let what = format!("{} `{}` {does}", object.kind(), object.name());
                named.entry(text.to_owned()).or_default().push((place, what));
            }
        };
        if object.is_application() {
            for source in sources(object) {
                one(source.text_at("repoURL"), source.get("targetRevision"), "takes");
            }
        } else if object.is_build_config() {
            let git = "spec.source.git";
            one(object.node.text_at(&format!("{git}.uri")), object.node.at(&format!("{git}.ref")), "builds");
        }
    }
    let all: usize = named.values().map(Vec::len).sum();
    let Some((usual, count)) =
        named.iter().map(|(text, places)| (text.clone(), places.len())).max_by_key(|(_, count)| *count)
    else {
        return;
    };
    if count * 2 <= all || count < 2 {
        return;
    }
    for (revision, places) in named.into_iter().filter(|(revision, _)| *revision != usual) {
        for (place, what) in places {
            let message =
                format!("{what} revision `{revision}` of this repository, and {count} others `{usual}`");
            world.findings.push(Finding::warning(Code::OtherRevision, place, message));
        }
    }
}
