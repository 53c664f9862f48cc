//! Simple commands: words, assignments, redirections.

use super::parser::Parser;
use super::syntax::*;
use super::word::Until;
use crate::source::Span;

impl Parser<'_> {
    pub fn simple_or_function(&mut self) -> Option<Command> {
        let start = self.at;
        let mut end = start;
        let mut simple = Simple {
            assignments: Vec::new(),
            words: Vec::new(),
            redirects: Vec::new(),
            span: Span::default(),
        };
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect() {
                simple.redirects.push(redirect);
                end = self.at;
                continue;
            }
            if simple.words.is_empty()
                && let Some(assignment) = self.assignment()
            {
                simple.assignments.push(assignment);
                end = self.at;
                continue;
            }
            if self.starts("(")
                && simple.words.len() == 1
                && simple.assignments.is_empty()
                && let Some(name) = simple.words[0].bare().map(str::to_owned)
            {
                self.bump();
                self.blanks();
                if self.take(")") {
                    return self.function_body(name);
                }
                self.error(self.at - 1, self.at, "a parenthesis where none may stand");
                continue;
            }
            match self.word(Until::Blank) {
                Some(word) => simple.words.push(word),
                None => break,
            }
            end = self.at;
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            return None;
        }
        simple.span = self.span(start, end);
        Some(Command::Simple(simple))
    }

    /// `NAME=`, `NAME+=`, `NAME[...]=` and a value.
    pub fn assignment(&mut self) -> Option<Assignment> {
        let rest = &self.text[self.at..];
        let length =
            rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        let name = rest[..length].to_owned();
        let mut after = length;
        if rest[after..].starts_with('[') {
            after +=
                rest[after..].find(']').filter(|end| !rest[after..after + end].contains(['\n', ' ']))? + 1;
        }
        let append = rest[after..].starts_with("+=");
        let sign = if append { 2 } else { 1 };
        if !append && !rest[after..].starts_with('=') {
            return None;
        }
        let start = self.at;
        self.at += after + sign;
        let mut value = Vec::new();
        let array = self.take("(");
        if array {
            loop {
                self.lines();
                match self.word(Until::Blank) {
                    Some(word) => value.push(word),
                    None => break,
                }
            }
            if !self.take(")") {
                self.error(start, self.at, "a parenthesis that is not closed");
            }
        } else {
            let empty = self.span(self.at, self.at);
            value.push(self.word(Until::Blank).unwrap_or(Word { parts: Vec::new(), span: empty }));
        }
        Some(Assignment { name, append, value, array, span: self.span(start, self.at) })
    }

    pub fn redirect(&mut self) -> Option<Redirect> {
        let start = self.at;
        let rest = &self.text[start..];
        let digits = rest.len() - rest.trim_start_matches(|next: char| next.is_ascii_digit()).len();
        let operators: [(&str, RedirectKind); 12] = [
            ("&>>", RedirectKind::AppendBoth),
            ("&>", RedirectKind::WriteBoth),
            ("<<<", RedirectKind::String),
            ("<<-", RedirectKind::Document(0)),
            ("<<", RedirectKind::Document(0)),
            ("<&", RedirectKind::Duplicate),
            ("<>", RedirectKind::ReadWrite),
            (">>", RedirectKind::Append),
            (">&", RedirectKind::Duplicate),
            (">|", RedirectKind::Write),
            (">", RedirectKind::Write),
            ("<", RedirectKind::Read),
        ];
        let after = &rest[digits..];
        let (operator, mut kind) = operators.into_iter().find(|(operator, _)| after.starts_with(operator))?;
        if (digits > 0 && operator.starts_with('&')) || after.starts_with("<(") || after.starts_with(">(") {
            return None;
        }
        let descriptor = rest[..digits].parse().ok();
        self.at += digits + operator.len();
        self.blanks();
        let Some(target) = self.word(Until::Blank) else {
            self.error(start, self.at, "a redirection without a file");
            return Some(Redirect {
                descriptor,
                kind,
                target: Word::default(),
                span: self.span(start, self.at),
            });
        };
        if let RedirectKind::Document(index) = &mut kind {
            *index = self.script.documents.len();
            let quoted = target.parts.iter().any(|part| part.quoted);
            self.script.documents.push(Document { expand: !quoted, ..Document::default() });
            let delimiter = target.literal().unwrap_or_default();
            self.awaited.push((*index, delimiter, operator == "<<-"));
        }
        if operator == ">&" {
            let number = target
                .bare()
                .is_some_and(|text| text == "-" || text.bytes().all(|byte| byte.is_ascii_digit()));
            if !number && descriptor.is_none_or(|descriptor| descriptor == 1) {
                kind = RedirectKind::WriteBoth;
            }
        }
        Some(Redirect { descriptor, kind, target, span: self.span(start, self.at) })
    }
}
