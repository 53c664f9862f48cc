//! An instruction's line taken apart: name, flags, and the rest.

use super::line::{Item, Lines, Piece};
use super::sink::Sink;
use crate::diagnostic::Diagnostic;
use crate::shell::Mapped;
use crate::source::Span;
use crate::suggest::nearest;
use crate::syntax::Word;

/// Name, flags and rest of an instruction.
#[derive(Debug)]
pub(super) struct Command<'l> {
    /// From the name to the end.
    pub whole: Piece<'l>,
    pub name: Piece<'l>,
    pub flags: Vec<Flag<'l>>,
    /// What follows the flags, without white space around it.
    pub rest: Piece<'l>,
}

/// A word that begins with `--`.
#[derive(Debug)]
pub(super) struct Flag<'l> {
    /// As written.
    pub piece: Piece<'l>,
    /// Without quotes and escapes.
    text: String,
}

impl<'l> Command<'l> {
    /// Takes a logical line, or the trigger of an ONBUILD, apart.
    pub fn split(line: Piece<'l>, escape: char) -> Command<'l> {
        let whole = line.trim();
        let (name, rest) = whole.split_word();
        let rest = rest.unwrap_or_else(|| whole.from(name.text().len()));
        let (flags, rest) = split_flags(rest, escape);
        Command { whole, name, flags, rest: rest.trim() }
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.name.text().eq_ignore_ascii_case(name)
    }

    /// The place to blame where something is missing.
    pub fn span(&self) -> Span {
        self.whole.span()
    }
}

/// What follows an instruction's name and flags, without heredocs, and where each part of it stands in the source.
pub(crate) fn command_text(source: &str, instruction: Span, escape: char) -> Option<Mapped> {
    let mut lines = Lines::new(source.get(..instruction.end.max(instruction.start))?);
    lines.offset = instruction.start;
    let Some(Item::Line(line)) = lines.next_item(escape) else { return None };
    let (text, parts) = Command::split(line.piece(), escape).rest.parts();
    Some(Mapped::of_parts(text, parts))
}

/// The flags at the beginning of a text, up to the first word that is none or a lone `--`, and the rest.
fn split_flags(text: Piece<'_>, escape: char) -> (Vec<Flag<'_>>, Piece<'_>) {
    let mut flags = Vec::new();
    let mut rest = text;
    loop {
        let skip = rest.text().len() - rest.text().trim_start().len();
        rest = rest.from(skip);
        if !rest.text().starts_with("--") {
            return (flags, rest);
        }
        let (flag, length) = flag_word(rest.text(), escape);
        let piece = rest.slice(0, length);
        rest = rest.from(length);
        if flag == "--" {
            return (flags, rest);
        }
        flags.push(Flag { piece, text: flag });
    }
}

/// The first word of a text without its quotes and escapes, and its length as written. BuildKit treats quotes here in
/// a way of its own: an escape character counts within single quotes too.
fn flag_word(text: &str, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, next)) = chars.next() {
        if quote == Some(next) {
            quote = None;
        } else if quote.is_none() && next.is_whitespace() {
            return (word, at);
        } else if quote.is_none() && matches!(next, '\'' | '"') {
            quote = Some(next);
        } else if next == escape {
            word.extend(chars.next().map(|(_, escaped)| escaped));
        } else {
            word.push(next);
        }
    }
    (word, text.len())
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing, `true` or `false`.
    Bool,
    /// A value.
    Value,
    /// A value; may be given several times.
    Values,
}

/// The flags of an instruction, checked against those it knows.
#[derive(Debug, Default)]
pub(super) struct Flags {
    values: Vec<(&'static str, Word)>,
    bools: Vec<(&'static str, bool)>,
    repeated: Vec<(&'static str, Word)>,
}

impl Flags {
    /// Reads the flags of a command; what is wrong with them is reported.
    pub fn read(command: &Command<'_>, known: &[(&'static str, Takes)], sink: &mut Sink) -> Flags {
        let mut flags = Flags::default();
        for flag in &command.flags {
            let (name, value) = match flag.text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag.text.as_str(), None),
            };
            let name_span = flag.name_span(name);
            let Some((known_name, takes)) = known.iter().find(|(known, _)| *known == &name[2..]) else {
                sink.push_error(name_span, || unknown_flag(command, name, name_span, known));
                continue;
            };
            if flags.has(known_name) {
                let found = Diagnostic::error(name_span, format!("flag `{name}` is given twice"));
                sink.push(found.label("given before"));
                continue;
            }
            match (takes, value) {
                (Takes::Bool, None) => flags.bools.push((known_name, true)),
                (Takes::Bool, Some(value)) => match value.to_lowercase().as_str() {
                    "true" => flags.bools.push((known_name, true)),
                    "false" => flags.bools.push((known_name, false)),
                    _ => {
                        let message = format!("flag `{name}` is true or false, not `{value}`");
                        sink.push(Diagnostic::error(flag.value_span(value), message));
                    }
                },
                (_, None) => {
                    let found = Diagnostic::error(name_span, format!("flag `{name}` needs a value"));
                    sink.push(found.hint(format!("write `{name}=VALUE`")));
                }
                (_, Some(value)) => {
                    let word = Word { raw: value.to_owned(), span: flag.value_span(value) };
                    let list = if *takes == Takes::Values { &mut flags.repeated } else { &mut flags.values };
                    list.push((known_name, word));
                }
            }
        }
        flags
    }

    /// Reports every flag as one that this instruction ignores, as BuildKit does without a word.
    pub fn ignore(command: &Command<'_>, sink: &mut Sink) {
        for flag in &command.flags {
            let name = command.name.text().to_uppercase();
            let text = flag.piece.text();
            sink.push(Diagnostic::warning(flag.piece.span(), format!("{name} ignores the flag `{text}`")));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(own, _)| *own == name) || self.bools.iter().any(|(own, _)| *own == name)
    }

    /// The value of a flag.
    pub fn value(&mut self, name: &str) -> Option<Word> {
        let at = self.values.iter().position(|(own, _)| *own == name)?;
        Some(self.values.swap_remove(at).1)
    }

    /// The value of a flag whose empty value means none.
    pub fn filled(&mut self, name: &str) -> Option<Word> {
        self.value(name).filter(|word| !word.raw.is_empty())
    }

    /// The values of a flag that may be repeated.
    pub fn values(&mut self, name: &str) -> Vec<Word> {
        let (found, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.repeated).into_iter().partition(|(own, _)| *own == name);
        self.repeated = others;
        found.into_iter().map(|(_, word)| word).collect()
    }

    /// A flag that is true or false, if given.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.bools.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }
}

impl Flag<'_> {
    /// Whether the text as written is the text: then offsets into one are offsets into the other.
    fn is_plain(&self) -> bool {
        self.text.len() == self.piece.text().len()
    }

    fn name_span(&self, name: &str) -> Span {
        if self.is_plain() { self.piece.slice(0, name.len()).span() } else { self.piece.span() }
    }

    /// The place of a value, which is the end of the flag.
    fn value_span(&self, value: &str) -> Span {
        if self.is_plain() && !value.is_empty() {
            return self.piece.from(self.text.len() - value.len()).span();
        }
        let equals = self.piece.text().find('=').map_or(0, |equals| equals + 1);
        if value.is_empty() { self.piece.span() } else { self.piece.from(equals).span() }
    }
}

fn unknown_flag(
    command: &Command<'_>,
    name: &str,
    span: Span,
    known: &[(&'static str, Takes)],
) -> Diagnostic {
    let instruction = command.name.text().to_uppercase();
    let found = Diagnostic::error(span, format!("unknown flag `{name}` for {instruction}"));
    if let Some(meant) = nearest(&name[2..], known.iter().map(|(known, _)| *known)) {
        return found.hint(format!("did you mean `--{meant}`?"));
    }
    if known.is_empty() {
        return found.hint(format!("{instruction} has no flags"));
    }
    let names: Vec<String> = known.iter().map(|(known, _)| format!("`--{known}`")).collect();
    found.hint(format!("{instruction} has {}", names.join(", ")))
}

/// Words of ENV, LABEL and ARG: separated by white space outside quotes, quotes and escapes still in them.
pub(super) fn quoted_words(text: Piece<'_>, escape: char) -> Vec<Quoted<'_>> {
    let mut words = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut quote = None;
    let mut chars = text.text().char_indices().peekable();
    while let Some((at, next)) = chars.next() {
        if quote.is_none() && next.is_whitespace() {
            words.extend(word.take().map(|(start, raw)| Quoted { raw, piece: text.slice(start, at) }));
            continue;
        }
        let (_, raw) = word.get_or_insert_with(|| (at, String::new()));
        if next == escape && quote != Some('\'') {
            // At the very end it is dropped, and with it the word that is nothing else.
            if let Some((_, escaped)) = chars.next() {
                raw.push(next);
                raw.push(escaped);
            }
            continue;
        }
        if quote == Some(next) {
            quote = None;
        } else if quote.is_none() && matches!(next, '\'' | '"') {
            quote = Some(next);
        }
        raw.push(next);
    }
    words.extend(word.map(|(start, raw)| Quoted { raw, piece: text.from(start) }));
    words.retain(|word| !word.raw.is_empty());
    words
}

/// A word with its quotes.
#[derive(Debug)]
pub(super) struct Quoted<'l> {
    /// The text; an escape character at the very end of the line is gone.
    pub raw: String,
    /// As written.
    pub piece: Piece<'l>,
}

impl Piece<'_> {
    /// The piece as a word.
    pub fn word(self) -> Word {
        Word { raw: self.text().to_owned(), span: self.span() }
    }
}
