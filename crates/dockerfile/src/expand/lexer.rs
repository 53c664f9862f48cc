//! Quotes, escapes and word splitting.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use super::{ExpandError, Expanded, Lookup, MAX_RESULT, Options};

/// Substitutions may stand within substitutions this deep. Each level costs stack.
const MAX_DEPTH: usize = 100;

/// Where a stretch of text ends, and what its escapes are for.
#[derive(Clone, Copy)]
pub(super) struct Until {
    /// The character that ends it; nothing means the end of the text.
    pub stop: Option<char>,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// The result is a pattern: escape characters within quotes are doubled, because the pattern is read once more.
    pub pattern: bool,
}

pub(super) struct Lexer<'a> {
    pub chars: Peekable<Chars<'a>>,
    pub options: Options,
    pub raw_escapes: bool,
    lookup: &'a dyn Lookup,
    depth: usize,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
}

pub(super) fn run(raw: &str, options: Options, lookup: &dyn Lookup) -> Result<Expanded, ExpandError> {
    let mut lexer = Lexer {
        chars: raw.chars().peekable(),
        options,
        raw_escapes: options.raw_escapes,
        lookup,
        depth: 0,
        matched: BTreeSet::new(),
        unmatched: BTreeSet::new(),
    };
    let mut words = Words::default();
    let until = Until { stop: None, raw_escapes: options.raw_escapes, pattern: false };
    let word = lexer.text(until, Some(&mut words))?;
    Ok(Expanded { word, words: words.finish(), matched: lexer.matched, unmatched: lexer.unmatched })
}

impl Lexer<'_> {
    /// Reads up to the stop and takes the stop too.
    pub fn text(&mut self, until: Until, mut words: Option<&mut Words>) -> Result<String, ExpandError> {
        if self.depth == MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.raw_escapes, until.raw_escapes);
        let mut result = String::new();
        loop {
            let Some(next) = self.chars.next() else {
                if let Some(stop) = until.stop {
                    return Err(ExpandError::Unclosed(if stop == '}' { "`}`" } else { "`/`" }));
                }
                break;
            };
            if until.stop == Some(next) {
                break;
            }
            let part = self.part(next, until, &mut result, words.as_deref_mut())?;
            if let Some((text, split)) = part {
                if let Some(words) = words.as_deref_mut() {
                    words.push_str(&text, split);
                }
                result.push_str(&text);
            }
            if result.len() > MAX_RESULT {
                return Err(ExpandError::TooLarge);
            }
        }
        self.raw_escapes = outer;
        self.depth -= 1;
        Ok(result)
    }

    /// What one character begins: a piece and whether white space in it splits words, or nothing where the character
    /// was already dealt with.
    fn part(
        &mut self,
        next: char,
        until: Until,
        result: &mut String,
        words: Option<&mut Words>,
    ) -> Result<Option<(String, bool)>, ExpandError> {
        let quotes = !self.options.skip_quotes;
        Ok(match next {
            '$' => Some((self.dollar()?, true)),
            '<' => Some((self.angle(), false)),
            '\'' if quotes => Some((self.single_quoted(until.pattern)?, false)),
            '"' if quotes => Some((self.double_quoted(until.pattern)?, false)),
            _ => {
                self.plain(next, result, words);
                None
            }
        })
    }

    /// A character without a meaning of its own, or an escape and the character after it.
    fn plain(&mut self, next: char, result: &mut String, words: Option<&mut Words>) {
        let mut ignored = Words::default();
        let words = words.unwrap_or(&mut ignored);
        if next != self.options.escape {
            words.push(next);
            return result.push(next);
        }
        if self.raw_escapes {
            words.push_raw(next);
            result.push(next);
        }
        // An escape at the very end escapes nothing and is dropped.
        if let Some(escaped) = self.chars.next() {
            words.push_raw(escaped);
            result.push(escaped);
        }
    }

    /// `<<` keeps the white space after it: a heredoc's name may stand apart.
    fn angle(&mut self) -> String {
        let mut result = String::from('<');
        if self.chars.next_if_eq(&'<').is_some() {
            result.push('<');
            while let Some(space) = self.chars.next_if(|next| matches!(next, '\t' | '\r' | ' ')) {
                result.push(space);
            }
        }
        result
    }

    fn single_quoted(&mut self, pattern: bool) -> Result<String, ExpandError> {
        let mut result = String::new();
        if self.options.raw_quotes {
            result.push('\'');
        }
        loop {
            match self.chars.next() {
                None => return Err(ExpandError::Unclosed("single quote")),
                Some('\'') => break,
                Some(next) => {
                    if pattern && next == self.options.escape {
                        result.push(next);
                    }
                    result.push(next);
                }
            }
        }
        if self.options.raw_quotes {
            result.push('\'');
        }
        Ok(result)
    }

    fn double_quoted(&mut self, pattern: bool) -> Result<String, ExpandError> {
        let mut result = String::new();
        if self.options.raw_quotes {
            result.push('"');
        }
        loop {
            match self.chars.next() {
                None => return Err(ExpandError::Unclosed("double quote")),
                Some('"') => break,
                Some('$') => result.push_str(&self.dollar()?),
                Some(next) if next == self.options.escape => self.quoted_escape(pattern, &mut result),
                Some(next) => result.push(next),
            }
        }
        if self.options.raw_quotes {
            result.push('"');
        }
        Ok(result)
    }

    /// Within double quotes only `"`, `$` and the escape character can be escaped; before anything else the escape
    /// character is itself.
    fn quoted_escape(&mut self, pattern: bool, result: &mut String) {
        let escape = self.options.escape;
        match self.chars.peek().copied() {
            None => {}
            Some(next) if next == '"' || next == '$' || next == escape => {
                if self.raw_escapes {
                    result.push(escape);
                }
                result.push(next);
                self.chars.next();
            }
            Some(_) => {
                if self.raw_escapes && (!self.options.raw_quotes || pattern) {
                    result.push(escape);
                }
                result.push(escape);
            }
        }
    }

    /// A variable's value, noted as used.
    pub fn variable(&mut self, name: &str) -> Option<String> {
        let value = self.lookup.lookup(name);
        let names = if value.is_some() { &mut self.matched } else { &mut self.unmatched };
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
        value
    }
}

/// Words as they grow.
#[derive(Default)]
pub(super) struct Words {
    words: Vec<String>,
    word: String,
}

impl Words {
    fn push(&mut self, next: char) {
        if !next.is_whitespace() {
            self.word.push(next);
        } else if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn push_raw(&mut self, next: char) {
        self.word.push(next);
    }

    fn push_str(&mut self, text: &str, split: bool) {
        if split {
            text.chars().for_each(|next| self.push(next));
        } else {
            self.word.push_str(text);
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}
