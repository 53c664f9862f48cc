//! Compound commands: groups, conditions, loops, functions.

use super::parser::Parser;
use super::syntax::*;
use super::word::{Until, is_delimiter};

impl Parser<'_> {
    pub fn command(&mut self) -> Option<Command> {
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

    pub fn conditional(&mut self) -> Compound {
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

    pub fn body(&mut self) -> List {
        self.blanks();
        self.take(";");
        self.expect("do", "`do` was expected");
        let list = self.list();
        self.expect("done", "`done` was expected");
        list
    }

    pub fn for_loop(&mut self) -> Compound {
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

    pub fn case(&mut self) -> Compound {
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
    pub fn test_words(&mut self) -> Vec<Word> {
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

    pub fn function_after_name(&mut self) -> Option<Command> {
        self.blanks();
        let name = self.word(Until::Blank)?.literal().unwrap_or_default();
        self.blanks();
        if self.take("(") {
            self.blanks();
            self.take(")");
        }
        self.function_body(name)
    }

    pub fn function_body(&mut self, name: String) -> Option<Command> {
        self.lines();
        if !self.enter() {
            return None;
        }
        let body = self.command();
        self.leave();
        Some(Command::Function(name, Box::new(body?)))
    }
}
