//! The one way in which this room asks for something from outside: a [`Fetch`] that it is handed.
//!
//! `build` does not speak HTTP. Whoever drives a build gives it a [`Fetch`]; in tests that is a table of answers.

use std::io::{self, Write};

/// Fetches the body behind a URL.
///
/// One value serves many threads at once and keeps connections open between calls. An implementation retries by itself
/// what it can retry without the caller noticing; when a transfer broke after bytes had reached `out`, it answers an
/// error that is [`FetchError::retryable`], and the caller may start again with a fresh `out`.
pub trait Fetch: Send + Sync {
    /// Writes the body of `url` to `out`, as sent (no content decoding), at most `limit` bytes of it.
    ///
    /// A body longer than `limit` is [`FetchError::TooLarge`]; what was written until then is of no use.
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError>;

    /// Like [`fetch`](Self::fetch), but `Ok(None)` and nothing written when the upstream says that the body still has
    /// this entity tag.
    fn fetch_unless(
        &self,
        url: &str,
        etag: &str,
        out: &mut dyn Write,
        limit: u64,
    ) -> Result<Option<Fetched>, FetchError> {
        let _ = etag;
        self.fetch(url, out, limit).map(Some)
    }
}

/// What an upstream said about a body it sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Fetched {
    /// The URL that answered, after redirects.
    pub final_url: String,
    /// Bytes written.
    pub size: u64,
    /// `Last-Modified`, in seconds since 1970.
    pub last_modified: Option<i64>,
    /// `ETag`, with its quotes.
    pub etag: Option<String>,
    /// `Content-Type`, whole.
    pub content_type: Option<String>,
    /// The file name that `Content-Disposition` asks for: a plain name, never with a slash, never `.` or `..`.
    pub file_name: Option<String>,
}

/// Why a URL could not be fetched. URLs in messages carry no user, password or query.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, or of a scheme that is not fetched.
    #[error("`{url}` is not a URL that can be fetched: {reason}")]
    Url {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The upstream answered, but not with the body.
    #[error("`{url}` answered {status}")]
    Status {
        /// The URL that answered.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The body is longer than the caller takes.
    #[error("the body of `{url}` is longer than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The caller's limit.
        limit: u64,
    },
    /// Redirected more often than anybody does in good faith.
    #[error("`{url}` redirects more than {limit} times")]
    Redirects {
        /// What was asked for.
        url: String,
        /// How many redirects are followed.
        limit: u32,
    },
    /// No connection, or it broke, or the certificate is not trusted.
    #[error("cannot fetch `{url}`")]
    Transport {
        /// What was asked for.
        url: String,
        /// Whether the same question may get an answer a moment later.
        retryable: bool,
        /// What the transport said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The body ended before its announced length.
    #[error("the body of `{url}` ended after {received} bytes")]
    Truncated {
        /// What was asked for.
        url: String,
        /// Bytes received.
        received: u64,
    },
    /// A rule or a lock speaks against it.
    #[error("`{url}`: {reason}")]
    Refused {
        /// What was asked for.
        url: String,
        /// What it says, and what to do about it.
        reason: String,
    },
    /// The caller's own `out` refused the bytes.
    #[error("cannot keep the body of `{url}`")]
    Sink {
        /// What was asked for.
        url: String,
        /// What `out` said.
        #[source]
        source: io::Error,
    },
}

impl FetchError {
    /// Whether asking again, with a fresh `out`, may succeed: the infrastructure failed, not the question.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Transport { retryable, .. } => *retryable,
            Self::Truncated { .. } => true,
            Self::Url { .. }
            | Self::TooLarge { .. }
            | Self::Redirects { .. }
            | Self::Refused { .. }
            | Self::Sink { .. } => false,
        }
    }

    /// Whether the upstream is there and says that it does not have this.
    pub fn not_found(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }
}
