//! Parts of a value, each of the form that it must have; what is wrong is collected.

use dockerfile::{Diagnostic, Span};

use crate::files::join;
use crate::model::{Argument, Located};
use crate::place::{Place, Text};
use crate::yaml::{Node, Pair, Value, duplicate};

/// Reads parts of a value.
pub struct Form<'t> {
    text: &'t Text,
    directory: String,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'t> Form<'t> {
    /// For a file in a directory, from the root.
    pub fn new(text: &'t Text, directory: &str) -> Form<'t> {
        Form { text, directory: directory.to_owned(), diagnostics: Vec::new() }
    }

    /// The file's directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The place of some bytes.
    pub fn place(&self, span: Span) -> Place {
        self.text.place(span)
    }

    /// Something is wrong here.
    pub fn say(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message));
    }

    /// Something is wrong here, and this helps.
    pub fn advise(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, message).hint(hint));
    }

    /// The pairs of a mapping; no key stands there twice.
    pub fn pairs<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Pair] {
        if node.is_null() {
            return &[];
        }
        let Value::Mapping(pairs) = &node.value else {
            self.say(node.span, format!("`{what}` must be a mapping"));
            return &[];
        };
        if let Some(pair) = duplicate(pairs) {
            self.say(pair.span, format!("`{}` stands here twice", pair.key));
        }
        pairs
    }

    /// The pairs of a mapping that has no other keys than these.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Vec<&'n Pair> {
        let mut found = Vec::new();
        for pair in self.pairs(node, what) {
            if known.contains(&pair.key.as_str()) {
                found.push(pair);
                continue;
            }
            let near = dockerfile::suggest::nearest(&pair.key, known.iter().copied());
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "there are {}",
                    known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            self.advise(pair.span, format!("unknown key `{}` in `{what}`", pair.key), hint);
        }
        found
    }

    /// A text that is not empty.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !text.is_empty() => Some(text),
            _ => {
                self.say(node.span, format!("`{what}` must be a single value"));
                None
            }
        }
    }

    /// One text or a list of them.
    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        self.located(node, what).into_iter().map(|located| located.value).collect()
    }

    /// The same with their places.
    pub fn located(&mut self, node: &Node, what: &str) -> Vec<Located> {
        let nodes = match &node.value {
            Value::Sequence(items) => items.as_slice(),
            _ if node.is_null() => &[],
            _ => std::slice::from_ref(node),
        };
        let mut found = Vec::new();
        for node in nodes {
            if let Some(text) = self.text(node, what) {
                found.push(Located { value: text.to_owned(), place: self.place(node.span) });
            }
        }
        found
    }

    /// `true` or `false`.
    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        let flag = node.flag();
        if flag.is_none() {
            self.say(node.span, format!("`{what}`: expected `true` or `false`"));
        }
        flag
    }

    /// A value of a form that `parse` knows.
    pub fn parsed<T>(
        &mut self,
        node: &Node,
        what: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(node, what)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.say(node.span, format!("`{what}`: `{text}` is not {expected}"));
        }
        parsed
    }

    /// A path in the repository; a relative one begins at the file's directory.
    pub fn path(&mut self, node: &Node, what: &str) -> Option<Located> {
        let directory = self.directory.clone();
        self.path_in(node, what, &directory)
    }

    /// A path in the repository; a relative one begins at this directory.
    pub fn path_in(&mut self, node: &Node, what: &str, directory: &str) -> Option<Located> {
        let text = self.text(node, what)?;
        let joined = if text.starts_with('/') { None } else { join(directory, text) };
        if joined.is_none() {
            self.say(node.span, format!("`{what}`: `{text}` is outside of the project"));
        }
        Some(Located { value: joined?, place: self.place(node.span) })
    }

    /// Names and values: `{NAME: value}`, or a list of `NAME=value`.
    pub fn arguments(&mut self, node: &Node, what: &str) -> Vec<Argument> {
        if let Value::Sequence(items) = &node.value {
            let mut found = Vec::new();
            for item in items {
                let Some(text) = self.text(item, what) else { continue };
                let (name, value) =
                    text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
                found.push(Argument {
                    name: name.to_owned(),
                    value: value.map(str::to_owned),
                    place: self.place(item.span),
                });
            }
            return found;
        }
        let mut found = Vec::new();
        for pair in self.pairs(node, what) {
            let value = match &pair.value.value {
                Value::Scalar { text, .. } => text.clone(),
                _ => {
                    self.say(pair.value.span, format!("`{what}.{}` must be a single value", pair.key));
                    continue;
                }
            };
            found.push(Argument { name: pair.key.clone(), value: Some(value), place: self.place(pair.span) });
        }
        found
    }
}
