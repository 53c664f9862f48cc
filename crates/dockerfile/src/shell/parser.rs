//! Lists, pipelines and compound commands.

use super::mapped::Mapped;
use super::syntax::*;
use super::word::{Until, is_delimiter};
use crate::source::Span;

/// Commands within commands, and words within words, as deep as this. Each level costs stack.
const MAX_DEPTH: usize = 60;

/// Reads a script.
pub(super) struct Parser<'a> {
    pub text: &'a str,
    pub at: usize,
    mapped: &'a Mapped,
    depth: usize,
    too_deep: bool,
    pub script: Script,
    /// Documents that begin after the line that is read: index, delimiter, `<<-`.
    pub awaited: Vec<(usize, String, bool)>,
}

/// Words that end the list they stand in.
const CLOSING: [&str; 9] = ["then", "elif", "else", "fi", "do", "done", "esac", "}", "in"];

impl<'a> Parser<'a> {
    pub fn new(mapped: &'a Mapped) -> Parser<'a> {
        Parser {
            text: &mapped.text,
            at: 0,
            mapped,
            depth: 0,
            too_deep: false,
            script: Script::default(),
            awaited: Vec::new(),
        }
    }

    /// The whole script. What ends nothing is reported and passed over.
    pub fn run(mut self) -> Script {
        loop {
            let list = self.list();
            self.script.list.items.extend(list.items);
            if self.at >= self.text.len() {
                break;
            }
            let start = self.at;
            if self.closing().is_some() {
                self.word(Until::Blank);
            } else {
                self.bump();
            }
            self.error(start, self.at, "this ends nothing");
        }
        self.script
    }

    /// The content of a document as one word.
    pub fn document(mut self) -> Word {
        self.word(Until::End).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    pub fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    pub fn span(&self, start: usize, end: usize) -> Span {
        self.mapped.span(start, end)
    }

    /// Remembers where the parts of a quoted text stand, if they do not stand together.
    pub fn remember(&mut self, text: &str, start: usize, end: usize) {
        let span = self.span(start, end);
        let broken = span.end - span.start != text.len();
        if broken && text.contains(' ') && self.text.get(start..end) == Some(text) {
            let mapped = self.mapped.slice(start, end);
            self.script.quoted.push((span, mapped));
        }
    }

    pub fn error(&mut self, start: usize, end: usize, message: &'static str) {
        // One message tells as much as a thousand.
        if self.script.errors.len() < 20 {
            let span = self.span(start, end);
            self.script.errors.push(SyntaxError { span, message });
        }
    }

    /// Goes one level down; where it would be too deep, the rest of the text is given up.
    pub fn enter(&mut self) -> bool {
        if self.depth >= MAX_DEPTH || self.too_deep {
            if !self.too_deep {
                self.error(self.at, self.at, "commands are nested too deeply");
            }
            self.too_deep = true;
            self.at = self.text.len();
            return false;
        }
        self.depth += 1;
        true
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// A script within a word whose text is not that of the source.
    pub fn inner(&mut self, text: String, start: usize) -> List {
        if !self.enter() {
            return List::default();
        }
        let mapped = Mapped::made(text, self.span(start, self.at));
        let mut parser = Parser::new(&mapped);
        parser.depth = self.depth;
        let inner = parser.run();
        self.leave();
        self.script.errors.extend(inner.errors);
        // Documents are known by number, and these numbers are the inner script's own.
        if inner.documents.is_empty() { inner.list } else { List::default() }
    }

    pub fn starts(&self, text: &str) -> bool {
        self.text[self.at..].starts_with(text)
    }

    pub fn take(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// White space, continuations and comments; not line ends.
    pub fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.bump(),
                Some('\\') if self.text[self.at..].starts_with("\\\n") => self.at += 2,
                Some('#') => {
                    let length = self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
                    self.at += length;
                }
                _ => return,
            }
        }
    }

    /// Blanks and line ends. Documents that were announced are read at the first line end.
    pub fn lines(&mut self) {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return;
            }
            self.bump();
            self.read_documents();
        }
    }

    pub fn read_documents(&mut self) {
        for (index, delimiter, chomp) in std::mem::take(&mut self.awaited) {
            let start = self.at;
            let mut text = String::new();
            let mut end = start;
            while self.at < self.text.len() {
                let rest = &self.text[self.at..];
                let length = rest.find('\n').map_or(rest.len(), |length| length + 1);
                let line = &rest[..length];
                self.at += length;
                let kept = if chomp { line.trim_start_matches('\t') } else { line };
                if kept.trim_end_matches(['\n', '\r']) == delimiter {
                    break;
                }
                text.push_str(kept);
                end = self.at;
            }
            let span = self.span(start, end);
            if let Some(document) = self.script.documents.get_mut(index) {
                document.text = text;
                document.span = span;
            }
        }
    }

    /// The reserved word that ends a list, if one is next.
    pub fn closing(&self) -> Option<&'static str> {
        self.reserved(&CLOSING)
    }

    pub fn reserved(&self, words: &[&'static str]) -> Option<&'static str> {
        let rest = &self.text[self.at..];
        words.iter().copied().find(|word| {
            rest.strip_prefix(word).is_some_and(|after| after.chars().next().is_none_or(is_delimiter))
        })
    }

    pub fn keyword(&mut self, word: &'static str) -> bool {
        self.lines();
        let found = self.reserved(&[word]).is_some();
        if found {
            self.at += word.len();
        }
        found
    }

    pub fn expect(&mut self, word: &'static str, message: &'static str) {
        if !self.keyword(word) {
            self.error(self.at, self.at, message);
        }
    }

    /// Commands up to what ends the list: a reserved word, `)`, `;;`, the end.
    pub fn list(&mut self) -> List {
        let mut list = List::default();
        if !self.enter() {
            return list;
        }
        loop {
            self.lines();
            let rest = &self.text[self.at..];
            if rest.is_empty() || rest.starts_with(')') || rest.starts_with(";;") || rest.starts_with(";&") {
                break;
            }
            if rest.starts_with(';') {
                self.bump();
                continue;
            }
            if self.closing().is_some_and(|word| word != "in") {
                break;
            }
            let start = self.at;
            match self.and_or() {
                Some(item) => list.items.push(item),
                None => {
                    if self.at == start {
                        self.bump();
                    }
                    self.error(start, self.at, "a command was expected");
                }
            }
        }
        self.leave();
        list
    }

    pub fn list_until_paren(&mut self) -> List {
        let open = self.at - 1;
        let list = self.list();
        if !self.take(")") {
            self.error(open, open + 1, "a parenthesis that is not closed");
        }
        list
    }

    pub fn and_or(&mut self) -> Option<AndOr> {
        let first = self.pipeline()?;
        let mut item = AndOr { first, rest: Vec::new(), background: false };
        loop {
            self.blanks();
            let join = if self.take("&&") {
                Join::And
            } else if self.take("||") {
                Join::Or
            } else if !self.starts("&>") && self.take("&") {
                item.background = true;
                return Some(item);
            } else {
                if self.starts(";") && !self.starts(";;") && !self.starts(";&") {
                    self.bump();
                }
                return Some(item);
            };
            let start = self.at;
            self.lines();
            match self.pipeline() {
                Some(pipeline) => item.rest.push((join, pipeline)),
                None => {
                    self.error(start, start, "a command was expected after `&&` or `||`");
                    return Some(item);
                }
            }
        }
    }

    pub fn pipeline(&mut self) -> Option<Pipeline> {
        self.blanks();
        let start = self.at;
        let mut negated = false;
        loop {
            self.blanks();
            match self.reserved(&["!", "time"]) {
                Some("!") => negated = !negated,
                // The utility of that name takes options; the reserved word does not.
                Some(_) if !self.text[self.at + 4..].trim_start().starts_with('-') => {}
                _ => break,
            }
            self.word(Until::Blank);
        }
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.starts("||") || !(self.take("|&") || self.take("|")) {
                break;
            }
            let at = self.at;
            self.lines();
            match self.command() {
                Some(command) => commands.push(command),
                None => {
                    self.error(at, at, "a command was expected after `|`");
                    break;
                }
            }
        }
        let end = start + self.text[start..self.at].trim_end().len();
        Some(Pipeline { negated, commands, span: self.span(start, end) })
    }
}
