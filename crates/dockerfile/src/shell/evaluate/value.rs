//! Words after expansion, as far as it is known.

use crate::source::Span;

/// A word of a command, after expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Value {
    /// What it is made of. Empty means the empty word.
    pub pieces: Vec<Piece>,
    /// Where the word was written.
    pub span: Span,
    /// Some of it was quoted.
    pub quoted: bool,
    /// Where its text stands within its quotes, if it is nothing but text.
    pub text_span: Option<Span>,
}

/// A stretch of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Known(String),
    /// Something that is not known; what was written for it, such as `$VERSION`.
    Unknown(String),
}

/// No word is followed beyond this many bytes.
const MAX_LENGTH: usize = 1 << 16;

impl Value {
    /// A word that is this text.
    pub fn known_text(text: impl Into<String>, span: Span) -> Value {
        let mut value = Value::empty(span);
        value.push(Piece::Known(text.into()));
        value
    }

    /// The empty word.
    pub fn empty(span: Span) -> Value {
        Value { pieces: Vec::new(), span, quoted: false, text_span: None }
    }

    /// The place of its text, without quotes where that can be told.
    pub fn inner_span(&self) -> Span {
        self.text_span.unwrap_or(self.span)
    }

    /// Whether each byte of the text stands at its place in the source.
    fn is_verbatim(&self) -> bool {
        let span = self.inner_span();
        self.known().is_some_and(|text| text.len() == span.end - span.start)
    }

    /// The whole text, where all of it is known.
    pub fn known(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Known(text)] => Some(text),
            _ => None,
        }
    }

    /// The text with what was written in place of what is not known.
    pub fn text(&self) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Known(text) | Piece::Unknown(text) => text.as_str(),
        });
        pieces.collect()
    }

    /// The known text at the beginning.
    pub fn prefix(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Known(text)) => text,
            _ => "",
        }
    }

    /// The known text at the end.
    pub fn suffix(&self) -> &str {
        match self.pieces.last() {
            Some(Piece::Known(text)) => text,
            _ => "",
        }
    }

    /// Whether nothing of it is known.
    pub fn is_unknown(&self) -> bool {
        !self.pieces.is_empty() && self.pieces.iter().all(|piece| matches!(piece, Piece::Unknown(_)))
    }

    /// Whether a known part holds this.
    pub fn contains(&self, text: &str) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Known(known) if known.contains(text)))
    }

    /// Adds a piece; known ones run together.
    pub fn push(&mut self, piece: Piece) {
        if self.pieces.len() > 64 {
            return;
        }
        match (self.pieces.last_mut(), piece) {
            (_, Piece::Known(text)) if text.is_empty() => {}
            (Some(Piece::Known(last)), Piece::Known(text)) if last.len() + text.len() <= MAX_LENGTH => {
                last.push_str(&text);
            }
            (_, Piece::Known(text)) if text.len() > MAX_LENGTH => {
                self.pieces.push(Piece::Unknown("…".into()))
            }
            (Some(Piece::Known(_)), Piece::Known(_)) => self.pieces.push(Piece::Unknown("…".into())),
            (_, piece) => self.pieces.push(piece),
        }
    }

    /// What follows a known beginning, with its place where that can be told.
    pub fn strip_prefix(&self, prefix: &str) -> Option<Value> {
        let rest = self.prefix().strip_prefix(prefix)?;
        let mut value = Value { quoted: self.quoted, ..Value::empty(self.span) };
        value.push(Piece::Known(rest.to_owned()));
        for piece in &self.pieces[1.min(self.pieces.len())..] {
            value.push(piece.clone());
        }
        if self.is_verbatim() {
            let span = self.inner_span();
            value.span = Span::new(span.start + prefix.len(), span.end);
        }
        Some(value)
    }

    /// Splits at the first of a known character: the parts before and after it.
    pub fn split_once(&self, at: char) -> Option<(Value, Value)> {
        let index =
            self.pieces.iter().position(|piece| matches!(piece, Piece::Known(text) if text.contains(at)))?;
        let Piece::Known(text) = &self.pieces[index] else { return None };
        let (before, after) = text.split_once(at)?;
        let pieces = self.pieces[..index].to_vec();
        let mut first = Value { pieces, quoted: self.quoted, ..Value::empty(self.span) };
        first.push(Piece::Known(before.to_owned()));
        let mut second = Value { quoted: self.quoted, ..Value::empty(self.span) };
        second.push(Piece::Known(after.to_owned()));
        self.pieces[index + 1..].iter().for_each(|piece| second.push(piece.clone()));
        if self.is_verbatim() {
            let span = self.inner_span();
            first.span = Span::new(span.start, span.start + before.len());
            second.span = Span::new(first.span.end + at.len_utf8(), span.end);
        }
        Some((first, second))
    }
}
