//! Patterns of path names as tokens, and matching them.
//!
//! All ways through a pattern are followed at once, so that the time is length of the name times length of the pattern,
//! whatever the pattern is.

use std::str::Chars;

use crate::wildcard::BadPattern;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Literal(char),
    /// `?`: one character but a slash.
    Any,
    /// `*`: any characters but slashes.
    Star,
    /// `[...]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**` at the end: any characters.
    Deep,
    /// `**/`: nothing, or any characters and a slash.
    Directories,
    /// A place that only the beginning of a name has: BuildKit's way with `^`.
    Start,
}

/// A pattern that can be matched often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
    /// A name that does not begin and end like this does not match. Most do not, and cost no more.
    prefix: String,
    suffix: String,
    /// There are no tokens but literals.
    is_literal: bool,
}

impl Glob {
    pub fn new(tokens: Vec<Token>) -> Glob {
        let literal = |token: &Token| if let Token::Literal(next) = token { Some(*next) } else { None };
        let prefix: String = tokens.iter().map_while(literal).collect();
        let mut suffix: Vec<char> = tokens.iter().rev().map_while(literal).collect();
        suffix.reverse();
        let is_literal = tokens.iter().all(|token| literal(token).is_some());
        Glob { tokens, prefix, suffix: suffix.into_iter().collect(), is_literal }
    }

    /// Whether the whole name matches. Bytes that are no UTF-8 count as U+FFFD, as in Go.
    pub fn matches(&self, name: &[u8]) -> bool {
        if self.is_literal {
            return name == self.prefix.as_bytes();
        }
        if !name.starts_with(self.prefix.as_bytes()) || !name.ends_with(self.suffix.as_bytes()) {
            return false;
        }
        let name = String::from_utf8_lossy(name);
        if self.tokens.len() < Few::BITS as usize { self.run::<Few>(&name) } else { self.run::<Many>(&name) }
    }

    fn run<S: States>(&self, name: &str) -> bool {
        let mut states = S::new(self.tokens.len() + 1);
        let mut following = S::new(self.tokens.len() + 1);
        self.enter(0, true, &mut states);
        for next in name.chars() {
            while let Some(index) = states.take() {
                self.step(index, next, &mut following);
            }
            std::mem::swap(&mut states, &mut following);
            following.clear();
            if states.is_empty() {
                return false;
            }
        }
        !states.add(self.tokens.len())
    }

    /// Comes to a token, and to those after it that need nothing of the name.
    fn enter(&self, mut index: usize, at_start: bool, states: &mut impl States) {
        loop {
            match self.tokens.get(index) {
                Some(Token::Star | Token::Deep | Token::Directories) if states.add(index) => {}
                Some(Token::Start) if at_start => {}
                Some(Token::Star | Token::Deep | Token::Directories | Token::Start) => return,
                _ => {
                    states.add(index);
                    return;
                }
            }
            index += 1;
        }
    }

    /// Takes a character.
    fn step(&self, index: usize, next: char, states: &mut impl States) {
        let Some(token) = self.tokens.get(index) else { return };
        match token {
            Token::Literal(literal) if *literal == next => self.enter(index + 1, false, states),
            Token::Any if next != '/' => self.enter(index + 1, false, states),
            Token::Star if next != '/' => self.enter(index, false, states),
            Token::Class { negated, ranges } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&next));
                if inside != *negated {
                    self.enter(index + 1, false, states);
                }
            }
            Token::Deep => self.enter(index, false, states),
            Token::Directories => {
                // In the middle of it, nothing but a slash leads out.
                states.add(index);
                if next == '/' {
                    self.enter(index + 1, false, states);
                }
            }
            _ => {}
        }
    }
}

/// A set of tokens that are next.
trait States {
    fn new(count: usize) -> Self;
    /// True if it was not there.
    fn add(&mut self, index: usize) -> bool;
    /// Takes one out.
    fn take(&mut self) -> Option<usize>;
    fn is_empty(&self) -> bool;
    /// Makes an emptied set ready for use.
    fn clear(&mut self);
}

/// Nearly all patterns have so few tokens that their set fits into a number; a walk asks millions of times.
type Few = u64;

impl States for Few {
    fn new(_: usize) -> Few {
        0
    }

    fn add(&mut self, index: usize) -> bool {
        let before = *self;
        *self |= 1 << index;
        *self != before
    }

    fn take(&mut self) -> Option<usize> {
        let index = self.trailing_zeros();
        *self &= self.wrapping_sub(1);
        (index < Few::BITS).then_some(index as usize)
    }

    fn is_empty(&self) -> bool {
        *self == 0
    }

    fn clear(&mut self) {}
}

/// Any number of tokens.
struct Many {
    list: Vec<usize>,
    seen: Vec<bool>,
}

impl States for Many {
    fn new(count: usize) -> Many {
        Many { list: Vec::new(), seen: vec![false; count] }
    }

    fn add(&mut self, index: usize) -> bool {
        let new = !std::mem::replace(&mut self.seen[index], true);
        if new {
            self.list.push(index);
        }
        new
    }

    fn take(&mut self) -> Option<usize> {
        self.list.pop()
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn clear(&mut self) {
        self.seen.fill(false);
    }
}

/// A class, from after its bracket. It holds at least one character or range; `^` at its beginning negates it.
pub(crate) fn class(chars: &mut Chars<'_>) -> Result<Token, BadPattern> {
    let negated = chars.as_str().starts_with('^');
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || !chars.as_str().starts_with(']') {
        let low = class_char(chars)?;
        let mut high = low;
        if chars.as_str().starts_with('-') {
            chars.next();
            high = class_char(chars)?;
        }
        ranges.push((low, high));
    }
    chars.next();
    Ok(Token::Class { negated, ranges })
}

/// One end of a range. Something must follow it.
fn class_char(chars: &mut Chars<'_>) -> Result<char, BadPattern> {
    let found = match chars.next() {
        None | Some('-' | ']') => return Err(BadPattern),
        Some('\\') => chars.next().ok_or(BadPattern)?,
        Some(other) => other,
    };
    if chars.as_str().is_empty() { Err(BadPattern) } else { Ok(found) }
}
