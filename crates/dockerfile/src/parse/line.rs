//! Logical lines: physical lines joined at continuations, without the comments and blank lines between them.

use crate::source::Span;

/// A logical line and where each part of it came from.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The joined text.
    pub text: String,
    /// Offsets at which a physical line's text begins: in the logical line, and in the source.
    segments: Vec<(usize, usize)>,
    /// Blank lines within the continuation.
    pub blanks: Option<Span>,
}

/// A part of a logical line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'l> {
    line: &'l Line,
    start: usize,
    end: usize,
}

impl Line {
    /// The whole line.
    pub fn piece(&self) -> Piece<'_> {
        Piece { line: self, start: 0, end: self.text.len() }
    }

    /// Where in the source the byte at an offset of the logical line stands.
    fn source_offset(&self, offset: usize) -> usize {
        let after = self.segments.partition_point(|(logical, _)| *logical <= offset);
        let (logical, source) = self.segments[after.saturating_sub(1)];
        source + (offset - logical)
    }

    fn push(&mut self, text: &str, source: usize) {
        if !text.is_empty() || self.segments.is_empty() {
            self.segments.push((self.text.len(), source));
            self.text.push_str(text);
        }
    }
}

impl<'l> Piece<'l> {
    pub fn text(self) -> &'l str {
        &self.line.text[self.start..self.end]
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// A part of this part, by offsets into [`Piece::text`].
    pub fn slice(self, start: usize, end: usize) -> Piece<'l> {
        debug_assert!(start <= end && self.start + end <= self.end);
        Piece { line: self.line, start: self.start + start, end: self.start + end }
    }

    /// What follows an offset.
    pub fn from(self, start: usize) -> Piece<'l> {
        self.slice(start, self.end - self.start)
    }

    /// The text with the offsets at which its parts begin, in it and in the source.
    pub fn parts(self) -> (String, Vec<(usize, usize)>) {
        let first = (0, self.line.source_offset(self.start));
        let inner = self.line.segments.iter().filter(|(at, _)| self.start < *at && *at < self.end);
        let parts =
            std::iter::once(first).chain(inner.map(|(at, source)| (at - self.start, *source))).collect();
        (self.text().to_owned(), parts)
    }

    /// Without white space at both ends.
    pub fn trim(self) -> Piece<'l> {
        let text = self.text();
        let left = text.len() - text.trim_start().len();
        self.slice(left, left + text.trim().len())
    }

    /// The place in the source. It covers what stands between where a continuation runs through.
    pub fn span(self) -> Span {
        if self.is_empty() {
            // Just after the character before, so that it never points into the next line.
            let at = if self.start == 0 {
                self.line.source_offset(0)
            } else {
                self.line.source_offset(self.start - 1) + 1
            };
            return Span::new(at, at);
        }
        Span::new(self.line.source_offset(self.start), self.line.source_offset(self.end - 1) + 1)
    }

    /// Up to the first run of white space that separates words (which is not all that Unicode calls white space),
    /// and what follows that run, if there is one.
    pub fn split_word(self) -> (Piece<'l>, Option<Piece<'l>>) {
        let text = self.text();
        let Some(end) = text.find(is_separator) else { return (self, None) };
        let rest = text[end..].find(|next| !is_separator(next)).map_or(text.len(), |skip| end + skip);
        (self.slice(0, end), Some(self.from(rest)))
    }

    /// All the words between runs of separating white space. Empty for an empty piece; a separator at an end gives an
    /// empty word there.
    pub fn split_words(self) -> Vec<Piece<'l>> {
        let mut words = Vec::new();
        let mut rest = if self.is_empty() { None } else { Some(self) };
        while let Some(piece) = rest {
            let (word, following) = piece.split_word();
            words.push(word);
            rest = following;
        }
        words
    }
}

/// White space between the words of an instruction.
pub(super) fn is_separator(next: char) -> bool {
    matches!(next, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Reads a text line by line.
pub(super) struct Lines<'t> {
    text: &'t str,
    /// Where the next physical line begins.
    pub offset: usize,
}

/// A physical line without its line end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Physical<'t> {
    pub text: &'t str,
    pub start: usize,
}

impl<'t> Lines<'t> {
    /// Of a whole text; a byte order mark is skipped.
    pub fn new(text: &'t str) -> Lines<'t> {
        let offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Lines { text, offset }
    }

    /// The next line with its line end.
    pub fn next_raw(&mut self) -> Option<Physical<'t>> {
        let start = self.offset;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        self.offset += length;
        Some(Physical { text: &rest[..length], start })
    }

    fn next(&mut self) -> Option<Physical<'t>> {
        let line = self.next_raw()?;
        Some(Physical { text: line.text.trim_end_matches(['\r', '\n']), ..line })
    }

    /// The next logical line, or a comment.
    pub fn next_item(&mut self, escape: char) -> Option<Item<'t>> {
        let first = self.next()?;
        let trimmed = first.text.trim_start();
        let start = first.start + (first.text.len() - trimmed.len());
        if trimmed.starts_with('#') {
            return Some(Item::Comment(Physical { text: trimmed, start }));
        }
        if trimmed.is_empty() {
            return Some(Item::Blank);
        }
        let mut line = Line::default();
        let (text, mut continues) = trim_continuation(trimmed, escape);
        line.push(text, start);
        while continues {
            let Some(next) = self.next() else { break };
            let trimmed = next.text.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                line.blanks.get_or_insert(Span::new(next.start, next.start));
                continue;
            }
            let (text, more) = trim_continuation(next.text, escape);
            line.push(text, next.start);
            continues = more;
        }
        Some(Item::Line(line))
    }
}

/// What [`Lines::next_item`] finds.
pub(super) enum Item<'t> {
    /// A line that begins with `#`, from there on.
    Comment(Physical<'t>),
    /// A line of white space.
    Blank,
    /// A logical line.
    Line(Line),
}

/// The line without the escape character at its end, and whether it had one. An escape character that is itself
/// escaped does not continue a line.
fn trim_continuation(text: &str, escape: char) -> (&str, bool) {
    let Some(before) = text.trim_end_matches([' ', '\t']).strip_suffix(escape) else { return (text, false) };
    if before.ends_with(escape) { (text, false) } else { (before, true) }
}
