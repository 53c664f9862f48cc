//! Answers of the server, and refusals in the specification's form.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use oci::Digest;
use serde_json::{Value, json};

use super::storage::{FinishError, StorageError};
use crate::body::Pieces;
use crate::wire::error::{self, Code};
use crate::wire::header::{API_VERSION, API_VERSION_VALUE, CONTENT_DIGEST};

pub(super) type Answer = Response<Pieces>;

/// Why a request is not served: what the client is told, and what only the log is.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub code: Code,
    pub message: String,
    pub detail: Value,
    pub headers: Vec<(HeaderName, String)>,
    /// What went wrong inside.
    pub cause: Option<StorageError>,
}

impl Refusal {
    /// With the status that goes with the code.
    pub(super) fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            status: status_of(code),
            code,
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
            cause: None,
        }
    }

    pub(super) fn status(mut self, status: StatusCode) -> Refusal {
        self.status = status;
        self
    }

    pub(super) fn detail(mut self, detail: Value) -> Refusal {
        self.detail = detail;
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }

    /// A blob that is not in the repository.
    pub(super) fn no_blob(digest: &Digest) -> Refusal {
        Refusal::new(Code::BlobUnknown, "the repository has no such blob").detail(json!({"digest": digest}))
    }

    /// A manifest that is not in the repository.
    pub(super) fn no_manifest(name: &dyn std::fmt::Display) -> Refusal {
        Refusal::new(Code::ManifestUnknown, "the repository has no such manifest")
            .detail(json!({"reference": name.to_string()}))
    }

    /// The answer that says so.
    pub(super) fn answer(self) -> Answer {
        let body = error::write(self.code, &self.message, self.detail);
        let mut answer = whole(self.status, "application/json", body);
        for (name, value) in self.headers {
            set(&mut answer, name, &value);
        }
        answer
    }
}

impl From<StorageError> for Refusal {
    /// The client is not told what is wrong with the disk.
    fn from(cause: StorageError) -> Refusal {
        let mut refusal = Refusal::new(Code::Unknown, "the registry has a problem");
        refusal.cause = Some(cause);
        refusal
    }
}

impl From<FinishError> for Refusal {
    fn from(error: FinishError) -> Refusal {
        match error {
            FinishError::Storage(cause) => cause.into(),
            wrong @ FinishError::WrongDigest { .. } => Refusal::new(Code::DigestInvalid, wrong.to_string()),
        }
    }
}

fn status_of(code: Code) -> StatusCode {
    match code {
        Code::BlobUnknown
        | Code::BlobUploadUnknown
        | Code::ManifestBlobUnknown
        | Code::ManifestUnknown
        | Code::NameUnknown => StatusCode::NOT_FOUND,
        Code::BlobUploadInvalid
        | Code::DigestInvalid
        | Code::ManifestInvalid
        | Code::NameInvalid
        | Code::SizeInvalid
        | Code::TagInvalid
        | Code::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Pieces::empty());
    *answer.status_mut() = status;
    set(&mut answer, HeaderName::from_static(API_VERSION), API_VERSION_VALUE);
    answer
}

/// An answer whose body is here.
pub(super) fn whole(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = empty(status);
    set(&mut answer, header::CONTENT_TYPE, media_type);
    *answer.body_mut() = Pieces::Whole(body.into());
    answer
}

/// Sets a header. Values are made of checked names and digests; what HTTP cannot carry is left out.
pub(super) fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Says which digest the answer is about.
pub(super) fn set_digest(answer: &mut Answer, digest: &Digest) {
    set(answer, HeaderName::from_static(CONTENT_DIGEST), &digest.to_string());
}
