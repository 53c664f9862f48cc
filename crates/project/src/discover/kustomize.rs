//! Kustomizations: which manifests they take in, and what they change on them.

use std::collections::BTreeSet;

use super::collect::World;
use super::object::Object;
use super::select::chooses;
use super::{patch, read};
use crate::files::{file_name, is_directory, is_file, join, parent};
use crate::finding::{Code, Finding};
use crate::model::Unsupported;
use crate::place::Text;
use crate::yaml::{self, Node, Value};

/// The names that a kustomization's file may have.
pub const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Kustomizations may stand on each other; nobody stacks more.
const MAX_DEPTH: usize = 32;

/// The kustomization of a directory.
pub fn file_of(world: &World<'_>, directory: &str) -> Option<String> {
    NAMES.iter().filter_map(|name| join(directory, name)).find(|path| is_file(world.files, path))
}

/// The objects of a directory's kustomization, as it makes them.
pub fn render(world: &mut World<'_>, directory: &str) -> Vec<Object> {
    Renderer { world, stack: Vec::new() }.directory(directory)
}

/// What kustomizations name.
#[derive(Default)]
pub struct Named {
    /// The directories whose kustomizations others take in.
    pub directories: BTreeSet<String>,
    /// The files that are patches: what stands in them is no object by itself.
    pub patches: BTreeSet<String>,
}

/// What all kustomizations name.
pub fn named_by_all(world: &mut World<'_>) -> Named {
    let mut named = Named::default();
    let paths: Vec<String> = world.files.list().to_vec();
    for path in paths.iter().filter(|path| NAMES.contains(&file_name(path))) {
        let Some((_, node)) = document(world, path) else { continue };
        let place = |entry: &Node| join(parent(path), entry.text()?);
        for key in ["resources", "bases", "components"] {
            named.directories.extend(node.items_at(key).iter().filter_map(place));
        }
        named.patches.extend(node.items_at("patchesStrategicMerge").iter().filter_map(place));
        for key in ["patches", "patchesJson6902"] {
            named.patches.extend(node.items_at(key).iter().filter_map(|entry| place(entry.get("path")?)));
        }
    }
    named
}

fn document(world: &mut World<'_>, path: &str) -> Option<(Text, Node)> {
    let text = read(world.files, path, &mut world.findings)?;
    let parsed = yaml::parse(&text.text);
    for diagnostic in parsed.diagnostics {
        let place = text.place(diagnostic.span);
        world.findings.push(Finding::warning(Code::Syntax, place, diagnostic.message));
    }
    parsed.documents.into_iter().next().map(|node| (text, node))
}

struct Renderer<'w, 'f> {
    world: &'w mut World<'f>,
    /// The directories that are being rendered.
    stack: Vec<String>,
}

impl Renderer<'_, '_> {
    fn directory(&mut self, directory: &str) -> Vec<Object> {
        let Some(path) = file_of(self.world, directory) else { return Vec::new() };
        let Some((text, node)) = document(self.world, &path) else { return Vec::new() };
        self.stack.push(directory.to_owned());
        let mut objects = self.resources(directory, &text, &node);
        for component in node.items_at("components") {
            objects.extend(self.entry(directory, &text, component));
            self.component(directory, component, &mut objects);
        }
        self.stack.pop();
        self.patches(directory, &text, &node, &mut objects);
        names(&node, &mut objects);
        self.config_maps(directory, &node);
        self.unsupported(&text, &node);
        objects
    }

    fn resources(&mut self, directory: &str, text: &Text, node: &Node) -> Vec<Object> {
        let mut objects = Vec::new();
        for key in ["resources", "bases"] {
            for entry in node.items_at(key) {
                objects.extend(self.entry(directory, text, entry));
            }
        }
        objects
    }

    /// A component also patches what those who take it in have.
    fn component(&mut self, directory: &str, entry: &Node, objects: &mut [Object]) {
        let Some(below) = entry.text().and_then(|entry| join(directory, entry)) else { return };
        let Some(path) = file_of(self.world, &below) else { return };
        if let Some((text, node)) = document(self.world, &path) {
            self.patches(&below, &text, &node, objects);
            names(&node, objects);
        }
    }

    fn entry(&mut self, directory: &str, text: &Text, entry: &Node) -> Vec<Object> {
        let Some(written) = entry.text() else { return Vec::new() };
        let place = text.place(entry.span);
        let path = join(directory, written);
        let path =
            path.filter(|path| is_file(self.world.files, path) || is_directory(self.world.files, path));
        let Some(path) = path else {
            let remote = written.contains("://") || written.contains("?ref=") || written.contains('@');
            let host =
                written.split('/').next().is_some_and(|first| first.contains('.') && !first.starts_with('.'));
            if remote || (host && !written.ends_with(".yaml") && !written.ends_with(".yml")) {
                let what = format!("kustomization: `{written}`, of another repository");
                self.world.unsupported.push(Unsupported { what, place });
            } else {
                let message = format!("the kustomization takes in `{written}`, which is not there");
                self.world.findings.push(Finding::warning(Code::MissingPath, place, message));
            }
            return Vec::new();
        };
        if is_file(self.world.files, &path) {
            return self.world.objects_of(&path);
        }
        if self.stack.contains(&path) || self.stack.len() >= MAX_DEPTH {
            let message = format!("kustomizations take each other in: `{written}`");
            self.world.findings.push(Finding::warning(Code::IncludeCycle, place, message));
            return Vec::new();
        }
        if file_of(self.world, &path).is_none() {
            let message = format!("`{written}` is a directory without a kustomization");
            self.world.findings.push(Finding::warning(Code::MissingPath, place, message));
        }
        self.directory(&path)
    }

    fn patches(&mut self, directory: &str, text: &Text, node: &Node, objects: &mut [Object]) {
        for entry in node.items_at("patchesStrategicMerge") {
            self.patch(directory, text, entry, entry, None, objects);
        }
        for key in ["patches", "patchesJson6902"] {
            for entry in node.items_at(key) {
                let Some(source) = entry.get("path").or_else(|| entry.get("patch")) else { continue };
                self.patch(directory, text, entry, source, entry.get("target"), objects);
            }
        }
    }

    /// One patch: `source` is a path, or the patch itself.
    fn patch(
        &mut self,
        directory: &str,
        text: &Text,
        entry: &Node,
        source: &Node,
        target: Option<&Node>,
        objects: &mut [Object],
    ) {
        let Some(written) = source.text() else { return };
        let place = text.place(entry.span);
        let path = if written.contains('\n') { None } else { join(directory, written) };
        let documents = match path.filter(|path| is_file(self.world.files, path)) {
            Some(path) => match read(self.world.files, &path, &mut self.world.findings) {
                Some(text) => yaml::parse(&text.text).documents,
                None => return,
            },
            None if written.contains(':') => yaml::parse(written).documents,
            None => {
                let message = format!("the kustomization's patch `{written}` is not there");
                self.world.findings.push(Finding::warning(Code::MissingPath, place, message));
                return;
            }
        };
        for document in documents {
            let mut problems = Vec::new();
            let mut any = false;
            let chosen = objects.iter_mut().filter(|object| chooses(target, &document, object));
            for object in chosen {
                any = true;
                if document.items().is_empty() {
                    patch::merge(&mut object.node, &document);
                } else if let Err(operation) = patch::operate(&mut object.node, &document) {
                    problems.push(format!(
                        "kustomization: patch `{operation}` of {} `{}`",
                        object.kind(),
                        object.name()
                    ));
                }
            }
            // Kustomize refuses a patch of what is not there, unless a target chooses.
            let (kind, name) = (document.text_at("kind"), document.text_at("metadata.name"));
            if let (false, None, Some(kind @ ("BuildConfig" | "ImageStream")), Some(name)) =
                (any, target, kind, name)
                && !objects.is_empty()
            {
                let message = format!("the kustomization patches {kind} `{name}`, which it does not take in");
                self.world.findings.push(Finding::warning(Code::MissingPath, place.clone(), message));
            }
            let place = &place;
            let listed = problems.into_iter().map(|what| Unsupported { what, place: place.clone() });
            self.world.unsupported.extend(listed);
        }
    }

    /// The texts of generated ConfigMaps, under the names that they are generated from: what refers to them in a BuildConfig
    /// is not renamed by kustomize either.
    fn config_maps(&mut self, directory: &str, node: &Node) {
        for entry in node.items_at("configMapGenerator") {
            let Some(name) = entry.text_at("name") else { continue };
            let mut data = Vec::new();
            for literal in entry.items_at("literals").iter().filter_map(Node::text) {
                let (key, value) = literal.split_once('=').unwrap_or((literal, ""));
                data.push((key.to_owned(), value.trim_matches(['"', '\'']).to_owned()));
            }
            for file in entry.items_at("files").iter().filter_map(Node::text) {
                let (key, path) = file.split_once('=').unwrap_or((file_name(file), file));
                let text = join(directory, path)
                    .and_then(|path| read(self.world.files, &path, &mut self.world.findings));
                data.extend(text.map(|text| (key.to_owned(), text.text.to_string())));
            }
            let lines = entry.items_at("envs").iter().chain(entry.get("env")).filter_map(Node::text);
            for path in lines.filter_map(|path| join(directory, path)).collect::<Vec<_>>() {
                let Some(text) = read(self.world.files, &path, &mut self.world.findings) else { continue };
                let pairs = text.text.lines().filter(|line| !line.trim_start().starts_with('#'));
                data.extend(
                    pairs
                        .filter_map(|line| line.split_once('='))
                        .map(|(key, value)| (key.to_owned(), value.to_owned())),
                );
            }
            self.world.generated.entry(name.to_owned()).or_insert(data);
        }
    }

    /// What makes objects of its own, or changes them in ways that are not followed here.
    fn unsupported(&mut self, text: &Text, node: &Node) {
        const KEYS: [&str; 9] = [
            "helmCharts",
            "helmChartInflationGenerator",
            "generators",
            "transformers",
            "replacements",
            "vars",
            "configurations",
            "validators",
            "crds",
        ];
        for pair in
            node.pairs().iter().filter(|pair| KEYS.contains(&pair.key.as_str()) && !pair.value.is_null())
        {
            let what = format!("kustomization: {}", pair.key);
            self.world.unsupported.push(Unsupported { what, place: text.place(pair.span) });
        }
    }
}

/// Namespace, prefix and suffix.
fn names(node: &Node, objects: &mut [Object]) {
    let (prefix, suffix) = (node.text_at("namePrefix"), node.text_at("nameSuffix"));
    for object in objects {
        rename(object, prefix, suffix);
        if let Some(namespace) = node.text_at("namespace") {
            set_namespace(object, namespace);
        }
    }
}

/// Puts words around an object's name.
pub fn rename(object: &mut Object, prefix: Option<&str>, suffix: Option<&str>) {
    if prefix.is_none() && suffix.is_none() {
        return;
    }
    let name = format!("{}{}{}", prefix.unwrap_or_default(), object.name(), suffix.unwrap_or_default());
    set(&mut object.node, "name", &name);
}

/// Puts an object into a namespace.
pub fn set_namespace(object: &mut Object, namespace: &str) {
    set(&mut object.node, "namespace", namespace);
}

fn set(node: &mut Node, key: &str, text: &str) {
    let Value::Mapping(pairs) = &mut node.value else { return };
    let Some(metadata) = pairs.iter_mut().rev().find(|pair| pair.key == "metadata") else { return };
    let span = metadata.value.span;
    let Value::Mapping(pairs) = &mut metadata.value.value else { return };
    let value = Value::Scalar { text: text.to_owned(), plain: false };
    match pairs.iter_mut().rev().find(|pair| pair.key == key) {
        Some(pair) => pair.value.value = value,
        None => pairs.push(yaml::Pair { key: key.to_owned(), span, value: Node { value, span } }),
    }
}
