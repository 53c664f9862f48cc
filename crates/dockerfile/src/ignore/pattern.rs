//! One pattern of an ignore file.

use crate::glob::{Glob, Token, class};
use crate::wildcard::{BadPattern, Wildcard};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    exception: bool,
    form: Form,
}

/// The forms that moby's matcher tells apart. What they match is not always the same: `a/**` matches what is in `a`,
/// and `a/**/` what the pattern `a/*` followed by anything would.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// A plain path.
    Exact,
    /// A plain path and `**`: any path that begins so.
    Prefix(String),
    /// `**` and a plain path: any path that ends so.
    Suffix(String),
    /// Anything else.
    Glob(Glob),
}

impl Pattern {
    /// Reads a cleaned pattern.
    pub fn parse(pattern: &str) -> Result<Pattern, BadPattern> {
        let (exception, text) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        if text.is_empty() {
            return Err(BadPattern);
        }
        // What Go's own matcher refuses is refused, although `**` means more here.
        Wildcard::parse(text)?;
        Ok(Pattern { text: text.to_owned(), exception, form: form(text)? })
    }

    pub fn is_exception(&self) -> bool {
        self.exception
    }

    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.form {
            Form::Exact => path == self.text.as_bytes(),
            Form::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            Form::Suffix(suffix) => {
                let whole = suffix.strip_prefix('/');
                path.ends_with(suffix.as_bytes()) || whole.is_some_and(|whole| path == whole.as_bytes())
            }
            Form::Glob(glob) => glob.matches(path),
        }
    }

    /// The path up to a `*` or `**` that is its last component.
    fn directory(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }

    /// Whether the pattern can match only at or below one place.
    pub fn has_fixed_directory(&self) -> bool {
        !self.directory().contains(['*', '[', ']', '?', '^', '\\'])
    }

    /// Whether the place of such a pattern is a directory, or is below it.
    pub fn is_below(&self, directory: &[u8]) -> bool {
        let place = self.directory().as_bytes();
        place.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// The form of a pattern, and its tokens if it needs them.
fn form(text: &str) -> Result<Form, BadPattern> {
    let mut tokens = Vec::new();
    let mut chars = text.chars();
    let mut kind = Kind::Exact;
    let mut first = true;
    while let Some(next) = chars.next() {
        match next {
            '*' if chars.as_str().starts_with('*') => {
                chars.next();
                if chars.as_str().starts_with('/') {
                    chars.next();
                }
                let last = chars.as_str().is_empty();
                tokens.push(if last { Token::Deep } else { Token::Directories });
                kind = match kind {
                    _ if first => Kind::Suffix,
                    Kind::Exact if last => Kind::Prefix,
                    _ => Kind::Glob,
                };
            }
            '*' => {
                tokens.push(Token::Star);
                kind = Kind::Glob;
            }
            '?' => {
                tokens.push(Token::Any);
                kind = Kind::Glob;
            }
            '[' => {
                tokens.push(class(&mut chars)?);
                kind = Kind::Glob;
            }
            '\\' => {
                tokens.push(Token::Literal(chars.next().ok_or(BadPattern)?));
                kind = Kind::Glob;
            }
            ']' => {
                tokens.push(Token::Literal(']'));
                kind = Kind::Glob;
            }
            '^' => tokens.push(Token::Start),
            other => tokens.push(Token::Literal(other)),
        }
        first = false;
    }
    Ok(match kind {
        Kind::Exact => Form::Exact,
        Kind::Prefix => Form::Prefix(text[..text.len() - "**".len()].to_owned()),
        Kind::Suffix => Form::Suffix(text["**".len()..].to_owned()),
        Kind::Glob => Form::Glob(Glob::new(tokens)),
    })
}

enum Kind {
    Exact,
    Prefix,
    Suffix,
    Glob,
}
