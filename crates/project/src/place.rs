//! Places in the repository's files, and texts that know their lines.

use std::fmt;
use std::sync::Arc;

use dockerfile::{LineColumn, Span};

/// A place in a file of the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, from the repository's root, with `/` between directories.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The bytes in the file's text. Of a text within another file (an inline Dockerfile) those of its whole.
    pub span: Span,
}

impl Place {
    /// The beginning of a file.
    pub fn start(file: &str) -> Place {
        Place { file: file.into(), line: 1, column: 1, span: Span::new(0, 0) }
    }
}

impl fmt::Display for Place {
    /// `file:line:column`, as editors take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A file's text, which can name its places quickly however many are asked for.
#[derive(Clone, Debug)]
pub struct Text {
    /// The file.
    pub file: Arc<str>,
    /// Its content.
    pub text: Arc<str>,
    /// Where its lines begin.
    lines: Arc<[usize]>,
}

impl Text {
    /// A file and what it holds.
    pub fn new(file: &str, text: &str) -> Text {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Text { file: file.into(), text: text.into(), lines: std::iter::once(0).chain(starts).collect() }
    }

    /// The place of some bytes.
    pub fn place(&self, span: Span) -> Place {
        let LineColumn { line, column } = self.line_column(span.start);
        Place { file: self.file.clone(), line, column, span }
    }

    fn line_column(&self, offset: usize) -> LineColumn {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let before = &self.text[start..offset];
        let mark = usize::from(start == 0 && before.starts_with('\u{feff}'));
        LineColumn { line, column: before.chars().count() - mark + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_editors() {
        let text = Text::new("a/b", "\u{feff}äb\n\nxyz");
        for offset in 0..text.text.len() + 2 {
            assert_eq!(text.line_column(offset), dockerfile::line_column(&text.text, offset), "{offset}");
        }
        assert_eq!(text.place(Span::new(9, 10)).to_string(), "a/b:3:2");
    }
}
