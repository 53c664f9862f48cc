//! A judgement for people, for programs, and for code hosts; a rule's page.

mod human;
mod json;
mod page;
mod sarif;

use std::collections::HashMap;

use dockerfile::LineColumn;

use crate::facts::{Facts, SourceId};
use crate::finding::Place;

pub use human::{human, summary};
pub use json::json;
pub use page::{index, page};
pub use sarif::sarif;

/// JSON over several lines, with a newline at its end.
fn pretty(value: &impl serde::Serialize) -> String {
    // Texts and numbers under plain keys: there is nothing that JSON could not say.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// Lines and columns of places, each text's lines counted once.
struct Places<'a> {
    facts: &'a Facts,
    starts: HashMap<SourceId, Vec<usize>>,
}

impl<'a> Places<'a> {
    fn new(facts: &'a Facts) -> Places<'a> {
        Places { facts, starts: HashMap::new() }
    }

    /// The first character of a place.
    fn start(&mut self, place: Place) -> LineColumn {
        self.at(place.source, place.span.start)
    }

    /// The last character of a place.
    fn end(&mut self, place: Place) -> LineColumn {
        let text = self.facts.text(place);
        let last = text.trim_end_matches('\n').char_indices().next_back().map_or(0, |(at, _)| at);
        self.at(place.source, place.span.start + last)
    }

    fn at(&mut self, source: SourceId, offset: usize) -> LineColumn {
        let text = &self.facts.source(source).text;
        let starts = self.starts.entry(source).or_insert_with(|| {
            let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        });
        let offset = offset.min(text.len());
        let line = starts.partition_point(|start| *start <= offset);
        let before = text.get(starts[line - 1]..offset).unwrap_or_default();
        let mark = usize::from(line == 1 && before.starts_with('\u{feff}'));
        LineColumn { line, column: before.chars().count() + 1 - mark }
    }
}
