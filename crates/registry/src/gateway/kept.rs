//! Answers in the store: what of them is kept, and how they are found again.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use oci::Digest;
use oci::store::{Download, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::spool::Whole;

/// Headers that belong to one connection. (RFC 9110, 7.6.1)
const OF_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of answers that lead past the gateway.
const MISLEADING: &[&str] = &["alt-svc", "alternate-protocol"];

/// Headers that belong to one answer or one client, not to what was asked for.
const OF_ONE_ANSWER: &[&str] = &[
    "accept-ranges",
    "age",
    "cf-cache-status",
    "cf-ray",
    "content-length",
    "content-range",
    "date",
    "nel",
    "report-to",
    "server",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "via",
    "x-cache",
    "x-cache-hits",
    "x-request-id",
    "x-served-by",
    "x-timer",
];

/// Takes out what belongs to one connection, also what the other side says does.
pub(super) fn strip_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in OF_CONNECTION {
        headers.remove(*name);
    }
    for name in named {
        headers.remove(name);
    }
}

/// Takes out what a step must not hear of its upstream.
pub(super) fn strip_misleading(headers: &mut HeaderMap) {
    for name in MISLEADING {
        headers.remove(*name);
    }
}

/// What an answer says to who asked and to nobody else.
pub(super) fn own_headers(headers: &HeaderMap) -> HeaderMap {
    let ours = ["accept-ranges", "content-length", "content-range"];
    let own = |name: &str| OF_ONE_ANSWER.contains(&name) && !ours.contains(&name);
    let own = headers.iter().filter(|(name, _)| own(name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Status and headers of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The whole size that the answer told of, where its body is not that: an answer to HEAD, or a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// Its end was not announced: half of it would have looked the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// Which part it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<String>,
}

impl Head {
    /// What of an answer is kept.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Head {
        let text =
            |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kept = headers.iter().filter(|(name, _)| !OF_ONE_ANSWER.contains(&name.as_str()));
        let headers = kept
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        Head {
            status: status.as_u16(),
            headers: headers.collect(),
            length: text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
            range: text(header::CONTENT_RANGE),
            unsure: false,
        }
    }

    /// An answer of which only its status is known.
    pub(super) fn bare(status: u16) -> Head {
        Head { status, ..Head::default() }
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name.as_str()).map(|(_, value)| value.as_str())
    }

    /// The same answer with another body: what speaks of the old one goes.
    pub(super) fn without_validators(mut self) -> Head {
        let gone = ["content-encoding", "digest", "etag", "last-modified"];
        self.headers.retain(|(name, _)| !gone.contains(&name.as_str()));
        self.length = None;
        self
    }

    /// The same without the signature of the place that it leads to: by then it has expired, and until then it is nobody's
    /// business.
    fn without_secrets(&self) -> Head {
        let mut head = self.clone();
        for (_, value) in head.headers.iter_mut().filter(|(name, _)| name == header::LOCATION.as_str()) {
            *value = oci::lock::without_secrets(value);
        }
        head
    }

    /// The whole size it told of.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Says something else in a header.
    pub(super) fn set(&mut self, name: &HeaderName, value: &str) {
        self.headers.retain(|(known, _)| known != name.as_str());
        self.headers.push((name.as_str().to_owned(), value.to_owned()));
    }

    /// As the beginning of an answer.
    pub(super) fn response<B>(&self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        if let Some(Ok(range)) = self.range.as_ref().map(HeaderValue::try_from) {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

/// An answer in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub head: Head,
    pub whole: Whole,
    pub fetched: i64,
}

impl Kept {
    fn of(download: Download) -> Option<Kept> {
        let head = serde_json::from_str(&download.answer).ok()?;
        let whole = Whole { digest: download.digest, size: download.size };
        Some(Kept { head, whole, fetched: download.fetched })
    }
}

/// What decides an answer, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    pub url: String,
    /// What beside method and URL decides: `accept=…`, `body=sha256:…`, a line each.
    pub variant: String,
    /// It carried somebody's credentials: its answer is for nobody else.
    pub private: bool,
}

impl Request {
    /// What the store knows it by.
    pub(super) fn key(&self) -> String {
        let private = if self.private { "private " } else { "" };
        format!("{private}{} {}\n{}", self.method, self.url, self.variant)
    }

    /// As an intake has it.
    pub(super) fn digest(&self) -> Option<Digest> {
        (!self.variant.is_empty()).then(|| Digest::of(self.variant.as_bytes()))
    }

    /// The latest answer, if it may be given to somebody else.
    pub(super) fn latest(&self, store: &Store) -> Result<Option<Kept>, StoreError> {
        if self.private {
            return Ok(None);
        }
        Ok(store.latest_download(&self.key())?.and_then(Kept::of))
    }

    /// The latest answer that anybody got, for those of whom the upstream says that they may have it.
    pub(super) fn latest_of_anybody(&self, store: &Store) -> Result<Option<Kept>, StoreError> {
        for private in [true, false] {
            let key = Request { private, ..self.clone() }.key();
            if let Some(kept) = store.latest_download(&key)?.and_then(Kept::of) {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// The answer that had this body, whoever got it.
    pub(super) fn exactly(&self, store: &Store, digest: &Digest) -> Result<Option<Kept>, StoreError> {
        for private in [false, true] {
            let key = Request { private, ..self.clone() }.key();
            if let Some(kept) = store.download_as(&key, digest)?.and_then(Kept::of) {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Keeps an answer whose body is in the store.
    pub(super) fn keep(&self, store: &Store, head: &Head, whole: Whole, fetched: i64) {
        let Ok(answer) = serde_json::to_string(&head.without_secrets()) else { return };
        let (digest, size) = (whole.digest, whole.size);
        store.keep_download(Download { request: self.key(), digest, size, answer, fetched });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_or_a_client_is_not_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("alt-svc", "h3"),
            ("set-cookie", "a=b"),
            ("etag", "\"e\""),
            ("content-type", "text/plain"),
            ("content-length", "3"),
        ] {
            headers.insert(HeaderName::from_static(Box::leak(name.into())), value.parse().unwrap());
        }
        strip_connection(&mut headers);
        strip_misleading(&mut headers);
        let head = Head::of(StatusCode::OK, &headers);
        let text = serde_json::to_string(&head).unwrap();
        let expected =
            r#"{"status":200,"headers":[["etag","\"e\""],["content-type","text/plain"]],"length":3}"#;
        assert_eq!(text, expected);
        let response = serde_json::from_str::<Head>(&text).unwrap().response(());
        assert_eq!(response.headers()["etag"], "\"e\"");
        let mut head = Head::bare(302);
        head.set(&header::LOCATION, "https://store.example.org/x?a=1&X-Amz-Signature=abc&X-Amz-Date=2");
        assert_eq!(head.without_secrets().header(&header::LOCATION), Some("https://store.example.org/x?a=1"));
    }
}
