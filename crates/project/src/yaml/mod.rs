//! YAML text as trees that know where everything stands.
//!
//! [`parse`] reads a file of any number of documents, as manifests are, and never fails: a document that is not YAML is a
//! diagnostic, and those around it are still read. [`parse_one`] reads a file that people write for Kapok: one document
//! without anchors, aliases and tags. Either way a tree is bounded in size and depth, whatever the text.

mod node;
mod read;
#[cfg(test)]
mod tests;

use dockerfile::{Diagnostic, Span};

pub use node::{Node, Pair, Value, duplicate};
use read::Reader;

/// No file that a person wrote is larger, and no list of manifests that one would want to read; a larger one is a mistake
/// or an attack.
pub const MAX_BYTES: usize = 4 << 20;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The documents that could be read, empty ones left out, in the order of the text. Spans are of the whole text.
    pub documents: Vec<Node>,
    /// Why others could not.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file of manifests. Aliases stand for what their anchors name, merge keys (`<<`) are carried out, tags other than
/// `!!str` mean nothing.
pub fn parse(text: &str) -> Documents {
    let mut found = Documents::default();
    if text.len() > MAX_BYTES {
        found.diagnostics.push(Diagnostic::error(Span::new(0, 0), "the file is larger than 4 MiB"));
        return found;
    }
    for (start, part) in parts(text) {
        match Reader::manifests(start, part).read(part) {
            Ok(documents) => found.documents.extend(documents.into_iter().filter(|node| !node.is_null())),
            Err(diagnostic) => found.diagnostics.push(diagnostic),
        }
    }
    found
}

/// Reads a file that is written for Kapok; an empty one is an empty mapping. Anchors, aliases and tags are refused, so that
/// a tree is no larger than its text.
pub fn parse_one(text: &str) -> Result<Node, Diagnostic> {
    if text.len() > MAX_BYTES {
        return Err(Diagnostic::error(Span::new(0, 0), "the file is larger than 4 MiB"));
    }
    let documents = Reader::settings(text).read(text)?;
    let document = documents.into_iter().next().filter(|node| !node.is_null());
    Ok(document.unwrap_or(Node { value: Value::Mapping(Vec::new()), span: Span::new(0, 0) }))
}

/// Fuzzing's entry: any bytes come back as trees and diagnostics whose places are in the text.
pub fn fuzz_yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = parse(text);
    for span in found.diagnostics.iter().map(|diagnostic| diagnostic.span) {
        assert!(text.get(span.range()).is_some(), "{span:?}");
    }
    found.documents.iter().for_each(|node| check_spans(node, text));
    if let Ok(node) = parse_one(text) {
        check_spans(&node, text);
    }
}

fn check_spans(node: &Node, text: &str) {
    assert!(text.get(node.span.range()).is_some(), "{:?}", node.span);
    node.items().iter().for_each(|item| check_spans(item, text));
    node.pairs().iter().for_each(|pair| check_spans(&pair.value, text));
}

/// The documents of a text, each with the offset that it begins at. `---` in the first column always begins one, whatever
/// stands around it, so one that is broken does not spoil the next.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marks = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marks && !only_directives(&text[*starts.last().unwrap_or(&0)..at]) {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| (pair[0], &text[pair[0]..pair[1]])).collect()
}

/// Whether nothing but comments and `%YAML` stands before a document's `---`.
fn only_directives(text: &str) -> bool {
    let empty = |line: &str| {
        let line = line.trim_start_matches('\u{feff}').trim();
        line.is_empty() || line.starts_with(['#', '%'])
    };
    text.lines().all(empty)
}
