//! Who may do what, from the files that `kapok serve` is given.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use oci::Digest;
use oci::causes::in_one_line;
use registry::server::access::{AccessToken, Htpasswd, HtpasswdError, PatternError, Right, Rule, Who};
use registry::server::{Access, LiveAccess};

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

/// How often is looked whether the files have changed.
pub const LOOK: Duration = Duration::from_secs(2);

/// The files of users, tokens and rights, and what they say. They may change while the server runs.
#[derive(Debug)]
pub struct Watched {
    files: Files,
    seen: Vec<Option<(SystemTime, u64, u64)>>,
    access: Arc<LiveAccess>,
}

/// Where what is kept.
#[derive(Debug)]
struct Files {
    htpasswd: Option<PathBuf>,
    tokens: Option<PathBuf>,
    rights: Option<PathBuf>,
}

impl Watched {
    /// Reads the files for the first time.
    pub fn load(arguments: &Serve, directory: &Path) -> Result<Watched, Failure> {
        let place = |path: &Option<PathBuf>| path.as_ref().map(|path| directory.join(path));
        let files = Files {
            htpasswd: place(&arguments.htpasswd),
            tokens: place(&arguments.tokens),
            rights: place(&arguments.rights),
        };
        Watched::of(files)
    }

    fn of(files: Files) -> Result<Watched, Failure> {
        let seen = files.marks();
        let access = Arc::new(LiveAccess::new(load(&files)?));
        Ok(Watched { files, seen, access })
    }

    /// For the server.
    pub fn access(&self) -> Arc<LiveAccess> {
        self.access.clone()
    }

    /// Reads the files again if they changed, and says so. Files with a mistake leave what holds as it is.
    pub fn look(&mut self) -> Option<String> {
        let marks = self.files.marks();
        if marks == self.seen {
            return None;
        }
        self.seen = marks;
        Some(match load(&self.files) {
            Ok(access) => {
                self.access.replace(access);
                "users, tokens and rights are read again: their files have changed".to_owned()
            }
            Err(failure) => {
                format!("users, tokens and rights stay as they were: {}", in_one_line(&failure))
            }
        })
    }
}

impl Files {
    /// What tells whether the files are the same: their times, sizes and inodes.
    fn marks(&self) -> Vec<Option<(SystemTime, u64, u64)>> {
        let mark = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        };
        [&self.htpasswd, &self.tokens, &self.rights].into_iter().flatten().map(mark).collect()
    }
}

/// Reads the files.
fn load(files: &Files) -> Result<Access, Failure> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(Failure::file("read", path))?;
        Ok::<_, Failure>((path.display().to_string(), text))
    };
    let mut access = Access::default();
    if let Some(path) = &files.htpasswd {
        let (place, text) = read(path)?;
        access.users = match Htpasswd::parse(&text) {
            Ok(users) if users.is_empty() => return Err(AccessError::Empty(place).into()),
            Ok(users) => users,
            Err(source) => return Err(AccessError::Htpasswd { place, source }.into()),
        };
    }
    if let Some(path) = &files.tokens {
        let (place, text) = read(path)?;
        access.tokens = each(&place, &text, token)?;
        if access.tokens.is_empty() {
            return Err(AccessError::Empty(place).into());
        }
    }
    if let Some(path) = &files.rights {
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
    fn files_that_change_are_read_again_and_mistakes_change_nothing() {
        let place = tempfile::tempdir().expect("a directory");
        let tokens = place.path().join("tokens");
        let write = |text: &str| std::fs::write(&tokens, text).expect("a file");
        write("ci:0123456789abcdef\n");
        let files = Files { htpasswd: None, tokens: Some(tokens.clone()), rights: None };
        let mut watched = Watched::of(files).expect("they are right");
        assert_eq!(watched.look(), None);
        write("ci:short\n");
        let said = watched.look().expect("it is new");
        assert!(said.starts_with("users, tokens and rights stay as they were: "), "{said}");
        assert!(said.ends_with("line 1: the token has less than 16 characters"), "{said}");
        assert_eq!(watched.access().current().tokens.len(), 1);
        write("ci:0123456789abcdef\ncd:fedcba9876543210\n");
        assert!(watched.look().is_some_and(|said| said.contains("read again")));
        assert_eq!(watched.access().current().tokens.len(), 2);
    }

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
