//! What goes wrong between a client and a registry.

use std::io;

use oci::Digest;
use oci::manifest::DocumentError;
use oci::store::StoreError;

use super::config::PlaceError;
use super::credentials::CredentialError;
use crate::tls::TlsError;
use crate::wire::error::Item;
use crate::{Redacted, Repository};

/// A request to a registry failed, or its answer is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection, a broken one, or silence.
    #[error("cannot reach `{url}`")]
    Transport {
        /// Where.
        url: Redacted,
        /// How it failed.
        #[source]
        source: TransportError,
    },
    /// The registry refused.
    #[error("`{url}` answers {status}{}", said(.items))]
    Status {
        /// Where.
        url: Redacted,
        /// HTTP's number.
        status: u16,
        /// What the registry says about it.
        items: Vec<String>,
    },
    /// The registry wants to know who asks, and what it was shown is not enough.
    #[error("`{registry}` does not let us {action} `{repository}`{}", said(.items))]
    Unauthorized {
        /// Whom we asked.
        registry: String,
        /// `pull`, `push`, `delete`.
        action: &'static str,
        /// What.
        repository: Repository,
        /// What the registry says about it.
        items: Vec<String>,
    },
    /// It is not there.
    #[error("`{registry}` has no {what} in `{repository}`")]
    NotFound {
        /// Whom we asked.
        registry: String,
        /// What, in words.
        what: String,
        /// Where.
        repository: Repository,
    },
    /// Bytes that are not what their digest says.
    #[error("`{url}` sends content with the digest {found}, not {expected}")]
    WrongDigest {
        /// Where.
        url: Redacted,
        /// What was announced.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// More bytes than announced, or than anybody may send.
    #[error("`{url}` sends more than {limit} bytes")]
    TooLarge {
        /// Where.
        url: Redacted,
        /// What is allowed.
        limit: u64,
    },
    /// An answer that is not what the specification says.
    #[error("`{url}` answers what no registry should: {why}")]
    Malformed {
        /// Where.
        url: Redacted,
        /// What is wrong with it.
        why: String,
    },
    /// Too many attempts came to nothing.
    #[error("gave up after {attempts} attempts")]
    GaveUp {
        /// How many.
        attempts: u32,
        /// How the last one failed.
        #[source]
        last: Box<RequestError>,
    },
    /// No credentials to be had.
    #[error("cannot get credentials for `{registry}`")]
    Credentials {
        /// For whom.
        registry: String,
        /// Why.
        #[source]
        source: CredentialError,
    },
    /// Certificates that cannot be used.
    #[error("cannot use TLS with `{registry}`")]
    Tls {
        /// With whom.
        registry: String,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// A file cannot be read or written.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The store refused something.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A connection's failure. The HTTP library's own text would repeat the URL with everything in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(String);

impl TransportError {
    pub(crate) fn new(error: &reqwest::Error) -> TransportError {
        // The innermost cause says what happened; those around it say that something did.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let text = if cause.is::<reqwest::Error>() { kind(error).to_owned() } else { cause.to_string() };
        let text = Redacted::foreign(&text).to_string();
        TransportError(if error.is_timeout() { "it takes too long".to_owned() } else { text })
    }

    /// Whether it will be the same a moment later: there is no host of this name. A name server that does not answer says
    /// something else.
    fn is_lasting(&self) -> bool {
        self.0.ends_with("Name or service not known")
    }

    pub(crate) fn text(text: &str) -> TransportError {
        TransportError(text.to_owned())
    }
}

fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_redirect() {
        "it redirects to where we do not follow"
    } else if error.is_body() || error.is_decode() {
        "the connection broke in the middle"
    } else {
        "the connection failed"
    }
}

impl RequestError {
    pub(crate) fn transport(url: &reqwest::Url, error: &reqwest::Error) -> RequestError {
        RequestError::Transport { url: Redacted::url(url.as_str()), source: TransportError::new(error) }
    }

    pub(crate) fn malformed(url: &reqwest::Url, why: impl Into<String>) -> RequestError {
        RequestError::Malformed { url: Redacted::url(url.as_str()), why: why.into() }
    }

    /// Whether the same request may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            RequestError::Transport { source, .. } => !source.is_lasting(),
            RequestError::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether the answer is that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        match self {
            RequestError::NotFound { .. } => true,
            RequestError::GaveUp { last, .. } => last.is_not_found(),
            _ => false,
        }
    }
}

/// What a registry's items say, as the end of a sentence.
fn said(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!(": {}", items.join("; ")) }
}

pub(crate) fn texts(items: &[Item]) -> Vec<String> {
    items.iter().map(ToString::to_string).filter(|text| !text.is_empty()).collect()
}

/// An image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// By configuration.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// All places were asked in vain.
    #[error("cannot pull `{reference}`{}", tried(.attempts))]
    Nowhere {
        /// What.
        reference: String,
        /// Mirrors that failed before the last place, and how.
        attempts: Vec<(String, RequestError)>,
        /// How the last place failed.
        #[source]
        last: Box<RequestError>,
    },
    /// A document cannot be read.
    #[error("`{what}` cannot be read")]
    Document {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// Something that is no image.
    #[error("`{reference}` is no image but `{media_type}`")]
    NoImage {
        /// What was asked for.
        reference: String,
        /// What it is.
        media_type: Redacted,
    },
    /// None for the platform.
    #[error("`{reference}` has no image for {platform}, only for {available}")]
    Platform {
        /// What was asked for.
        reference: String,
        /// For which platform.
        platform: String,
        /// What there is.
        available: String,
    },
    /// One of its parts cannot be had.
    #[error("cannot fetch {part} of `{reference}`")]
    Part {
        /// Which.
        part: String,
        /// Of what.
        reference: String,
        /// Why.
        #[source]
        source: Box<RequestError>,
    },
    /// The store refused something.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn tried(attempts: &[(String, RequestError)]) -> String {
    attempts.iter().map(|(place, error)| format!("; `{place}` failed before: {error}")).collect()
}

/// An image cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// By configuration.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// One of its parts cannot be sent.
    #[error("cannot push {part} to `{place}`")]
    Part {
        /// Which.
        part: String,
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: Box<RequestError>,
    },
    /// A part is not here.
    #[error("`{image}` is incomplete: {missing} is not in the store")]
    Incomplete {
        /// Which.
        image: Digest,
        /// What it lacks.
        missing: Digest,
    },
    /// A document cannot be read.
    #[error("`{what}` cannot be read")]
    Document {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// The source of a copy failed.
    #[error(transparent)]
    Source(#[from] Box<PullError>),
    /// The store refused something.
    #[error(transparent)]
    Store(#[from] StoreError),
}
