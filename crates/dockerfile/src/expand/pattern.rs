//! The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?` and backslash escapes, no brackets.
//!
//! BuildKit turns them into regular expressions; the same matches are found here by following all threads of the
//! pattern at once, in the order of preference, so that the time is length of text times length of pattern.

use super::{ExpandError, MAX_RESULT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`: one character but a newline.
    Any,
    /// `*`: any number of characters but newlines.
    Star,
}

/// From which end a pattern is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

#[derive(Debug)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    greedy: bool,
}

/// A thread: where its match began, and the token that comes next.
#[derive(Debug, Clone, Copy)]
struct Thread {
    start: usize,
    token: usize,
}

impl Pattern {
    /// Reads a pattern. Only `*`, `?`, the backslash, and the two characters that end a pattern can be escaped.
    pub fn parse(text: &str, greedy: bool) -> Result<Pattern, ExpandError> {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(next) = chars.next() {
            tokens.push(match next {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Token::Literal(escaped),
                    other => {
                        let escape = other.map(String::from).unwrap_or_default();
                        return Err(ExpandError::BadPattern { pattern: text.to_owned(), escape });
                    }
                },
                other => Token::Literal(other),
            });
        }
        // Several stars in a row are one; each would cost a thread.
        tokens.dedup_by(|next, previous| *next == Token::Star && *previous == Token::Star);
        Ok(Pattern { tokens, greedy })
    }

    /// The value without what matches at one of its ends: the shortest match, or the longest if greedy.
    pub fn trim<'v>(&self, value: &'v str, direction: Direction) -> &'v str {
        match direction {
            Direction::Forward => {
                let end = self.find(value.char_indices(), true).map_or(0, |(_, end)| end);
                &value[end..]
            }
            Direction::Backward => {
                let reversed =
                    Pattern { tokens: self.tokens.iter().rev().copied().collect(), greedy: self.greedy };
                let backward = value.char_indices().rev().map(|(at, next)| {
                    // Offsets are counted from the end.
                    (value.len() - at - next.len_utf8(), next)
                });
                let length = reversed.find(backward, true).map_or(0, |(_, end)| end);
                &value[..value.len() - length]
            }
        }
    }

    /// The value with the first match, or with every match, replaced.
    pub fn replace(&self, value: &str, replacement: &str, all: bool) -> Result<String, ExpandError> {
        let mut result = String::new();
        // `copied` is how much of the value is dealt with, `from` where the next search begins.
        let (mut copied, mut from) = (0, 0);
        while let Some((start, end)) = self.find(value[from..].char_indices(), false) {
            let (start, end) = (start + from, end + from);
            result.push_str(&value[copied..start]);
            // An empty match just after a match does not count.
            if end > copied || start == 0 {
                result.push_str(replacement);
            }
            if result.len() > MAX_RESULT {
                return Err(ExpandError::TooLarge);
            }
            copied = end;
            let width = value[from..].chars().next().map_or(0, char::len_utf8);
            from = if from + width > end { from + width } else { end };
            if !all || width == 0 {
                break;
            }
        }
        result.push_str(&value[copied..]);
        Ok(result)
    }

    /// The leftmost match, and of those the preferred: long stars if greedy, short ones otherwise. Offsets are those
    /// that the text is given with.
    fn find(&self, text: impl Iterator<Item = (usize, char)>, anchored: bool) -> Option<(usize, usize)> {
        let seen = vec![0; self.tokens.len() + 1];
        let mut search = Search { pattern: self, found: None, threads: Vec::new(), seen, round: 1 };
        search.follow(Thread { start: 0, token: 0 }, 0);
        let mut current = Vec::new();
        for (at, next) in text {
            if search.threads.is_empty() && (anchored || search.found.is_some()) {
                break;
            }
            let end = at + next.len_utf8();
            std::mem::swap(&mut current, &mut search.threads);
            search.round += 1;
            for thread in current.drain(..) {
                if search.step(thread, next, end) {
                    // The others are of lower preference than a match, and void.
                    break;
                }
            }
            if !anchored && search.found.is_none() {
                search.follow(Thread { start: end, token: 0 }, end);
            }
        }
        search.found
    }
}

/// One search through a text.
struct Search<'p> {
    pattern: &'p Pattern,
    found: Option<(usize, usize)>,
    threads: Vec<Thread>,
    /// The round in which a token last got a thread: a second one, of lower preference, adds nothing.
    seen: Vec<usize>,
    round: usize,
}

impl Search<'_> {
    /// Feeds a character to a thread. True if that led to a match.
    fn step(&mut self, thread: Thread, next: char, end: usize) -> bool {
        let moved = Thread { token: thread.token + 1, ..thread };
        match self.pattern.tokens[thread.token] {
            Token::Literal(literal) if literal == next => self.follow(moved, end),
            Token::Any if next != '\n' => self.follow(moved, end),
            Token::Star if next != '\n' => self.follow(thread, end),
            _ => false,
        }
    }

    /// Adds a thread; for a star two, one that takes more and one that has done with it. True if one is at the end of
    /// the pattern.
    fn follow(&mut self, thread: Thread, end: usize) -> bool {
        if self.pattern.tokens.get(thread.token) != Some(&Token::Star) {
            return self.add(thread, end);
        }
        let after = Thread { token: thread.token + 1, ..thread };
        if self.pattern.greedy {
            self.add(thread, end);
            self.add(after, end)
        } else {
            self.add(after, end) || self.add(thread, end)
        }
    }

    fn add(&mut self, thread: Thread, end: usize) -> bool {
        if std::mem::replace(&mut self.seen[thread.token], self.round) == self.round {
            return false;
        }
        if thread.token == self.pattern.tokens.len() {
            self.found = Some((thread.start, end));
            return true;
        }
        self.threads.push(thread);
        false
    }
}
