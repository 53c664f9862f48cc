//! YAML text as a tree that knows where everything stands.
//!
//! Only what settings need: one document, mappings with text keys, sequences, scalars. Anchors, aliases and tags are
//! refused, so that no document is larger than its text.

use std::collections::BTreeMap;

use dockerfile::{Diagnostic, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// No settings file that a person wrote is larger; a larger one is a mistake or an attack.
const MAX_BYTES: usize = 1 << 20;
/// Settings nest three deep; this leaves room and bounds memory.
const MAX_DEPTH: usize = 32;

/// A value and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Bytes of the text.
    pub span: Span,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar; `plain` says that it was written without quotes.
    Scalar {
        /// Its text, unquoted.
        text: String,
        /// Whether it was written without quotes.
        plain: bool,
    },
    /// `- a`, `[a, b]`.
    Sequence(Vec<Node>),
    /// `key: value`, in the order of the text.
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

/// Parses a document; an empty one is an empty mapping.
pub fn parse(text: &str) -> Result<Node, Diagnostic> {
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::error(Span::new(0, 0), "the file is larger than 1 MiB"));
    }
    Tree::new(text).read(text)
}

/// Fuzzing's entry: any bytes must come back as a tree or a diagnostic.
#[cfg(test)]
pub fn fuzz_settings(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse(text);
    }
}

/// A collection that is not closed yet.
enum Open {
    Sequence(Vec<Node>),
    Mapping { pairs: Vec<Pair>, key: Option<(String, Span)> },
}

struct Tree {
    /// Byte offset of every character: the parser counts characters.
    offsets: Vec<usize>,
    open: Vec<(Open, usize)>,
    root: Option<Node>,
}

impl Tree {
    fn new(text: &str) -> Tree {
        let mut offsets: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
        offsets.push(text.len());
        Tree { offsets, open: Vec::new(), root: None }
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).or(self.offsets.last()).copied().unwrap_or(0)
    }

    fn read(mut self, text: &str) -> Result<Node, Diagnostic> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let at = self.offset(error.marker().index());
                Diagnostic::error(Span::new(at, at), format!("this is not YAML: {}", error.info()))
            })?;
            let span = Span::new(self.offset(span.start.index()), self.offset(span.end.index()));
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Diagnostic::error(span, "a settings file holds one document"));
                    }
                }
                Event::Alias(_) => return Err(refused(span, "aliases")),
                Event::Scalar(_, _, anchor, ref tag) => refuse_extras(span, anchor, tag.is_some())?,
                Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag) => {
                    refuse_extras(span, anchor, tag.is_some())?;
                }
                _ => {}
            }
            self.take(event, span)?;
        }
        let empty = Node { value: Value::Mapping(Vec::new()), span: Span::new(0, 0) };
        Ok(match self.root {
            Some(Node { value: Value::Scalar { text, plain: true }, .. }) if text.is_empty() => empty,
            Some(root) => root,
            None => empty,
        })
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                self.put(Node { value: Value::Scalar { text: text.into_owned(), plain }, span })
            }
            Event::SequenceStart(..) => self.begin(Open::Sequence(Vec::new()), span),
            Event::MappingStart(..) => self.begin(Open::Mapping { pairs: Vec::new(), key: None }, span),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((Open::Sequence(items), start)) => {
                    self.put(Node { value: Value::Sequence(items), span: Span::new(start, span.end) })
                }
                Some((Open::Mapping { pairs, .. }, start)) => {
                    self.put(Node { value: Value::Mapping(pairs), span: Span::new(start, span.end) })
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, span: Span) -> Result<(), Diagnostic> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Diagnostic::error(span, format!("settings nest at most {MAX_DEPTH} deep")));
        }
        self.open.push((open, span.start));
        Ok(())
    }

    fn put(&mut self, node: Node) -> Result<(), Diagnostic> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::Sequence(items), _)) => items.push(node),
            Some((Open::Mapping { pairs, key }, _)) => match key.take() {
                Some((name, span)) => pairs.push(Pair { key: name, span, value: node }),
                None => match node.value {
                    Value::Scalar { text, .. } => *key = Some((text, node.span)),
                    _ => return Err(Diagnostic::error(node.span, "a key must be text")),
                },
            },
        }
        Ok(())
    }
}

fn refuse_extras(span: Span, anchor: usize, tagged: bool) -> Result<(), Diagnostic> {
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (0, true) => Err(refused(span, "tags")),
        _ => Err(refused(span, "anchors")),
    }
}

fn refused(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(span, format!("{what} are not allowed in settings"))
}

/// The first key that a mapping has twice.
pub fn duplicate(pairs: &[Pair]) -> Option<&Pair> {
    let mut seen = BTreeMap::new();
    pairs.iter().find(|pair| seen.insert(pair.key.as_str(), ()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, plain: true } => text.clone(),
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::Sequence(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
            Value::Mapping(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|pair| format!("{}: {}", pair.key, shape(&pair.value))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let actual = match parse(text) {
            Ok(node) => shape(&node),
            Err(diagnostic) => format!("error: {}", diagnostic.message),
        };
        assert_eq!(actual, expected);
    }

    #[test]
    fn documents() {
        check("", "{}");
        check("# nothing\n", "{}");
        check("a: 1\nb:\n  c: 'x'\n  d: [1, 2]\n", r#"{a: 1, b: {c: "x", d: [1, 2]}}"#);
        check("a: &x 1\n", "error: anchors are not allowed in settings");
        check("a: !!str 1\n", "error: tags are not allowed in settings");
        check("a: 1\n---\nb: 2\n", "error: a settings file holds one document");
        check("[a]: 1\n", "error: a key must be text");
        check(&"[".repeat(40), "error: settings nest at most 32 deep");
    }

    #[test]
    fn spans_count_bytes() {
        let text = "ä: 1\nstore: /x\n";
        let Value::Mapping(pairs) = parse(text).expect("it parses").value else { panic!("it is a mapping") };
        let span = pairs[1].span;
        assert_eq!(&text[span.range()], "store");
        assert_eq!(&text[pairs[1].value.span.range()], "/x");
    }

    #[test]
    fn any_bytes_are_survived() {
        for text in
            ["a: [", "a: {b", "\u{0}", "? a\n: b", "*x", "%TAG x", "a:\tb", "- - - -", "'", "\"\\x", "&a *a"]
        {
            fuzz_settings(text.as_bytes());
        }
    }
}
