//! Who we are to a registry: names, passwords and tokens, and where they are kept.

mod docker;

use std::fmt;
use std::io;

pub use docker::{DockerConfig, DockerConfigError, HelperOutput, HelperRunner};

/// What is shown to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password, or whatever the registry takes for one.
        password: String,
    },
    /// A token with which others are had (OAuth2's refresh token; Docker's "identity token").
    IdentityToken(String),
    /// A token that is shown as it is.
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Password { user, .. } => write!(f, "Password({user:?}, …)"),
            Credentials::IdentityToken(_) => f.write_str("IdentityToken(…)"),
            Credentials::RegistryToken(_) => f.write_str("RegistryToken(…)"),
        }
    }
}

/// Credentials that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A credential helper cannot be run.
    #[error("cannot run `{program}`")]
    Run {
        /// Which.
        program: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A credential helper failed.
    #[error("`{program}` failed: {said}")]
    Failed {
        /// Which.
        program: String,
        /// The first line of what it said.
        said: String,
    },
    /// A credential helper answered something else than credentials.
    #[error("`{program}` answers something that is no credential")]
    Malformed {
        /// Which.
        program: String,
    },
    /// A file of credentials cannot be read.
    #[error("cannot read the credentials in `{place}`")]
    Unreadable {
        /// The file, or what else holds them.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A configuration cannot be read.
    #[error("the configuration has credentials that cannot be read")]
    Configuration(#[source] DockerConfigError),
}

/// Where credentials are kept.
pub trait CredentialSource: Send + Sync {
    /// What to show to a registry, for a repository in it; `None`: nothing. `registry` is the name in references.
    fn credentials(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, CredentialError>;
}

/// Nobody in particular.
impl CredentialSource for () {
    fn credentials(
        &self,
        _registry: &str,
        _repository: &str,
    ) -> Result<Option<Credentials>, CredentialError> {
        Ok(None)
    }
}

/// The same for one registry, nothing for others.
impl CredentialSource for (String, Credentials) {
    fn credentials(&self, registry: &str, _repository: &str) -> Result<Option<Credentials>, CredentialError> {
        Ok((registry == self.0).then(|| self.1.clone()))
    }
}
