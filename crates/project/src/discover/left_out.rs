//! Manifests that nobody applies: beside a kustomization that does not take them in, or where no Application leads.

use std::collections::{BTreeMap, BTreeSet};

use super::applications::sources;
use super::collect::{Key, World, key};
use super::kustomize;
use super::object::Object;
use crate::files::{file_name, join, parent};
use crate::finding::{Code, Finding};

/// Says which of the manifests' objects (`raw`) neither Applications (`followed`) nor kustomizations (`rendered`) apply.
pub fn check(world: &mut World<'_>, followed: &[Object], rendered: &[Object], raw: &[Object]) {
    let applied: BTreeSet<Key> = followed.iter().map(key).collect();
    let known: BTreeSet<Key> = followed.iter().chain(rendered).map(key).collect();
    // A name of which another manifest is applied is a variant of it.
    let names: BTreeSet<(&str, &str)> =
        followed.iter().chain(rendered).map(|object| (object.kind(), object.name())).collect();
    let mut findings = Vec::new();
    let mut apart: BTreeMap<(&str, &str), Vec<&Object>> = BTreeMap::new();
    for object in raw.iter().filter(|object| is_one(object) && !is_above_others(object, raw)) {
        let directory = parent(&object.text.file);
        if !known.contains(&key(object)) {
            if names.contains(&(object.kind(), object.name())) {
                continue;
            }
            if let Some(kustomization) = kustomize::file_of(world, directory) {
                findings.push(beside(object, &kustomization));
                continue;
            }
        }
        let same_kind = |other: &Object| other.kind() == object.kind();
        if !applied.contains(&key(object)) && followed.iter().any(same_kind) {
            apart.entry((object.kind(), directory)).or_default().push(object);
        }
    }
    for ((kind, _), objects) in apart {
        let applied = |object: &Object| {
            followed.iter().any(|other| other.kind() == object.kind() && other.name() == object.name())
        };
        let objects: Vec<&Object> = objects.into_iter().filter(|object| !applied(object)).collect();
        let Some(first) = objects.first() else { continue };
        let more = match objects.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more beside it"),
        };
        let message = format!("no Application applies {kind} `{}`{more}", first.name());
        findings.push(Finding::note(Code::NotApplied, first.named_at(), message));
    }
    world.findings.extend(findings);
}

fn is_one(object: &Object) -> bool {
    object.is_build_config() || object.is_image_stream() || object.is_application()
}

/// Whether an Application is one that applies others: the first of all is applied by hand.
fn is_above_others(object: &Object, raw: &[Object]) -> bool {
    let paths = sources(object).into_iter().filter_map(|source| join("", source.text_at("path")?));
    let mut paths = paths.filter(|_| object.is_application());
    paths.any(|path| {
        let prefix = if path.is_empty() { path } else { format!("{path}/") };
        raw.iter().any(|other| other.is_application() && other.text.file.starts_with(&prefix))
    })
}

fn beside(object: &Object, kustomization: &str) -> Finding {
    let (kind, name) = (object.kind(), object.name());
    let message = format!("{kind} `{name}` is not applied: the kustomization beside it does not take it in");
    let fix = format!("add `{}` to the resources of {kustomization}", file_name(&object.text.file));
    Finding::warning(Code::NotApplied, object.named_at(), message).fix(fix)
}
