//! Answers that the gateway gives in its own name.
//!
//! Many tools show nothing of an answer but its status line, so the reason stands there, too.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::gateway::body::{Body, whole};

/// Characters of the reason in a status line.
const LINE: usize = 200;

/// A page of text that names Kapok and the reason.
pub(super) fn page(status: StatusCode, reason: &str) -> Response<Body> {
    let line: String = reason.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(LINE).collect();
    let mut response = Response::new(whole(format!("Kapok: {reason}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(phrase) = ReasonPhrase::try_from(format!("Kapok: {line}").into_bytes()) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// It may not be.
pub(super) fn refused(reason: &str) -> Response<Body> {
    page(StatusCode::FORBIDDEN, reason)
}

/// There is no answer to pass on.
pub(super) fn failed(reason: &str) -> Response<Body> {
    page(StatusCode::BAD_GATEWAY, reason)
}
