//! `$name` and `${name...}`.

use super::ExpandError;
use super::lexer::{Lexer, Until};
use super::pattern::{Direction, Pattern};

impl Lexer<'_> {
    /// What follows a `$`.
    pub fn dollar(&mut self) -> Result<String, ExpandError> {
        if self.chars.next_if_eq(&'{').is_some() {
            return self.braced();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        match self.variable(&name) {
            None if self.options.skip_unset => Ok(format!("${name}")),
            value => Ok(value.unwrap_or_default()),
        }
    }

    fn braced(&mut self) -> Result<String, ExpandError> {
        match self.chars.peek() {
            None => return Err(ExpandError::MissingBrace),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        let modifier = self.chars.next().ok_or(ExpandError::MissingBrace)?;
        match modifier {
            '}' => match self.variable(&name) {
                None if self.options.skip_unset => Ok(format!("${{{name}}}")),
                value => Ok(value.unwrap_or_default()),
            },
            '/' => self.replace(&name),
            ':' => {
                let modifier = self.chars.next().ok_or(ExpandError::MissingBrace)?;
                match modifier {
                    '-' | '+' | '?' => self.conditional(&name, modifier, true),
                    other => Err(ExpandError::UnsupportedModifier(format!(":{other}"))),
                }
            }
            '-' | '+' | '?' => self.conditional(&name, modifier, false),
            '#' | '%' => self.trim(&name, modifier),
            other => Err(ExpandError::UnsupportedModifier(other.to_string())),
        }
    }

    /// `-`, `+`, `?`, and the same after `:`, where an empty value counts as none. The word is expanded even where it
    /// is not used.
    fn conditional(&mut self, name: &str, modifier: char, colon: bool) -> Result<String, ExpandError> {
        let until = Until { stop: Some('}'), raw_escapes: false, pattern: false };
        let word = self.within_braces(until)?;
        let value = self.variable(name);
        if value.is_none() && self.options.skip_unset {
            let colon = if colon { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let is_set = value.is_some();
        let value = value.filter(|value| !(colon && value.is_empty()));
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value),
            (_, None) if !word.is_empty() => {
                Err(ExpandError::Required { name: name.to_owned(), message: word })
            }
            (_, None) => {
                let state = if is_set { "empty" } else { "unset" };
                let message = format!("is not allowed to be {state}");
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
        }
    }

    /// `#`, `##`, `%`, `%%`.
    fn trim(&mut self, name: &str, modifier: char) -> Result<String, ExpandError> {
        let word = self.within_braces(Until { stop: Some('}'), raw_escapes: true, pattern: true })?;
        let value = self.variable(name);
        if value.is_none() && self.options.skip_unset {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        }
        let doubled = word.strip_prefix(modifier);
        let pattern = Pattern::parse(doubled.unwrap_or(&word), doubled.is_some())?;
        let direction = if modifier == '#' { Direction::Forward } else { Direction::Backward };
        Ok(pattern.trim(&value.unwrap_or_default(), direction).to_owned())
    }

    /// `/pattern/replacement` and `//pattern/replacement`.
    fn replace(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let until = Until { stop: Some('/'), raw_escapes: true, pattern: true };
        let pattern = self.text(until, None).map_err(|error| match error {
            ExpandError::Unclosed(_) if self.chars.peek().is_none() => ExpandError::MissingSlash,
            error => error,
        })?;
        let replacement = self.within_braces(Until { stop: Some('}'), raw_escapes: true, pattern: false })?;
        let value = self.variable(name);
        if value.is_none() && self.options.skip_unset {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let value = value.unwrap_or_default();
        Pattern::parse(&pattern, true)?.replace(&value, &replacement, all)
    }

    fn within_braces(&mut self, until: Until) -> Result<String, ExpandError> {
        self.text(until, None).map_err(|error| match error {
            ExpandError::Unclosed(_) if self.chars.peek().is_none() => ExpandError::MissingBrace,
            error => error,
        })
    }

    /// A variable's name, a number, or one of the shell's special parameters. May be empty.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek().copied() {
            Some(first) if first.is_numeric() => {
                while let Some(digit) = self.chars.next_if(|next| next.is_numeric()) {
                    name.push(digit);
                }
            }
            Some(special @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.chars.next();
                name.push(special);
            }
            _ => {
                while let Some(next) = self.chars.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    name.push(next);
                }
            }
        }
        name
    }
}
