//! Diagnostics as text for people and as JSON lines for programs.

mod excerpt;
#[cfg(test)]
mod tests;

use serde_json::json;

use crate::diagnostic::{Diagnostic, Level};
use crate::source::{LineColumn, Source, Span};
use excerpt::{Excerpt, visible};

/// Lines shown of a place that has more, besides its last.
const FIRST_LINES: usize = 4;

/// The diagnostics in the form that people read, with an excerpt of the text and a mark under each place. Characters
/// that a terminal would obey are shown as pictures. The whole is made for 100 columns; longer lines are cut around the
/// place.
pub fn render(source: &Source, diagnostics: &[Diagnostic], colour: bool) -> String {
    let mut places = Places::new(&source.text);
    let paint = Paint { colour };
    let rendered = diagnostics.iter().map(|found| render_one(source, found, &mut places, paint));
    rendered.collect::<Vec<String>>().join("\n")
}

/// One JSON object a line for each diagnostic: `level`, `message`, `file`, `line`, `column`, `end_line`, `end_column`,
/// and `label`, `hint` and `rule` where there are any. Lines and columns count from 1, columns in characters; the end is
/// that of the last character.
pub fn render_json(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let mut places = Places::new(&source.text);
    let mut lines = String::new();
    for found in diagnostics {
        let start = places.line_column(found.span.start);
        let last = source.text.get(found.span.range()).and_then(|text| text.char_indices().next_back());
        let end = places.line_column(found.span.start + last.map_or(0, |(at, _)| at));
        let mut object = json!({
            "level": level_name(found.level),
            "message": found.message,
            "file": source.name,
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
        });
        let more = [
            ("label", found.label.clone()),
            ("hint", found.hint.clone()),
            (
                "rule",
                found.rule.map(|rule| rule.to_string()).or_else(|| found.code.clone().map(String::from)),
            ),
        ];
        for (key, value) in more {
            if let Some(value) = value {
                object[key] = value.into();
            }
        }
        lines.push_str(&object.to_string());
        lines.push('\n');
    }
    lines
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "info",
    }
}

fn render_one(source: &Source, found: &Diagnostic, places: &mut Places<'_>, paint: Paint) -> String {
    let tint = match found.level {
        Level::Error => Paint::RED,
        Level::Warning => Paint::YELLOW,
        Level::Info => Paint::BLUE,
    };
    let rule = found.rule.map(|rule| rule.to_string().into()).or_else(|| found.code.clone());
    let rule = rule.map(|rule| format!("[{}]", visible(&rule))).unwrap_or_default();
    let level = paint.with(tint, &format!("{}{rule}", level_name(found.level)));
    let message = paint.with(Paint::BOLD, &format!(": {}", visible(&found.message)));
    let at = places.line_column(found.span.start);
    let excerpt = Excerpt::new(&source.text, places.lines_of(found.span), found.span);
    let width = excerpt.gutter_width(at.line);
    let gutter = |text: &str, sign: &str| paint.with(Paint::BLUE, &format!("{text:>width$}{sign}"));

    let mut out = format!("{level}{message}\n");
    let place = format!("{}:{}:{}", visible(&source.name), at.line, at.column);
    out.push_str(&format!("{} {place}\n", gutter("", "╭▸")));
    let label = found.label.as_deref().map(visible).unwrap_or_default();
    for row in excerpt.rows(&label) {
        let number = row.number.map(|number| number.to_string()).unwrap_or_default();
        out.push_str(&gutter(&number, "│"));
        if !(row.text.is_empty() && row.mark.is_empty()) {
            out.push_str(&format!(" {}{}", paint.with(tint, &row.mark), row.text));
        }
        out.push('\n');
    }
    if let Some(hint) = &found.hint {
        out.push_str(&format!(
            "{} {} {}\n",
            gutter("", "╰"),
            paint.with(Paint::BOLD, "hint:"),
            visible(hint)
        ));
    }
    out
}

/// Colour, or none.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    const BOLD: &str = "1";
    const RED: &str = "1;31";
    const YELLOW: &str = "1;33";
    const BLUE: &str = "1;34";

    fn with(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Lines and columns of a text. Remembers the last answer, so that a thousand questions about one long line in order
/// cost no more than one.
struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
    last: (usize, LineColumn),
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Places<'t> {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Places { text, starts, last: (0, LineColumn { line: 1, column: 1 }) }
    }

    fn line_index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    fn line_column(&mut self, offset: usize) -> LineColumn {
        let offset = offset.min(self.text.len());
        let index = self.line_index(offset);
        let (before, known) = self.last;
        let column = if known.line == index + 1 && before <= offset {
            known.column + self.count(before, offset)
        } else {
            1 + self.count(self.starts[index], offset)
        };
        self.last = (offset, LineColumn { line: index + 1, column });
        self.last.1
    }

    /// Characters between two offsets; a byte order mark is none.
    fn count(&self, from: usize, to: usize) -> usize {
        let text = self.text.get(from..to).unwrap_or_default();
        text.chars().count() - usize::from(from == 0 && text.starts_with('\u{feff}'))
    }

    /// The lines that a span touches, each with its number and offsets, without line ends. Of many only the first and
    /// the last.
    fn lines_of(&self, span: Span) -> Vec<(usize, Span)> {
        let first = self.line_index(span.start.min(self.text.len()));
        let last =
            self.line_index(span.end.max(span.start + 1).saturating_sub(1).min(self.text.len())).max(first);
        let shown = (first..last).take(FIRST_LINES).chain([last]);
        let lines = shown.map(|index| {
            let start = self.starts[index];
            let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
            let line = self.text[start..end].trim_end_matches('\r');
            (index + 1, Span::new(start, start + line.len()))
        });
        lines.collect()
    }
}
