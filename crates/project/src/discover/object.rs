//! Objects of manifests: documents, items of lists, what templates make.

use dockerfile::Span;

use super::template;
use crate::finding::{Code, Finding, Level};
use crate::model::{ImageName, Unsupported};
use crate::place::{Place, Text};
use crate::yaml::{self, Node};

/// An object of a manifest.
#[derive(Clone, Debug)]
pub struct Object {
    /// The file it stands in.
    pub text: Text,
    /// Its number among the objects of that file.
    pub number: usize,
    /// What it says.
    pub node: Node,
}

impl Object {
    /// `BuildConfig`; empty where it has none.
    pub fn kind(&self) -> &str {
        self.node.text_at("kind").unwrap_or_default()
    }

    /// The part of `apiVersion` before the slash; empty for the core's.
    pub fn group(&self) -> &str {
        self.node
            .text_at("apiVersion")
            .and_then(|version| version.split_once('/'))
            .map_or("", |(group, _)| group)
    }

    /// Its name; empty where it has none.
    pub fn name(&self) -> &str {
        self.node
            .text_at("metadata.name")
            .or_else(|| self.node.text_at("metadata.generateName"))
            .unwrap_or_default()
    }

    /// Its namespace, where it says so.
    pub fn namespace(&self) -> Option<&str> {
        self.node.text_at("metadata.namespace").filter(|namespace| !namespace.is_empty())
    }

    /// A place in its file.
    pub fn place(&self, span: Span) -> Place {
        self.text.place(span)
    }

    /// The place of its name, or of itself.
    pub fn named_at(&self) -> Place {
        self.place(self.node.at("metadata.name").map_or(self.node.span, |name| name.span))
    }

    /// Whether it is `kind` of one of these groups. The core's group was that of OpenShift's objects once.
    pub fn is(&self, kind: &str, groups: &[&str]) -> bool {
        self.kind() == kind && groups.contains(&self.group())
    }

    /// Whether it is an OpenShift BuildConfig.
    pub fn is_build_config(&self) -> bool {
        self.is("BuildConfig", &["build.openshift.io", ""])
    }

    /// Whether it is an OpenShift ImageStream.
    pub fn is_image_stream(&self) -> bool {
        self.is("ImageStream", &["image.openshift.io", ""])
    }

    /// Whether it is an Argo CD Application.
    pub fn is_application(&self) -> bool {
        self.is("Application", &["argoproj.io"])
    }

    /// Lists keys that are not known.
    pub fn unknown_keys(&self, node: &Node, path: &str, known: &[&str], unsupported: &mut Vec<Unsupported>) {
        for pair in
            node.pairs().iter().filter(|pair| !known.contains(&pair.key.as_str()) && !pair.value.is_null())
        {
            let what = format!("{} `{}`: {path}{}", self.kind(), self.name(), pair.key);
            unsupported.push(Unsupported { what, place: self.place(pair.span) });
        }
    }
}

/// The kinds that a project is read from.
const KINDS: [&str; 9] = [
    "BuildConfig",
    "ImageStream",
    "Application",
    "ApplicationSet",
    "Pipeline",
    "PipelineRun",
    "Task",
    "ClusterTask",
    "ConfigMap",
];

/// The objects of a file that are of interest here.
pub fn objects(text: &Text, findings: &mut Vec<Finding>, unsupported: &mut Vec<Unsupported>) -> Vec<Object> {
    let is_kind = |kind: &str| KINDS.contains(&kind);
    let about = |text: &str| {
        ["BuildConfig", "ImageStream", "argoproj.io", "tekton.dev"]
            .iter()
            .find(|word| text.contains(**word))
            .copied()
    };
    let parsed = yaml::parse(&text.text);
    for diagnostic in parsed.diagnostics {
        // Of what this file is about, only the text can tell. Templates of Helm are no YAML, and are listed.
        let Some(word) = about(&text.text) else { continue };
        let place = text.place(diagnostic.span);
        if text.text.contains("{{") {
            unsupported
                .push(Unsupported { what: format!("a template that is not YAML, with `{word}`"), place });
        } else {
            // Only what may be an image's declaration keeps images from being built.
            let level = if word == "BuildConfig" { Level::Error } else { Level::Warning };
            findings.push(Finding::new(Code::Syntax, level, place, diagnostic.message));
        }
    }
    let mut found: Vec<Object> = Vec::new();
    for node in parsed.documents {
        flatten(text, node, &mut found, unsupported, 0);
    }
    found.retain(|object| is_kind(object.kind()));
    // Text of a template may be YAML by chance; what it names is not known before it is filled in.
    found.retain(|object| {
        let filled = !["{", "$(", "<"].iter().any(|mark| object.name().contains(mark));
        if !filled {
            let what = format!("a template with a {}", object.kind());
            unsupported.push(Unsupported { what, place: object.named_at() });
        }
        filled
    });
    for (number, object) in found.iter_mut().enumerate() {
        object.number = number;
    }
    found
}

/// Lists may hold lists, and templates; nobody nests more.
const MAX_NESTED: usize = 4;

fn flatten(
    text: &Text,
    node: Node,
    found: &mut Vec<Object>,
    unsupported: &mut Vec<Unsupported>,
    depth: usize,
) {
    let object = Object { text: text.clone(), number: 0, node };
    let kind = object.kind();
    if kind.ends_with("List") && object.node.get("items").is_some() && depth < MAX_NESTED {
        for item in object.node.items_at("items") {
            flatten(text, item.clone(), found, unsupported, depth + 1);
        }
    } else if object.is("Template", &["template.openshift.io", ""]) && depth < MAX_NESTED {
        for item in template::objects(&object, unsupported) {
            flatten(text, item, found, unsupported, depth + 1);
        }
    } else if !kind.is_empty() {
        found.push(object);
    }
}

/// An image as `{kind, name, namespace}` names it.
pub fn image_name(node: &Node) -> Option<ImageName> {
    let name = node.text_at("name").filter(|name| !name.is_empty())?;
    let namespace = node.text_at("namespace").filter(|namespace| !namespace.is_empty()).map(str::to_owned);
    let kind =
        node.text_at("kind").unwrap_or(if name.contains('/') { "DockerImage" } else { "ImageStreamTag" });
    Some(match kind {
        "ImageStreamTag" | "ImageStream" => {
            let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
            ImageName::StreamTag { namespace, name: name.to_owned(), tag: tag.to_owned() }
        }
        "ImageStreamImage" => {
            let (name, digest) = name.split_once('@').unwrap_or((name, ""));
            ImageName::StreamImage { namespace, name: name.to_owned(), digest: digest.to_owned() }
        }
        _ => ImageName::Reference(name.to_owned()),
    })
}
