//! Objects of Kubernetes and its relatives, as YAML trees that know where everything stands.

mod gather;
mod labels;
mod pod;
mod secret;

use dockerfile::Span;
use project::yaml::Node;

use super::SourceId;
use crate::finding::Place;

pub(crate) use gather::directory;
pub(super) use gather::gather;
pub use labels::{Selector, invalid_label};
pub use pod::{Container, Pod, pod};
pub(crate) use secret::{
    is_default_credential, is_key_of_object, is_placeholder, is_secret_name, known_token, url_password,
};

/// One object of a manifest: a document with `apiVersion` and `kind`, or an item of a `List` or a `Template`.
#[derive(Clone, Debug)]
pub struct Object {
    /// The file it stands in.
    pub source: SourceId,
    /// The object.
    pub node: Node,
    /// The part of `apiVersion` before the slash; empty for the core.
    pub group: String,
    /// The part of `apiVersion` after the slash.
    pub version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, where it is written.
    pub namespace: Option<String>,
    /// A patch of kustomize: what is not in it may be in what it patches.
    pub partial: bool,
}

impl Object {
    /// A stretch of its file.
    pub fn place(&self, span: Span) -> Place {
        Place::new(self.source, span)
    }

    /// Where the value at a path of keys stands, or else the object's name.
    pub fn place_at(&self, path: &str) -> Place {
        self.node.at(path).map_or_else(|| self.place_of_name(), |node| self.place(node.span))
    }

    /// Where the object's name stands, or else its kind.
    pub fn place_of_name(&self) -> Place {
        let node = self.node.at("metadata.name").filter(|node| node.text().is_some());
        self.place(node.or_else(|| self.node.get("kind")).map_or(self.node.span, |node| node.span))
    }

    /// `Deployment web`, as messages name it.
    pub fn title(&self) -> String {
        if self.name.is_empty() { self.kind.clone() } else { format!("{} `{}`", self.kind, self.name) }
    }

    /// Whether it is of this group and kind; groups of OpenShift's kinds may be left out, as its first versions did.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind
            && (self.group == group || self.group.is_empty() && group.ends_with(".openshift.io"))
    }

    /// Whether both may be in one namespace: who names none is put into one by those who apply it.
    pub fn shares_namespace(&self, other: &Object) -> bool {
        match (&self.namespace, &other.namespace) {
            (Some(one), Some(two)) => one == two || is_template(one) || is_template(two),
            _ => true,
        }
    }
}

/// A YAML document that is no object: values of a chart, settings of a program.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file it stands in.
    pub source: SourceId,
    /// The document.
    pub node: Node,
}

/// Whether a text is filled in later, by a template, a generator or a shell.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("${") || text.contains("$(")
}
