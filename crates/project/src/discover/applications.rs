//! Argo CD Applications: where they point in this repository, and what they put there into a namespace.

use std::collections::BTreeSet;

use super::collect::World;
use super::kustomize;
use super::object::Object;
use super::remote::Same;
use crate::files::{below, is_directory, is_file, join, parent};
use crate::finding::{Code, Finding};
use crate::model::Unsupported;
use crate::yaml::Node;

/// What Applications lead to.
#[derive(Default)]
pub struct Followed {
    /// How many were followed.
    pub count: usize,
    /// The objects that they apply, as they apply them.
    pub objects: Vec<Object>,
}

/// Follows Applications, and those that they apply in turn.
pub fn follow(world: &mut World<'_>, applications: Vec<Object>) -> Followed {
    let mut followed = Followed::default();
    let mut seen = BTreeSet::new();
    let mut waiting = applications;
    waiting.reverse();
    while let Some(application) = waiting.pop() {
        let paths: Vec<&str> =
            sources(&application).into_iter().filter_map(|source| source.text_at("path")).collect();
        let key = (application.text.file.to_string(), application.number, paths.join(" "));
        if !seen.insert(key) {
            continue;
        }
        let objects = apply(world, &application, &mut followed.count);
        waiting.extend(objects.iter().filter(|object| object.is_application()).cloned());
        followed.objects.extend(objects);
    }
    followed
}

/// An Application's sources.
pub fn sources(application: &Object) -> Vec<&Node> {
    let one = application.node.at("spec.source").into_iter();
    one.chain(application.node.items_at("spec.sources")).filter(|source| source.is_mapping()).collect()
}

/// What one Application applies.
fn apply(world: &mut World<'_>, application: &Object, count: &mut usize) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut here = false;
    for source in sources(application) {
        if let Some(found) = source_objects(world, application, source) {
            here = true;
            objects.extend(found);
        }
    }
    *count += usize::from(here);
    if let Some(namespace) = application.node.text_at("spec.destination.namespace") {
        for object in objects.iter_mut().filter(|object| object.namespace().is_none()) {
            kustomize::set_namespace(object, namespace);
        }
    }
    objects
}

/// The objects of one source; nothing where it is not of this repository.
fn source_objects(world: &mut World<'_>, application: &Object, source: &Node) -> Option<Vec<Object>> {
    let name = application.name();
    let list = |world: &mut World<'_>, node: &Node, what: String| {
        let what = format!("Application `{name}`: {what}");
        world.unsupported.push(Unsupported { what, place: application.place(node.span) });
    };
    let repository = source.get("repoURL");
    let url = repository.and_then(Node::text).unwrap_or_default();
    let at = repository.unwrap_or(source);
    if let Some(chart) = source.get("chart") {
        list(world, chart, format!("Helm chart `{}`", chart.text().unwrap_or_default()));
        return None;
    }
    let Some(path_node) = source.get("path") else {
        // A source that others take values from.
        if source.get("ref").is_none() {
            list(world, at, "a source without a path".to_owned());
        }
        return None;
    };
    let written = path_node.text().unwrap_or_default();
    if world.own(url) == Same::No {
        list(world, at, format!("`{url}`, another repository"));
        return None;
    }
    let place = application.place(path_node.span);
    let path = join("", written).filter(|path| is_directory(world.files, path) || is_file(world.files, path));
    let Some(path) = path else {
        let message = format!("Application `{name}` points at `{written}`, which is not there");
        world.findings.push(Finding::warning(Code::MissingPath, place, message));
        return None;
    };
    if let Some(plugin) = source.get("plugin") {
        list(world, plugin, "a plugin".to_owned());
    }
    let chart = join(&path, "Chart.yaml").is_some_and(|chart| is_file(world.files, &chart));
    if chart || source.get("helm").is_some() {
        list(world, source.get("helm").unwrap_or(path_node), format!("Helm chart `{written}`"));
        return Some(Vec::new());
    }
    let mut objects = if kustomize::file_of(world, &path).is_some() {
        kustomize::render(world, &path)
    } else {
        directory(world, application, source, &path)
    };
    if let Some(kustomize) = source.get("kustomize") {
        for object in &mut objects {
            kustomize::rename(object, kustomize.text_at("namePrefix"), kustomize.text_at("nameSuffix"));
            if let Some(namespace) = kustomize.text_at("namespace") {
                kustomize::set_namespace(object, namespace);
            }
        }
        for patches in
            kustomize.pairs().iter().filter(|pair| pair.key == "patches" || pair.key == "components")
        {
            list(world, &patches.value, format!("kustomize.{}", patches.key));
        }
    }
    Some(objects)
}

/// The objects of a plain directory.
fn directory(world: &mut World<'_>, application: &Object, source: &Node, path: &str) -> Vec<Object> {
    let options = source.get("directory");
    let recurse = options.and_then(|options| options.get("recurse")?.flag()).unwrap_or(false);
    let pattern = |key: &str| options.and_then(|options| options.text_at(key)).map(str::to_owned);
    let (include, exclude) = (pattern("include"), pattern("exclude"));
    if let Some(jsonnet) = options.and_then(|options| options.get("jsonnet")) {
        let what = format!("Application `{}`: jsonnet", application.name());
        world.unsupported.push(Unsupported { what, place: application.place(jsonnet.span) });
    }
    let files = world.files;
    let paths: Vec<String> = below(files, path).to_vec();
    let mut objects = Vec::new();
    for file in paths {
        let relative = file.strip_prefix(path).unwrap_or(&file).trim_start_matches('/').to_owned();
        let deep = parent(&file) != path;
        let manifest = [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end));
        let taken = include.as_deref().is_none_or(|pattern| is_match(pattern, &relative));
        let left = exclude.as_deref().is_some_and(|pattern| is_match(pattern, &relative));
        if manifest && (recurse || !deep) && taken && !left {
            objects.extend(world.objects_of(&file));
        }
    }
    objects
}

/// Argo CD's patterns: `*.yaml`, `{a.yaml,b/**}`.
fn is_match(pattern: &str, path: &str) -> bool {
    let inner = pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let alternatives: Vec<&str> = inner.map_or_else(|| vec![pattern], |inner| inner.split(',').collect());
    alternatives.iter().any(|alternative| {
        // A star of theirs reaches over slashes.
        let words: Vec<&str> = alternative.split("**").flat_map(|part| part.split('*')).collect();
        let (first, rest) = words.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let Some(mut remaining) = path.strip_prefix(first) else { return false };
        let Some((last, between)) = rest.split_last() else { return remaining.is_empty() };
        for word in between {
            let Some(at) = remaining.find(word) else { return false };
            remaining = &remaining[at + word.len()..];
        }
        remaining.ends_with(last)
    })
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn patterns_of_directories() {
        assert!(is_match("*.yaml", "a/b.yaml") && !is_match("*.yaml", "a.json"));
        assert!(is_match("{a.yaml,dev/*}", "dev/x.yaml") && !is_match("{a.yaml,dev/*}", "b.yaml"));
    }
}
