//! Who may do what, from the files that `kapok serve` is given.

use std::path::Path;

use oci::Digest;
use registry::server::Access;
use registry::server::access::{AccessToken, Htpasswd, HtpasswdError, PatternError, Right, Rule, Who};

use crate::cli::serve::Serve;
use crate::failure::Failure;

/// A line that does not say what it should.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No token.
    #[error("it is not of the form `NAME:TOKEN`")]
    Token,
    /// A digest that is none.
    #[error("what stands behind `sha256:` are not 64 hexadecimal digits")]
    Digest,
    /// A short token is guessed.
    #[error("the token has less than 16 characters")]
    Short,
    /// Not three words.
    #[error("it is not of the form `WHO RIGHTS REPOSITORIES`")]
    Rule,
    /// No such right.
    #[error("`{0}` is no right: there are `pull`, `push` and `delete`")]
    Right(String),
    /// No pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// What is wrong with one of the files.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file of users.
    #[error("`{place}` cannot be used")]
    Htpasswd {
        /// Which file.
        place: String,
        /// Why.
        source: HtpasswdError,
    },
    /// A line of another file.
    #[error("`{place}`, line {line}")]
    Line {
        /// Which file.
        place: String,
        /// Which line, from 1.
        line: usize,
        /// Why.
        source: LineError,
    },
    /// A file that gives nobody anything, where somebody was meant.
    #[error("`{0}` is empty")]
    Empty(String),
}

/// Reads the files.
pub fn load(arguments: &Serve, directory: &Path) -> Result<Access, Failure> {
    let read = |path: &Path| {
        let path = directory.join(path);
        let text = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
        Ok::<_, Failure>((path.display().to_string(), text))
    };
    let mut access = Access::default();
    if let Some(path) = &arguments.htpasswd {
        let (place, text) = read(path)?;
        access.users = match Htpasswd::parse(&text) {
            Ok(users) if users.is_empty() => return Err(AccessError::Empty(place).into()),
            Ok(users) => users,
            Err(source) => return Err(AccessError::Htpasswd { place, source }.into()),
        };
    }
    if let Some(path) = &arguments.tokens {
        let (place, text) = read(path)?;
        access.tokens = each(&place, &text, token)?;
        if access.tokens.is_empty() {
            return Err(AccessError::Empty(place).into());
        }
    }
    if let Some(path) = &arguments.rights {
        let (place, text) = read(path)?;
        // No rule at all would mean all rights.
        access.rules = each(&place, &text, rule)?;
        if access.rules.is_empty() {
            return Err(AccessError::Empty(place).into());
        }
    }
    Ok(access)
}

/// The lines of a file, without empty ones and comments.
fn each<T>(
    place: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, LineError>,
) -> Result<Vec<T>, AccessError> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let failed = |source| AccessError::Line { place: place.to_owned(), line: index + 1, source };
            parse(line).map_err(failed)
        })
        .collect()
}

/// `NAME:TOKEN`, or `NAME:sha256:DIGEST`.
fn token(line: &str) -> Result<AccessToken, LineError> {
    let (name, secret) = line.split_once(':').ok_or(LineError::Token)?;
    let (name, secret) = (name.trim(), secret.trim());
    if name.is_empty() || secret.is_empty() {
        return Err(LineError::Token);
    }
    let digest = match secret.strip_prefix("sha256:") {
        Some(_) => secret.to_ascii_lowercase().parse().map_err(|_| LineError::Digest)?,
        None if secret.len() < 16 => return Err(LineError::Short),
        None => Digest::of(secret.as_bytes()),
    };
    Ok(AccessToken { name: name.to_owned(), digest })
}

/// `WHO RIGHTS REPOSITORIES`.
fn rule(line: &str) -> Result<Rule, LineError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [who, rights, repositories] = words[..] else { return Err(LineError::Rule) };
    let who = match who {
        "anyone" => Who::Anyone,
        "users" => Who::Users,
        name => Who::User(name.to_owned()),
    };
    let right = |name: &str| {
        let all = [Right::Pull, Right::Push, Right::Delete];
        let found = all.into_iter().find(|right| right.name() == name);
        found.ok_or_else(|| LineError::Right(name.to_owned()))
    };
    let rights = rights.split(',').map(right).collect::<Result<_, _>>()?;
    Ok(Rule { who, repositories: repositories.parse()?, rights })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_for_users() {
        let digest = Digest::of(b"0123456789abcdef");
        let expected = AccessToken { name: "ci".to_owned(), digest };
        assert_eq!(token("ci:0123456789abcdef").as_ref(), Ok(&expected));
        assert_eq!(token(&format!("ci: {digest}")).as_ref(), Ok(&expected));
        assert_eq!(token("ci:short"), Err(LineError::Short));
        assert_eq!(token("ci:sha256:12"), Err(LineError::Digest));
        assert_eq!(token("ci"), Err(LineError::Token));
    }

    #[test]
    fn rights_are_given_in_three_words() {
        let found = rule("ada  pull,push\tteam/**").expect("it is a rule");
        assert_eq!(found.who, Who::User("ada".to_owned()));
        assert_eq!(found.rights, [Right::Pull, Right::Push]);
        assert_eq!(found.repositories.to_string(), "team/**");
        assert_eq!(rule("anyone pull **").map(|rule| rule.who), Ok(Who::Anyone));
        assert_eq!(rule("ada write **"), Err(LineError::Right("write".to_owned())));
        assert_eq!(rule("ada pull"), Err(LineError::Rule));
        assert!(matches!(rule("ada pull */**/x"), Err(LineError::Pattern(_))));
    }

    #[test]
    fn lines_are_counted_with_those_that_say_nothing() {
        let error = each("rights", "# who\n\nada pull\n", rule).expect_err("it is no rule");
        assert_eq!(error.to_string(), "`rights`, line 3");
    }
}
