//! Keys of `kapok.yaml` whose values are lists and mappings: their table, and what reading them needs.

use std::path::{Path, PathBuf};

use dockerfile::{Diagnostic, Span};
use project::yaml::{self, Node, Pair, Value};
use serde_json::Value as Json;

use super::keys::Places;
use super::{Settings, check, gate, images, network, packages, registries};

/// A key with a value of several parts.
pub struct Tree {
    /// Its path, with dots.
    pub path: &'static str,
    /// Where it may stand. Parts of it may be for trusted files only, see [`Reader::trusted`].
    pub places: Places,
    /// What it does, in one sentence for schema and reference.
    pub meaning: &'static str,
    /// The form of its value, as JSON schema.
    pub schema: fn() -> Json,
    /// Takes the value over and says what is wrong with it.
    pub read: fn(&mut Settings, &Node, &mut Reader<'_>),
}

/// All such keys, sorted by path.
pub const TREES: &[Tree] = &[
    images::BASES,
    images::CA,
    check::BASES,
    check::CENTRAL,
    check::EXPIRING,
    check::FLOORS,
    check::LEVELS,
    check::PROFILE,
    check::REGISTRIES,
    check::WAIVERS,
    images::IMAGES,
    images::INCLUDE,
    network::MIRRORS,
    gate::ALLOW,
    network::CA,
    gate::COOLDOWN,
    gate::DENY,
    gate::DIGESTS,
    gate::EXCEPTIONS,
    gate::FROM_SOURCE,
    network::INTERNAL,
    network::PASSTHROUGH,
    gate::PRIVATE,
    packages::PACKAGES,
    registries::TREE,
];

/// Reads parts of a value; what is wrong with them is collected.
pub struct Reader<'a> {
    /// Whether the file is the machine's or the user's.
    pub trusted: bool,
    /// The file's directory, which relative paths begin at.
    pub directory: &'a Path,
    /// What is wrong.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Something is wrong here.
    pub fn say(&mut self, span: Span, message: String, hint: Option<String>) {
        self.diagnostics.push(Diagnostic::error(span, message).hint_opt(hint));
    }

    /// The entries of a list; nothing at all is an empty one.
    pub fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::Sequence(items) => items,
            Value::Scalar { text, plain: true } if text.is_empty() => &[],
            _ => {
                self.say(node.span, format!("`{what}` must be a list"), None);
                &[]
            }
        }
    }

    /// The pairs of a mapping that has no other keys than these.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Vec<&'n Pair> {
        let Value::Mapping(pairs) = &node.value else {
            self.say(node.span, format!("an entry of `{what}` must be a mapping"), None);
            return Vec::new();
        };
        if let Some(pair) = yaml::duplicate(pairs) {
            self.say(pair.span, format!("`{}` stands here twice", pair.key), None);
        }
        let mut found = Vec::new();
        for pair in pairs {
            if known.contains(&pair.key.as_str()) {
                found.push(pair);
            } else {
                let near = dockerfile::suggest::nearest(&pair.key, known.iter().copied());
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                self.say(pair.span, format!("unknown key `{}` in `{what}`", pair.key), hint);
            }
        }
        found
    }

    /// A text that is not empty.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !text.is_empty() => Some(text),
            _ => {
                self.say(node.span, format!("`{what}` must be a single value"), None);
                None
            }
        }
    }

    /// One text, or a list of them.
    pub fn texts<'n>(&mut self, node: &'n Node, what: &str) -> Vec<&'n str> {
        match &node.value {
            Value::Sequence(items) => items.iter().filter_map(|item| self.text(item, what)).collect(),
            _ => self.text(node, what).into_iter().collect(),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, node: &Node, what: &str) -> bool {
        match &node.value {
            Value::Scalar { text, .. } if text == "true" => return true,
            Value::Scalar { text, .. } if text == "false" => {}
            _ => self.say(node.span, format!("`{what}`: expected `true` or `false`"), None),
        }
        false
    }

    /// A path; a relative one begins at the file's directory.
    pub fn path(&mut self, node: &Node, what: &str) -> Option<PathBuf> {
        self.text(node, what).map(|text| self.directory.join(text))
    }

    /// Paths, one or a list.
    pub fn paths(&mut self, node: &Node, what: &str) -> Vec<PathBuf> {
        self.texts(node, what).into_iter().map(|text| self.directory.join(text)).collect()
    }
}
