//! Words: quotes, variables, substitutions.

use super::parser::Parser;
use super::syntax::{List, Operator, Parameter, Part, PartKind, Word};

/// Where a word ends, besides the end of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// At white space and operators.
    Blank,
    /// At the `}` that ends a substitution; white space belongs to the word.
    Brace,
    /// At the `/` or `}` of a replacement.
    Slash,
    /// Nowhere: the content of a document.
    End,
}

/// Collects the parts of a word.
struct Parts {
    parts: Vec<Part>,
    text: String,
    quoted: bool,
    start: usize,
}

impl Parts {
    fn push(&mut self, next: char, at: usize, quoted: bool, parser: &mut Parser<'_>) {
        if !self.text.is_empty() && self.quoted != quoted {
            self.flush(at, parser);
        }
        if self.text.is_empty() {
            self.start = at;
            self.quoted = quoted;
        }
        self.text.push(next);
    }

    fn flush(&mut self, end: usize, parser: &mut Parser<'_>) {
        if !self.text.is_empty() {
            if self.quoted {
                parser.remember(&self.text, self.start, end);
            }
            let kind = PartKind::Text(std::mem::take(&mut self.text));
            self.parts.push(Part { kind, quoted: self.quoted, span: parser.span(self.start, end) });
        }
    }

    fn add(&mut self, kind: PartKind, quoted: bool, start: usize, parser: &mut Parser<'_>) {
        self.flush(start, parser);
        self.parts.push(Part { kind, quoted, span: parser.span(start, parser.at) });
    }
}

impl Parser<'_> {
    /// Reads a word. Nothing where none begins.
    pub(super) fn word(&mut self, until: Until) -> Option<Word> {
        let start = self.at;
        let mut parts = Parts { parts: Vec::new(), text: String::new(), quoted: false, start };
        let mut some = until != Until::Blank;
        while let Some(next) = self.peek() {
            let at = self.at;
            match next {
                '\\' if until == Until::End => self.document_escape(&mut parts),
                '\'' if until != Until::End => self.single_quoted(&mut parts),
                '"' if until != Until::End => self.double_quoted(&mut parts),
                '\\' => {
                    self.bump();
                    match self.peek() {
                        Some('\n') => self.bump(),
                        Some(escaped) => {
                            self.bump();
                            parts.push(escaped, at, true, self);
                        }
                        None => parts.push('\\', at, false, self),
                    }
                }
                '$' => self.dollar(&mut parts, until == Until::End),
                '`' => self.backticks(&mut parts, until == Until::End),
                '<' | '>' if until == Until::Blank && self.text[at + 1..].starts_with('(') && at == start => {
                    self.bump();
                    self.bump();
                    let list = self.nested(|parser| parser.list_until_paren());
                    parts.add(PartKind::Command(list), false, at, self);
                }
                '}' if matches!(until, Until::Brace | Until::Slash) => break,
                '/' if until == Until::Slash => break,
                _ if until == Until::Blank && is_delimiter(next) => break,
                _ => {
                    self.bump();
                    parts.push(next, at, false, self);
                }
            }
            some = true;
        }
        parts.flush(self.at, self);
        some.then(|| Word { parts: parts.parts, span: self.span(start, self.at) })
    }

    fn single_quoted(&mut self, parts: &mut Parts) {
        let open = self.at;
        self.bump();
        let begin = self.at;
        let length = self.text[begin..].find('\'');
        let end = length.map_or(self.text.len(), |length| begin + length);
        let text = self.text[begin..end].to_owned();
        self.at = (end + 1).min(self.text.len());
        if length.is_none() {
            self.error(open, open + 1, "a quote that is not closed");
        }
        // The part is what stands between the quotes, so that places within it can be told.
        parts.flush(open, self);
        self.remember(&text, begin, end);
        let span = self.span(begin, end);
        parts.parts.push(Part { kind: PartKind::Text(text), quoted: true, span });
    }

    fn double_quoted(&mut self, parts: &mut Parts) {
        let open = self.at;
        self.bump();
        let mut some = false;
        parts.flush(open, self);
        loop {
            let at = self.at;
            match self.peek() {
                None => {
                    self.error(open, open + 1, "a quote that is not closed");
                    break;
                }
                Some('"') => break,
                Some('\\') => {
                    self.bump();
                    match self.peek() {
                        Some('\n') => self.bump(),
                        Some(escaped @ ('$' | '`' | '"' | '\\')) => {
                            self.bump();
                            parts.push(escaped, at, true, self);
                        }
                        _ => parts.push('\\', at, true, self),
                    }
                }
                Some('$') => self.dollar(parts, true),
                Some('`') => self.backticks(parts, true),
                Some(next) => {
                    self.bump();
                    parts.push(next, at, true, self);
                }
            }
            some = true;
        }
        parts.flush(self.at, self);
        if !some {
            let span = self.span(open, self.at);
            parts.parts.push(Part { kind: PartKind::Text(String::new()), quoted: true, span });
        }
        if self.peek() == Some('"') {
            self.bump();
        }
    }

    fn document_escape(&mut self, parts: &mut Parts) {
        let at = self.at;
        self.bump();
        match self.peek() {
            Some('\n') => self.bump(),
            Some(escaped @ ('$' | '`' | '\\')) => {
                self.bump();
                parts.push(escaped, at, true, self);
            }
            _ => parts.push('\\', at, true, self),
        }
    }

    /// `$` and what follows it.
    fn dollar(&mut self, parts: &mut Parts, quoted: bool) {
        let start = self.at;
        self.bump();
        let rest = &self.text[self.at..];
        let kind = if rest.starts_with("((") {
            self.at += 2;
            self.arithmetic_end();
            PartKind::Arithmetic
        } else if rest.starts_with('(') {
            self.bump();
            PartKind::Command(self.nested(|parser| parser.list_until_paren()))
        } else if rest.starts_with('{') {
            self.bump();
            PartKind::Parameter(self.braced())
        } else if rest.starts_with('\'') && !quoted {
            return self.ansi_quoted(parts, start);
        } else if rest.starts_with('"') && !quoted {
            return self.double_quoted(parts);
        } else {
            let name = parameter_name(rest);
            if name.is_empty() {
                return parts.push('$', start, quoted, self);
            }
            self.at += name.len();
            PartKind::Parameter(plain(name.to_owned()))
        };
        parts.add(kind, quoted, start, self);
    }

    /// `$'...'`: of its escapes only those that people write are undone.
    fn ansi_quoted(&mut self, parts: &mut Parts, start: usize) {
        self.bump();
        parts.flush(start, self);
        let mut text = String::new();
        while let Some(next) = self.peek() {
            self.bump();
            match next {
                '\'' => break,
                '\\' => match self.peek() {
                    Some(escaped) => {
                        self.bump();
                        text.push(match escaped {
                            'n' => '\n',
                            't' => '\t',
                            'r' => '\r',
                            other => other,
                        });
                    }
                    None => break,
                },
                other => text.push(other),
            }
        }
        parts.add(PartKind::Text(text), true, start, self);
    }

    /// What stands in backticks is a script of its own, in which `\` escapes once more.
    fn backticks(&mut self, parts: &mut Parts, quoted: bool) {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    self.error(start, start + 1, "a backtick that is not closed");
                    break;
                }
                Some('`') => {
                    self.bump();
                    break;
                }
                Some('\\') => {
                    self.bump();
                    match self.peek() {
                        Some(escaped @ ('$' | '`' | '\\')) => {
                            self.bump();
                            text.push(escaped);
                        }
                        _ => text.push('\\'),
                    }
                }
                Some(next) => {
                    self.bump();
                    text.push(next);
                }
            }
        }
        let list = self.inner(text, start);
        parts.add(PartKind::Command(list), quoted, start, self);
    }

    /// `${` is read already.
    fn braced(&mut self) -> Parameter {
        let open = self.at - 1;
        if self.text[self.at..].starts_with('#') && !self.text[self.at..].starts_with("#}") {
            self.bump();
            let name = parameter_name(&self.text[self.at..]).to_owned();
            self.at += name.len();
            self.close_brace(open);
            return Parameter { operator: Operator::Other, ..plain(name) };
        }
        if self.peek() == Some('!') {
            self.bump();
            let name = parameter_name(&self.text[self.at..]).to_owned();
            self.at += name.len();
            self.close_brace(open);
            return Parameter { operator: Operator::Other, ..plain(name) };
        }
        let name = parameter_name(&self.text[self.at..]).to_owned();
        self.at += name.len();
        if self.peek() == Some('[') {
            // An element of an array: which one is not followed.
            let length = self.text[self.at..].find(']').map_or(0, |length| length + 1);
            self.at += length;
            self.close_brace(open);
            return Parameter { operator: Operator::Other, ..plain(name) };
        }
        let operator = self.operator();
        let mut parameter = Parameter { operator, ..plain(name) };
        if !matches!(operator, Operator::None | Operator::Other) {
            let until = if matches!(operator, Operator::Replace(_)) { Until::Slash } else { Until::Brace };
            parameter.word = self.nested_word(until).map(Box::new);
            if self.peek() == Some('/') {
                self.bump();
                parameter.more = self.nested_word(Until::Brace).map(Box::new);
            }
        }
        self.close_brace(open);
        parameter
    }

    fn operator(&mut self) -> Operator {
        let rest = &self.text[self.at..];
        let (operator, length) = match rest.as_bytes() {
            [b'}', ..] | [] => (Operator::None, 0),
            [b':', b'-', ..] => (Operator::Default(true), 2),
            [b':', b'=', ..] => (Operator::Assign(true), 2),
            [b':', b'+', ..] => (Operator::Alternative(true), 2),
            [b':', b'?', ..] => (Operator::Require(true), 2),
            [b'-', ..] => (Operator::Default(false), 1),
            [b'=', ..] => (Operator::Assign(false), 1),
            [b'+', ..] => (Operator::Alternative(false), 1),
            [b'?', ..] => (Operator::Require(false), 1),
            [b'#', b'#', ..] => (Operator::TrimStart(true), 2),
            [b'#', ..] => (Operator::TrimStart(false), 1),
            [b'%', b'%', ..] => (Operator::TrimEnd(true), 2),
            [b'%', ..] => (Operator::TrimEnd(false), 1),
            [b'/', b'/', ..] => (Operator::Replace(true), 2),
            [b'/', ..] => (Operator::Replace(false), 1),
            _ => (Operator::Other, 0),
        };
        self.at += length;
        operator
    }

    /// Up to and with the `}` that ends a substitution; what stands before it is not followed.
    fn close_brace(&mut self, open: usize) {
        let mut depth = 0;
        while let Some(next) = self.peek() {
            self.bump();
            match next {
                '{' => depth += 1,
                '}' if depth == 0 => return,
                '}' => depth -= 1,
                '\\' if self.peek().is_some() => self.bump(),
                _ => {}
            }
        }
        self.error(open, open + 1, "a `${` that is not closed");
    }

    fn nested_word(&mut self, until: Until) -> Option<Word> {
        if !self.enter() {
            return None;
        }
        let word = self.word(until);
        self.leave();
        word
    }

    /// A list within a word.
    fn nested(&mut self, read: impl FnOnce(&mut Self) -> List) -> List {
        if !self.enter() {
            return List::default();
        }
        let list = read(self);
        self.leave();
        list
    }
}

fn plain(name: String) -> Parameter {
    Parameter { name, operator: Operator::None, word: None, more: None }
}

/// The name of a variable at the beginning of a text; of the special ones one character.
fn parameter_name(text: &str) -> &str {
    let first = text.chars().next().unwrap_or(' ');
    if first.is_ascii_alphabetic() || first == '_' {
        let length =
            text.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(text.len());
        return &text[..length];
    }
    if first.is_ascii_digit() || "@*#?$!-".contains(first) { &text[..1] } else { "" }
}

/// What ends a word outside quotes.
pub(super) fn is_delimiter(next: char) -> bool {
    matches!(next, ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
