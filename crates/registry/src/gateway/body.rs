//! Bodies of requests and answers, whatever they come from.

use std::io;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// A body on its way.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// All of a body.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Body::new(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// No body.
pub(super) fn empty() -> Body {
    whole(Bytes::new())
}
