//! From files to objects.

use std::collections::BTreeSet;

use dockerfile::Span;
use project::yaml::{self, Node};

use super::{Document, Object};
use crate::facts::{Facts, Files, SourceId};
use crate::finding::Place;

/// Lists may hold lists; nobody nests them deeper.
const MAX_LISTS: usize = 4;

pub(in crate::facts) fn gather(facts: &mut Facts, files: &dyn Files) {
    let charts: BTreeSet<String> = facts
        .files
        .iter()
        .filter_map(|file| file.path.strip_suffix("Chart.yaml"))
        .map(|directory| format!("{directory}templates/"))
        .collect();
    let paths: Vec<String> =
        facts.files.iter().map(|file| file.path.clone()).filter(|path| is_yaml(path)).collect();
    for path in paths {
        if charts.iter().any(|templates| path.starts_with(templates.as_str())) {
            continue;
        }
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.len() <= yaml::MAX_BYTES {
            read(facts, path, text);
        }
    }
    mark_patches(facts);
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn read(facts: &mut Facts, path: String, text: String) {
    let found = yaml::parse(&text);
    let templated = text.contains("{{") || text.contains("{%");
    let manifest = text.lines().any(|line| line.starts_with("apiVersion:"))
        && text.lines().any(|line| line.starts_with("kind:"));
    let source = facts.add_source(path, text);
    for node in found.documents {
        add(facts, source, node, 0);
    }
    if manifest && !templated {
        let broken = found
            .diagnostics
            .into_iter()
            .map(|diagnostic| (Place::new(source, diagnostic.span), diagnostic.message));
        facts.broken_manifests.extend(broken);
    }
}

fn add(facts: &mut Facts, source: SourceId, node: Node, depth: usize) {
    let (Some(api), Some(kind)) = (node.text_at("apiVersion"), node.text_at("kind")) else {
        if is_kustomization(&facts.source(source).name) {
            let object =
                object(source, node, "kustomize.config.k8s.io/v1beta1".into(), "Kustomization".into());
            facts.objects.push(object);
        } else {
            facts.documents.push(Document { source, node });
        }
        return;
    };
    let (api, kind) = (api.to_owned(), kind.to_owned());
    let list = match kind.as_str() {
        "Template" => "objects",
        _ if kind.ends_with("List") => "items",
        _ => "",
    };
    if !list.is_empty() && depth < MAX_LISTS {
        for item in node.items_at(list) {
            add(facts, source, item.clone(), depth + 1);
        }
    }
    facts.objects.push(object(source, node, api, kind));
}

fn object(source: SourceId, node: Node, api: String, kind: String) -> Object {
    let (group, version) = api.split_once('/').unwrap_or(("", &api));
    let text = |path: &str| node.text_at(path).map(str::to_owned);
    Object {
        source,
        group: group.to_owned(),
        version: version.to_owned(),
        kind,
        name: text("metadata.name").unwrap_or_default(),
        namespace: text("metadata.namespace"),
        partial: node.get("$patch").is_some(),
        node,
    }
}

fn is_kustomization(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("kustomization.yaml" | "kustomization.yml"))
}

/// What a kustomization names as a patch holds only what changes.
fn mark_patches(facts: &mut Facts) {
    let mut patches = BTreeSet::new();
    for object in
        facts.objects.iter().filter(|object| object.kind == "Kustomization" || object.kind == "Component")
    {
        let base = directory(&facts.source(object.source).name);
        let listed = ["patchesStrategicMerge", "patches", "patchesJson6902"]
            .into_iter()
            .flat_map(|key| object.node.items_at(key));
        for patch in listed {
            let path = patch.text().or_else(|| patch.text_at("path"));
            patches.extend(path.and_then(|path| join(base, path)));
        }
    }
    for index in 0..facts.objects.len() {
        let name = &facts.source(facts.objects[index].source).name;
        if patches.contains(name.as_str()) {
            facts.objects[index].partial = true;
        }
    }
}

/// The directory of a path, without a slash at its end; empty at the root.
pub(crate) fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A relative path from a directory of the repository; nothing where it leaves the repository.
pub(crate) fn join(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Facts {
    /// The objects of one kind.
    pub fn objects_of<'f>(&'f self, group: &'f str, kind: &'f str) -> impl Iterator<Item = &'f Object> + 'f {
        self.objects.iter().filter(move |object| object.is(group, kind))
    }

    /// Whether the repository has a file or a directory of this path.
    pub fn has_path(&self, path: &str) -> bool {
        // Paths are sorted, so what is below a directory stands together.
        let from = |text: &str| self.files.partition_point(|file| file.path.as_str() < text);
        let under = format!("{path}/");
        path.is_empty()
            || self.files.get(from(path)).is_some_and(|file| file.path == path)
            || self.files.get(from(&under)).is_some_and(|file| file.path.starts_with(&under))
    }

    /// A path that a file of the repository names, from where that file stands.
    pub(crate) fn path_from(&self, source: SourceId, path: &str) -> Option<String> {
        join(directory(&self.source(source).name), path)
    }

    /// The lines of a stretch of a file, each with its place.
    pub(crate) fn lines(&self, place: Place) -> Vec<(Span, &str)> {
        let mut at = place.span.start;
        let mut lines = Vec::new();
        for line in self.text(place).split_inclusive('\n') {
            lines.push((Span::new(at, at + line.trim_end().len()), line.trim_end()));
            at += line.len();
        }
        lines
    }
}
