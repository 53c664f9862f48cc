//! Nodes of a YAML tree, and how they are asked.

use std::collections::BTreeSet;

use dockerfile::Span;

/// A value and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Bytes of the text. Of an alias it is the alias's place; what is inside keeps the anchor's.
    pub span: Span,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar; `plain` says that it was written without quotes.
    Scalar {
        /// Its text, unquoted.
        text: String,
        /// Whether it was written without quotes, so that `true`, `1` and `null` are not text.
        plain: bool,
    },
    /// `- a`, `[a, b]`.
    Sequence(Vec<Node>),
    /// `key: value`, in the order of the text. A key may stand there twice: see [`duplicate`].
    Mapping(Vec<Pair>),
}

/// One line of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The pair of a mapping with this key; of several the last, which is the one that Kubernetes takes.
    pub fn pair(&self, key: &str) -> Option<&Pair> {
        self.pairs().iter().rev().find(|pair| pair.key == key)
    }

    /// The value of a mapping's key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pair(key).map(|pair| &pair.value)
    }

    /// The value at a path of keys with dots between them: `spec.source.git.uri`.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar, whatever its type; nothing where it is null, a list or a mapping.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The text at a path of keys.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path)?.text()
    }

    /// The items of a list; of anything else none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The items of the list at a path of keys.
    pub fn items_at(&self, path: &str) -> &[Node] {
        self.at(path).map_or(&[], Node::items)
    }

    /// The pairs of a mapping; of anything else none.
    pub fn pairs(&self) -> &[Pair] {
        match &self.value {
            Value::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// `true` and `false` without quotes.
    pub fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is written as nothing at all: empty, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Whether it is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(self.value, Value::Mapping(_))
    }
}

/// The first pair of a mapping whose key stood there before.
pub fn duplicate(pairs: &[Pair]) -> Option<&Pair> {
    let mut seen = BTreeSet::new();
    pairs.iter().find(|pair| !seen.insert(pair.key.as_str()))
}
