//! Expansion of words.

use super::state::State;
use super::value::{Piece, Value};
use crate::shell::syntax::{List, Operator, Parameter, Part, PartKind, Script, Word};
use crate::source::Span;

impl<'s> State<'s> {
    /// A word as a list of words: an unquoted variable is split at white space, braces are expanded.
    pub fn words(&mut self, word: &'s Word, script: &'s Script) -> Vec<Value> {
        let mut done = Vec::new();
        let mut value = Value::empty(word.span);
        let mut begun = false;
        for part in &word.parts {
            value.quoted |= part.quoted;
            let pieces = self.part(part, script);
            let splits = !part.quoted && !matches!(part.kind, PartKind::Text(_));
            if !splits {
                begun |= part.quoted || !pieces.is_empty();
                pieces.into_iter().for_each(|piece| value.push(piece));
                continue;
            }
            for piece in pieces {
                let Piece::Known(text) = piece else {
                    begun = true;
                    value.push(piece);
                    continue;
                };
                for (index, field) in text.split(char::is_whitespace).enumerate() {
                    if index > 0 && begun {
                        let next = Value { quoted: value.quoted, ..Value::empty(word.span) };
                        done.push(std::mem::replace(&mut value, next));
                        begun = false;
                    }
                    if !field.is_empty() {
                        begun = true;
                        value.push(Piece::Known(field.to_owned()));
                    }
                }
            }
        }
        value.text_span = only_text(word);
        if begun {
            done.push(value);
        }
        match (word.bare(), done.as_slice()) {
            (Some(text), [_]) if text.contains('{') => braces(text, word.span),
            _ => done,
        }
    }

    /// A word as one word, as in an assignment.
    pub fn value(&mut self, word: &'s Word, script: &'s Script) -> Value {
        let mut value = Value::empty(word.span);
        for part in &word.parts {
            value.quoted |= part.quoted;
            self.part(part, script).into_iter().for_each(|piece| value.push(piece));
        }
        value.text_span = only_text(word);
        value
    }

    fn part(&mut self, part: &'s Part, script: &'s Script) -> Vec<Piece> {
        match &part.kind {
            PartKind::Text(text) => vec![Piece::Known(text.clone())],
            PartKind::Arithmetic => vec![Piece::Unknown("$((…))".into())],
            PartKind::Command(list) => self.substitution(list, script),
            PartKind::Parameter(parameter) => self.parameter(parameter, script),
        }
    }

    /// The output of commands: not known, but for `echo` with known words.
    fn substitution(&mut self, list: &'s List, script: &'s Script) -> Vec<Piece> {
        let first = self.count();
        self.in_substitution(list, script);
        let said = self.since(first);
        if let [only] = said {
            let plain = only.redirects.is_empty() && only.stages == 1;
            let words: Option<Vec<&str>> = only.arguments().iter().map(Value::known).collect();
            if let (Some("echo"), true, Some(words)) = (only.program(), plain, words) {
                let words: Vec<&str> = words.into_iter().filter(|word| *word != "-n").collect();
                return vec![Piece::Known(words.join(" "))];
            }
        }
        let name = said.first().and_then(|first| first.program()).unwrap_or("…").to_owned();
        vec![Piece::Unknown(format!("$({name})"))]
    }

    fn parameter(&mut self, parameter: &'s Parameter, script: &'s Script) -> Vec<Piece> {
        let name = &parameter.name;
        let unknown = || vec![Piece::Unknown(format!("${name}"))];
        let current = self.lookup(name);
        let word = |state: &mut Self| {
            let word = parameter.word.as_deref();
            word.map(|word| state.value(word, script).pieces).unwrap_or_default()
        };
        match (parameter.operator, current) {
            (Operator::None, Lookup::Known(text)) => vec![Piece::Known(text)],
            // A variable that nobody sets is empty, but a base image or the caller may have set it.
            (Operator::None, _) | (Operator::Other, _) => unknown(),
            (Operator::Default(empty) | Operator::Assign(empty), Lookup::Known(text)) => {
                if text.is_empty() && empty { word(self) } else { vec![Piece::Known(text)] }
            }
            (Operator::Default(_) | Operator::Assign(_), Lookup::Unset) => word(self),
            (Operator::Default(_) | Operator::Assign(_), Lookup::Unknown) => unknown(),
            (Operator::Alternative(empty), Lookup::Known(text)) => {
                if text.is_empty() && empty {
                    Vec::new()
                } else {
                    word(self)
                }
            }
            (Operator::Alternative(_), Lookup::Unset) => Vec::new(),
            (Operator::Alternative(_), Lookup::Unknown) => unknown(),
            (Operator::Require(_), Lookup::Known(text)) => vec![Piece::Known(text)],
            (Operator::Require(_), _) => unknown(),
            (operator, Lookup::Known(text)) => {
                let pattern = literal(&word(self));
                let more = parameter.more.as_deref().map(|more| self.value(more, script));
                let replacement = more.map_or(Some(String::new()), |more| more.known().map(str::to_owned));
                match (pattern, replacement) {
                    (Some(pattern), Some(replacement)) => altered(&text, operator, &pattern, &replacement)
                        .map_or_else(unknown, |text| vec![Piece::Known(text)]),
                    _ => unknown(),
                }
            }
            (_, _) => unknown(),
        }
    }
}

/// What is known of a variable.
pub(super) enum Lookup {
    Known(String),
    Unknown,
    Unset,
}

/// The place of the text of a word that is nothing else, within its quotes.
fn only_text(word: &Word) -> Option<Span> {
    match word.parts.as_slice() {
        [Part { kind: PartKind::Text(_), span, .. }] => Some(*span),
        _ => None,
    }
}

fn literal(pieces: &[Piece]) -> Option<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Known(text) => Some(text.as_str()),
            Piece::Unknown(_) => None,
        })
        .collect()
}

/// `${v#p}` and its relatives. Patterns may hold `*` at one end; others are not followed.
fn altered(text: &str, operator: Operator, pattern: &str, replacement: &str) -> Option<String> {
    let star = |pattern: &str| pattern.contains(['*', '?', '[']);
    match operator {
        Operator::TrimStart(longest) => match pattern.strip_prefix('*') {
            Some(rest) if !star(rest) && !rest.is_empty() => {
                let at = if longest { text.rfind(rest) } else { text.find(rest) };
                Some(at.map_or(text, |at| &text[at + rest.len()..]).to_owned())
            }
            None if !star(pattern) => Some(text.strip_prefix(pattern).unwrap_or(text).to_owned()),
            _ => None,
        },
        Operator::TrimEnd(longest) => match pattern.strip_suffix('*') {
            Some(rest) if !star(rest) && !rest.is_empty() => {
                let at = if longest { text.find(rest) } else { text.rfind(rest) };
                Some(at.map_or(text, |at| &text[..at]).to_owned())
            }
            None if !star(pattern) => Some(text.strip_suffix(pattern).unwrap_or(text).to_owned()),
            _ => None,
        },
        Operator::Replace(all) if !star(pattern) && !pattern.is_empty() && replacement.len() < 1000 => {
            Some(if all {
                text.replace(pattern, replacement)
            } else {
                text.replacen(pattern, replacement, 1)
            })
        }
        _ => None,
    }
}

/// `{a,b}` in a word, once; ranges and nesting stay as they are.
fn braces(text: &str, span: Span) -> Vec<Value> {
    let whole = || vec![Value::known_text(text, span)];
    let Some(open) = text.find('{') else { return whole() };
    let Some(length) = text[open..].find('}') else { return whole() };
    let (before, inside, after) = (&text[..open], &text[open + 1..open + length], &text[open + length + 1..]);
    if !inside.contains(',') || inside.contains('{') || before.ends_with('$') {
        return whole();
    }
    let choices = inside.split(',').take(64);
    choices.map(|choice| Value::known_text(format!("{before}{choice}{after}"), span)).collect()
}
