//! Patterns of repositories: `team/app`, `team/*`, `team/**`, `**`.

use std::fmt;
use std::str::FromStr;

use crate::Repository;

/// Which repositories a rule is about. `*` stands for one component of a name, `**` at the end for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pattern of repositories: write `team/app`, `team/*` or `team/**`")]
pub struct PatternError(String);

impl Pattern {
    /// All repositories.
    pub fn all() -> Pattern {
        Pattern(vec!["**".to_owned()])
    }

    /// Whether a repository is meant.
    pub fn matches(&self, repository: &Repository) -> bool {
        let mut components = repository.as_str().split('/');
        for part in &self.0 {
            if part == "**" {
                return true;
            }
            match components.next() {
                Some(component) if part == "*" || part == component => {}
                _ => return false,
            }
        }
        components.next().is_none()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        let last = parts.len() - 1;
        let good = parts.iter().enumerate().all(|(index, part)| match part.as_str() {
            "*" => true,
            "**" => index == last,
            name => name.parse::<Repository>().is_ok(),
        });
        if good { Ok(Pattern(parts)) } else { Err(PatternError(text.to_owned())) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}
