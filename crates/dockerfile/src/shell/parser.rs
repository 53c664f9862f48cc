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
    awaited: Vec<(usize, String, bool)>,
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

    fn starts(&self, text: &str) -> bool {
        self.text[self.at..].starts_with(text)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.starts(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// White space, continuations and comments; not line ends.
    fn blanks(&mut self) {
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
    fn lines(&mut self) {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return;
            }
            self.bump();
            self.read_documents();
        }
    }

    fn read_documents(&mut self) {
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
    fn closing(&self) -> Option<&'static str> {
        self.reserved(&CLOSING)
    }

    fn reserved(&self, words: &[&'static str]) -> Option<&'static str> {
        let rest = &self.text[self.at..];
        words.iter().copied().find(|word| {
            rest.strip_prefix(word).is_some_and(|after| after.chars().next().is_none_or(is_delimiter))
        })
    }

    fn keyword(&mut self, word: &'static str) -> bool {
        self.lines();
        let found = self.reserved(&[word]).is_some();
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect(&mut self, word: &'static str, message: &'static str) {
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

    fn and_or(&mut self) -> Option<AndOr> {
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

    fn pipeline(&mut self) -> Option<Pipeline> {
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

    fn command(&mut self) -> Option<Command> {
        self.blanks();
        let start = self.at;
        let compound = if self.starts("((") && self.text[self.at..].contains("))") {
            self.at += 2;
            self.arithmetic_end();
            Compound::Arithmetic(self.span(start, self.at))
        } else if self.take("(") {
            Compound::Subshell(self.list_until_paren())
        } else {
            let words = ["{", "if", "for", "select", "while", "until", "case", "[[", "function"];
            let Some(word) = self.reserved(&words) else { return self.simple_or_function() };
            if self.text[self.at + word.len()..].starts_with('(') && word != "{" {
                return self.simple_or_function();
            }
            self.at += word.len();
            match word {
                "{" => {
                    let list = self.list();
                    self.expect("}", "a `{` that is not closed");
                    Compound::Group(list)
                }
                "if" => self.conditional(),
                "for" | "select" => self.for_loop(),
                "while" | "until" => {
                    let condition = self.list();
                    Compound::While(condition, self.body())
                }
                "case" => self.case(),
                "[[" => Compound::Test(self.test_words(), self.span(start, self.at)),
                _ => return self.function_after_name(),
            }
        };
        let mut redirects = Vec::new();
        loop {
            self.blanks();
            match self.redirect() {
                Some(redirect) => redirects.push(redirect),
                None => break,
            }
        }
        Some(Command::Compound(compound, redirects))
    }

    /// Up to and with `))`.
    pub fn arithmetic_end(&mut self) {
        let start = self.at;
        let mut depth = 0;
        while let Some(next) = self.peek() {
            match next {
                '(' => depth += 1,
                ')' if depth == 0 => {
                    self.bump();
                    self.take(")");
                    return;
                }
                ')' => depth -= 1,
                _ => {}
            }
            self.bump();
        }
        self.error(start.saturating_sub(2), start, "a `((` that is not closed");
    }

    fn conditional(&mut self) -> Compound {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.list();
            self.expect("then", "`then` was expected");
            branches.push((condition, self.list()));
            if self.keyword("elif") {
                continue;
            }
            if self.keyword("else") {
                otherwise = Some(self.list());
            }
            self.expect("fi", "`fi` was expected");
            return Compound::If(branches, otherwise);
        }
    }

    fn body(&mut self) -> List {
        self.blanks();
        self.take(";");
        self.expect("do", "`do` was expected");
        let list = self.list();
        self.expect("done", "`done` was expected");
        list
    }

    fn for_loop(&mut self) -> Compound {
        self.blanks();
        if self.take("((") {
            self.arithmetic_end();
            return Compound::While(List::default(), self.body());
        }
        let name = self.word(Until::Blank).and_then(|word| word.literal()).unwrap_or_default();
        let mut words = None;
        if self.keyword("in") {
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.word(Until::Blank) {
                    Some(word) => list.push(word),
                    None => break,
                }
            }
            words = Some(list);
        }
        Compound::For(name, words, self.body())
    }

    fn case(&mut self) -> Compound {
        self.blanks();
        let word = self.word(Until::Blank).unwrap_or_default();
        self.expect("in", "`in` was expected");
        let mut arms = Vec::new();
        loop {
            self.lines();
            if self.keyword("esac") {
                break;
            }
            if self.at >= self.text.len() {
                self.error(self.at, self.at, "`esac` was expected");
                break;
            }
            self.take("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                match self.word(Until::Blank) {
                    Some(pattern) => patterns.push(pattern),
                    None if self.peek().is_some_and(|next| !matches!(next, ')' | '|' | '\n')) => self.bump(),
                    None => {}
                }
                self.blanks();
                if !self.take("|") {
                    break;
                }
            }
            if !self.take(")") {
                self.error(self.at, self.at, "`)` was expected after a pattern");
                if self.peek() == Some('\n') || self.at >= self.text.len() {
                    self.lines();
                    continue;
                }
            }
            let list = self.list();
            arms.push((patterns, list));
            if !(self.take(";;&") || self.take(";;") || self.take(";&"))
                && self.closing().is_some_and(|word| word != "esac")
            {
                self.error(self.at, self.at, "`esac` was expected");
                break;
            }
        }
        Compound::Case(word, arms)
    }

    /// Up to and with `]]`; operators come as words.
    fn test_words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            self.lines();
            if self.reserved(&["]]"]).is_some() {
                self.at += 2;
                return words;
            }
            let start = self.at;
            match self.word(Until::Blank) {
                Some(word) => words.push(word),
                None if self.at >= self.text.len() => {
                    self.error(start, start, "`]]` was expected");
                    return words;
                }
                None => {
                    while self.peek().is_some_and(|next| is_delimiter(next) && !next.is_whitespace()) {
                        self.bump();
                    }
                    let kind = PartKind::Text(self.text[start..self.at].to_owned());
                    let span = self.span(start, self.at);
                    words.push(Word { parts: vec![Part { kind, quoted: false, span }], span });
                }
            }
        }
    }

    fn function_after_name(&mut self) -> Option<Command> {
        self.blanks();
        let name = self.word(Until::Blank)?.literal().unwrap_or_default();
        self.blanks();
        if self.take("(") {
            self.blanks();
            self.take(")");
        }
        self.function_body(name)
    }

    fn function_body(&mut self, name: String) -> Option<Command> {
        self.lines();
        if !self.enter() {
            return None;
        }
        let body = self.command();
        self.leave();
        Some(Command::Function(name, Box::new(body?)))
    }

    fn simple_or_function(&mut self) -> Option<Command> {
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
    fn assignment(&mut self) -> Option<Assignment> {
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

    fn redirect(&mut self) -> Option<Redirect> {
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
