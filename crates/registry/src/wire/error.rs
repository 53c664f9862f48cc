//! Errors in the specification's JSON form. (OCI distribution specification, "Error Codes")

use std::fmt;

use serde::{Deserialize, Serialize};

/// More errors than this in one answer say nothing more.
const COUNT_LIMIT: usize = 5;

/// A code of the specification, and of Docker's registry where the specification is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    TagInvalid,
    RangeInvalid,
    PaginationNumberInvalid,
    Unknown,
}

impl Code {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Code::BlobUnknown => "BLOB_UNKNOWN",
            Code::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Code::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Code::DigestInvalid => "DIGEST_INVALID",
            Code::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Code::ManifestInvalid => "MANIFEST_INVALID",
            Code::ManifestUnknown => "MANIFEST_UNKNOWN",
            Code::NameInvalid => "NAME_INVALID",
            Code::NameUnknown => "NAME_UNKNOWN",
            Code::SizeInvalid => "SIZE_INVALID",
            Code::Unauthorized => "UNAUTHORIZED",
            Code::Denied => "DENIED",
            Code::Unsupported => "UNSUPPORTED",
            Code::TooManyRequests => "TOOMANYREQUESTS",
            Code::TagInvalid => "TAG_INVALID",
            Code::RangeInvalid => "RANGE_INVALID",
            Code::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Code::Unknown => "UNKNOWN",
        }
    }
}

/// One error of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub message: String,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Item>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, message) = (crate::Redacted::foreign(&self.code), crate::Redacted::foreign(&self.message));
        match (self.code.is_empty(), self.message.is_empty()) {
            (false, false) => write!(f, "{message} ({code})"),
            (false, true) => write!(f, "{code}"),
            (true, _) => write!(f, "{message}"),
        }
    }
}

/// The body of an answer with one error.
pub(crate) fn write(code: Code, message: &str, detail: serde_json::Value) -> Vec<u8> {
    let item = Item { code: code.name().to_owned(), message: message.to_owned(), detail };
    // Strings and values that are JSON already cannot fail to be written.
    serde_json::to_vec(&Body { errors: vec![item] }).unwrap_or_default()
}

/// The errors of an answer; none if it is not of this form, as with proxies that answer for a registry.
pub(crate) fn parse(body: &[u8]) -> Vec<Item> {
    let mut errors = serde_json::from_slice::<Body>(body).map(|body| body.errors).unwrap_or_default();
    errors.truncate(COUNT_LIMIT);
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_back() {
        let body = write(Code::BlobUnknown, "no such blob", serde_json::json!({"digest": "x"}));
        let items = parse(&body);
        assert_eq!(items[0].to_string(), "no such blob (BLOB_UNKNOWN)");
        assert!(parse(b"<html>").is_empty());
        assert!(parse(b"{}").is_empty());
    }
}
