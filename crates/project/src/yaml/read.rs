//! Events of the parser into trees, within bounds.

use std::collections::BTreeMap;

use dockerfile::{Diagnostic, Span};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::node::{Node, Pair, Value};

/// Settings nest three deep and pods about fifteen; this leaves room for schemas of custom resources and bounds the stack.
const MAX_DEPTH: usize = 96;
/// Settings that nest deeper are a mistake.
const MAX_DEPTH_SETTINGS: usize = 32;
/// What a document's aliases may copy, in bytes of memory.
const MAX_COPIED: usize = 16 << 20;
/// Memory of a node besides its text.
const NODE: usize = 96;

/// Reads the documents of one part of a file.
pub struct Reader {
    /// Where the part begins in the file.
    start: usize,
    /// Byte offset of every character, because the parser counts characters; nothing where they are the same.
    offsets: Option<Vec<usize>>,
    length: usize,
    settings: bool,
    open: Vec<Open>,
    documents: Vec<Node>,
    anchors: BTreeMap<usize, Node>,
    copied: usize,
}

/// A collection that is not closed yet.
struct Open {
    kind: OpenKind,
    start: usize,
    anchor: usize,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping { pairs: Vec<Pair>, key: Option<(String, Span)> },
}

impl Reader {
    /// For manifests: `text` begins at offset `start` of its file.
    pub fn manifests(start: usize, text: &str) -> Reader {
        let offsets = (!text.is_ascii()).then(|| {
            let offsets = text.char_indices().map(|(offset, _)| offset);
            offsets.chain([text.len()]).collect()
        });
        Reader {
            start,
            offsets,
            length: text.len(),
            settings: false,
            open: Vec::new(),
            documents: Vec::new(),
            anchors: BTreeMap::new(),
            copied: 0,
        }
    }

    /// For a file of our own.
    pub fn settings(text: &str) -> Reader {
        Reader { settings: true, ..Reader::manifests(0, text) }
    }

    /// The documents of the text.
    pub fn read(mut self, text: &str) -> Result<Vec<Node>, Diagnostic> {
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let at = self.offset(error.marker().index());
                Diagnostic::error(Span::new(at, at), format!("this is not YAML: {}", error.info()))
            })?;
            let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
            let span = Span::new(start, end.max(start));
            if let Event::DocumentStart(_) = event {
                documents += 1;
                self.anchors.clear();
                if self.settings && documents > 1 {
                    return Err(Diagnostic::error(span, "a settings file holds one document"));
                }
            }
            if self.settings {
                refuse_extras(&event, span)?;
            }
            self.take(event, span)?;
        }
        Ok(self.documents)
    }

    fn offset(&self, character: usize) -> usize {
        let within = match &self.offsets {
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.length),
            None => character.min(self.length),
        };
        self.start + within
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !tag.is_some_and(|tag| is_text(&tag));
                self.put(Node { value: Value::Scalar { text: text.into_owned(), plain }, span }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(OpenKind::Sequence(Vec::new()), span, anchor),
            Event::MappingStart(anchor, _) => {
                self.begin(OpenKind::Mapping { pairs: Vec::new(), key: None }, span, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.kind {
                    OpenKind::Sequence(items) => Value::Sequence(items),
                    OpenKind::Mapping { pairs, .. } => Value::Mapping(self.merged(pairs)?),
                };
                let end = span.end.max(open.start);
                self.put(Node { value, span: Span::new(open.start, end) }, open.anchor)
            }
            Event::Alias(anchor) => {
                // An anchor that is still open names itself: there is no end to that.
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Diagnostic::error(span, "this alias has no anchor before it"));
                };
                let node = Node { span, ..self.copy(node, span)? };
                self.copied += weight(&node);
                self.put(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn copy(&self, node: &Node, span: Span) -> Result<Node, Diagnostic> {
        let too_large = self.copied.saturating_add(weight(node)) > MAX_COPIED;
        if too_large {
            return Err(Diagnostic::error(span, "the aliases of this document make it too large"));
        }
        if self.open.len() + depth(node) > MAX_DEPTH {
            return Err(Diagnostic::error(span, format!("documents nest at most {MAX_DEPTH} deep")));
        }
        Ok(node.clone())
    }

    /// Carries out merge keys: what stands in the mapping itself wins, then the earlier of several.
    fn merged(&mut self, mut pairs: Vec<Pair>) -> Result<Vec<Pair>, Diagnostic> {
        let is_merge = |pair: &Pair| pair.key == "<<" && !pair.value.is_null() && pair.value.text().is_none();
        if self.settings || !pairs.iter().any(is_merge) {
            return Ok(pairs);
        }
        let merges: Vec<Pair> = pairs.extract_if(.., |pair| is_merge(pair)).collect();
        for merge in merges {
            let sources = match merge.value.value {
                Value::Sequence(items) => items,
                _ => vec![merge.value],
            };
            for source in sources {
                self.copied += weight(&source);
                if self.copied > MAX_COPIED {
                    let message = "the aliases of this document make it too large";
                    return Err(Diagnostic::error(merge.span, message));
                }
                let Value::Mapping(inherited) = source.value else { continue };
                for pair in inherited {
                    if !pairs.iter().any(|own| own.key == pair.key) {
                        pairs.push(pair);
                    }
                }
            }
        }
        Ok(pairs)
    }

    fn begin(&mut self, kind: OpenKind, span: Span, anchor: usize) -> Result<(), Diagnostic> {
        let (what, limit) =
            if self.settings { ("settings", MAX_DEPTH_SETTINGS) } else { ("documents", MAX_DEPTH) };
        if self.open.len() >= limit {
            return Err(Diagnostic::error(span, format!("{what} nest at most {limit} deep")));
        }
        self.open.push(Open { kind, start: span.start, anchor });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        if anchor > 0 {
            let copy = self.copy(&node, node.span)?;
            self.copied += weight(&copy);
            self.anchors.insert(anchor, copy);
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.documents.push(node),
            Some(OpenKind::Sequence(items)) => items.push(node),
            Some(OpenKind::Mapping { pairs, key }) => match key.take() {
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

/// `!!str 1` is text.
fn is_text(tag: &Tag) -> bool {
    tag.suffix == "str"
}

fn refuse_extras(event: &Event<'_>, span: Span) -> Result<(), Diagnostic> {
    let (anchor, tagged) = match event {
        Event::Alias(_) => return Err(refused(span, "aliases")),
        Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
        Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
        _ => return Ok(()),
    };
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (0, true) => Err(refused(span, "tags")),
        _ => Err(refused(span, "anchors")),
    }
}

fn refused(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(span, format!("{what} are not allowed in settings"))
}

/// Memory that a copy of a node takes, about.
fn weight(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { text, .. } => NODE + text.len(),
        Value::Sequence(items) => NODE + items.iter().map(weight).sum::<usize>(),
        Value::Mapping(pairs) => {
            NODE + pairs.iter().map(|pair| NODE + pair.key.len() + weight(&pair.value)).sum::<usize>()
        }
    }
}

fn depth(node: &Node) -> usize {
    let below = match &node.value {
        Value::Scalar { .. } => return 0,
        Value::Sequence(items) => items.iter().map(depth).max(),
        Value::Mapping(pairs) => pairs.iter().map(|pair| depth(&pair.value)).max(),
    };
    1 + below.unwrap_or(0)
}
