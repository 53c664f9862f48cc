//! Users and their passwords, in the form of Apache's `htpasswd -B`.

use std::collections::BTreeMap;

/// A password for nobody, compared when a name is unknown, so that time does not tell which names there are.
pub(super) const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuXxDkyPzYbJLGcQfpuRmPVAFZTpaRYZC";

/// Users by name, with bcrypt's form of their passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Htpasswd(BTreeMap<String, String>);

/// A file that is not of this form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HtpasswdError {
    /// No `NAME:…`.
    #[error("line {0} is not of the form `NAME:PASSWORD`")]
    Malformed(usize),
    /// Another function than bcrypt, which can be guessed too fast.
    #[error("line {line}: the password of `{user}` is not made by bcrypt; `htpasswd -B` does it")]
    NotBcrypt {
        /// Which line.
        line: usize,
        /// Whose.
        user: String,
    },
}

impl Htpasswd {
    /// Reads lines of `NAME:PASSWORD`; empty ones and those that begin with `#` say nothing.
    pub fn parse(text: &str) -> Result<Htpasswd, HtpasswdError> {
        let mut users = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (user, password) = line.split_once(':').ok_or(HtpasswdError::Malformed(number))?;
            if user.is_empty() {
                return Err(HtpasswdError::Malformed(number));
            }
            let bcrypt = ["$2y$", "$2b$", "$2a$"].iter().any(|prefix| password.starts_with(prefix));
            if !bcrypt || password.len() != 60 {
                return Err(HtpasswdError::NotBcrypt { line: number, user: user.to_owned() });
            }
            users.insert(user.to_owned(), password.to_owned());
        }
        Ok(Htpasswd(users))
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the user's password. Takes as long for a user that there is not.
    pub(super) fn verify(&self, user: &str, password: &str) -> bool {
        let known = self.0.get(user);
        let right = bcrypt::verify(password, known.map_or(NOBODY, String::as_str)).unwrap_or(false);
        known.is_some() && right
    }
}
