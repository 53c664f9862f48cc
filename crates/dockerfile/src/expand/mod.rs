//! Variable substitution in words, as BuildKit's shell lexer does it.

mod lexer;
mod pattern;
mod substitution;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a variable's value comes from.
pub trait Lookup {
    /// The value, or nothing where the variable is not set.
    fn lookup(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Lookup for F {
    fn lookup(&self, name: &str) -> Option<String> {
        self(name)
    }
}

impl Lookup for BTreeMap<String, String> {
    fn lookup(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

impl Lookup for HashMap<String, String> {
    fn lookup(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// How to expand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The file's escape character: `\`, or a backtick.
    pub escape: char,
    /// Quotes stay in the result.
    pub raw_quotes: bool,
    /// Escape characters stay in the result.
    pub raw_escapes: bool,
    /// Quotes mean nothing (the content of a heredoc).
    pub skip_quotes: bool,
    /// Variables that are not set stay as they are written.
    pub skip_unset: bool,
}

impl Options {
    /// Quotes and escapes are removed, as in most instructions.
    pub fn new(escape: char) -> Options {
        Options { escape, raw_quotes: false, raw_escapes: false, skip_quotes: false, skip_unset: false }
    }

    /// For the content of heredocs in COPY and ADD: quotes mean nothing, and `\\` escapes whatever the file's escape
    /// character is.
    pub fn heredoc() -> Options {
        Options { skip_quotes: true, ..Options::new('\\') }
    }

    /// Quotes and escapes stay, and so do variables that are not set: for showing a word, not for using it.
    pub fn display(escape: char) -> Options {
        Options { raw_quotes: true, raw_escapes: true, skip_unset: true, ..Options::new(escape) }
    }
}

/// The result of an expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// The whole as one word.
    pub word: String,
    /// The same split at white space outside quotes, after substitution.
    pub words: Vec<String>,
    /// Variables that were used and set.
    pub matched: BTreeSet<String>,
    /// Variables that were used and not set.
    pub unmatched: BTreeSet<String>,
}

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A quote, brace or slash that is opened and never closed.
    #[error("no matching {0} before the end")]
    Unclosed(&'static str),
    /// `${` without `}`.
    #[error("missing `}}` in substitution")]
    MissingBrace,
    /// `${v/p` without the second `/`.
    #[error("missing `/` in substitution")]
    MissingSlash,
    /// `${}`, `${{`, `${:`.
    #[error("bad substitution")]
    BadSubstitution,
    /// A modifier that does not exist.
    #[error("unsupported modifier `{0}` in substitution")]
    UnsupportedModifier(String),
    /// `${v:?w}` and v is not set, or empty.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The author's words, or ours.
        message: String,
    },
    /// A pattern with an escape that means nothing.
    #[error("invalid escape `\\{escape}` in pattern `{pattern}`")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// The character after the backslash.
        escape: String,
    },
    /// Substitutions within substitutions, deeper than anybody writes.
    #[error("substitutions nested too deeply")]
    TooDeep,
    /// The result would be larger than [`MAX_RESULT`].
    #[error("the result is too large")]
    TooLarge,
}

/// The largest result of an expansion, in bytes. A file of a few lines can double a variable a hundred times.
pub const MAX_RESULT: usize = 64 << 20;

/// Expands a word and says which names were used.
pub fn expand(raw: &str, options: Options, lookup: &dyn Lookup) -> Result<Expanded, ExpandError> {
    lexer::run(raw, options, lookup)
}

/// Expands one word; quotes and escapes are removed.
pub fn word(raw: &str, escape: char, lookup: &dyn Lookup) -> Result<String, ExpandError> {
    expand(raw, Options::new(escape), lookup).map(|expanded| expanded.word)
}

/// Expands and splits at white space, as EXPOSE does.
pub fn words(raw: &str, escape: char, lookup: &dyn Lookup) -> Result<Vec<String>, ExpandError> {
    expand(raw, Options::new(escape), lookup).map(|expanded| expanded.words)
}
