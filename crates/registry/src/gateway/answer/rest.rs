//! Bodies that break off: what is missing is asked for, instead of giving up what has come.
//!
//! It is asked for only where the upstream can say that it is still the same thing (a tag, a date, or a digest that
//! somebody promised), and taken only where it says which part of what it is. Whatever comes of it, the whole is judged as
//! ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{Method, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::fetch::Fetch;
use crate::gateway::Shared;
use crate::gateway::spool::Resume;
use crate::gateway::upstream::Incomings;
use crate::wire::range;

/// Tries without much to show for it.
const TRIES: u32 = 3;

/// Bytes that are much: after these, an upstream has its tries again.
const MUCH: u64 = 1 << 20;

/// Before each try.
const PAUSE: Duration = Duration::from_millis(250);

/// A body on its way, and the place among the requests to its host that it holds.
pub(super) struct Ongoing {
    body: Incoming,
    _place: OwnedSemaphorePermit,
}

/// How to ask again for something.
pub(super) struct Ask {
    url: String,
    headers: HeaderMap,
    private: bool,
    /// What the upstream knows it by.
    tag: Option<HeaderValue>,
    encoding: Option<HeaderValue>,
}

/// Asks for the rest of one body.
pub(super) struct Rest {
    shared: Arc<Shared>,
    ask: Option<Ask>,
    /// How long the whole is, if that was said.
    total: Option<u64>,
    tries: u32,
    /// Where the last try began.
    begun: u64,
}

impl Ongoing {
    pub(super) fn new(body: Incoming, place: OwnedSemaphorePermit) -> Ongoing {
        Ongoing { body, _place: place }
    }
}

impl Ask {
    /// Nothing where it makes no sense: what was asked changes something, or only a part came.
    pub(super) fn of(fetch: &Fetch, url: &str, response: &Response<Incoming>) -> Option<Ask> {
        let headers = response.headers();
        let partless = headers.get(ACCEPT_RANGES).is_some_and(|ranges| ranges == "none");
        let whole = response.status() == StatusCode::OK && !fetch.headers.contains_key(RANGE);
        if fetch.method != Method::GET || !whole || partless {
            return None;
        }
        let mut asked = fetch.headers.clone();
        for name in [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE] {
            asked.remove(name);
        }
        let encoding = headers.get(CONTENT_ENCODING).cloned();
        let (url, private) = (url.to_owned(), fetch.private);
        Some(Ask { url, headers: asked, private, tag: tag(headers), encoding })
    }

    /// For what lies behind so many bytes.
    fn behind(&self, written: u64) -> Option<Fetch> {
        let mut headers = self.headers.clone();
        headers.insert(RANGE, HeaderValue::try_from(format!("bytes={written}-")).ok()?);
        if let Some(tag) = &self.tag {
            headers.insert(IF_RANGE, tag.clone());
        }
        let (url, private) = (self.url.clone(), self.private);
        Some(Fetch { method: Method::GET, url, headers, body: None, private })
    }
}

/// What tells one state of something from all others. (RFC 9110, 13.1.5)
fn tag(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = |tag: &&HeaderValue| tag.as_bytes().starts_with(b"\"");
    if let Some(tag) = headers.get(ETAG) {
        return Some(tag).filter(strong).cloned();
    }
    // A date says so only of what has not changed in the second of the answer.
    let modified = headers.get(LAST_MODIFIED)?;
    (headers.get(DATE)? != modified).then(|| modified.clone())
}

impl Rest {
    /// `promised`: whether bytes that are other ones would be noticed at the end.
    pub(super) fn new(shared: Arc<Shared>, ask: Option<Ask>, total: Option<u64>, promised: bool) -> Rest {
        let ask = ask.filter(|ask| promised || ask.tag.is_some());
        Rest { shared, ask, total, tries: 0, begun: 0 }
    }

    fn is_rest(&self, ask: &Ask, response: &Response<Incoming>, from: u64) -> bool {
        let headers = response.headers();
        let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
        let part = range::parse_content(range).is_some_and(|part| {
            let whole = range.rsplit('/').next().and_then(|whole| whole.trim().parse().ok());
            part.start == from && whole == Some(part.end) && self.total.is_none_or(|total| total == part.end)
        });
        let same = match (&ask.tag, headers.get(ETAG)) {
            (Some(tag), Some(now)) if tag.as_bytes().starts_with(b"\"") => tag == now,
            _ => true,
        };
        let encoded = headers.get(CONTENT_ENCODING) == ask.encoding.as_ref();
        response.status() == StatusCode::PARTIAL_CONTENT && part && same && encoded
    }
}

impl Resume for Rest {
    type Body = Ongoing;

    async fn rest(&mut self, written: u64) -> Option<Ongoing> {
        if written >= self.begun + MUCH {
            self.tries = 0;
        }
        self.begun = written;
        while self.tries < TRIES {
            self.tries += 1;
            let ask = self.ask.as_ref().filter(|_| written > 0)?;
            sleep(PAUSE).await;
            let mut fetch = ask.behind(written)?;
            let Ok(Incomings { response, place }) = self.shared.fetch_at(&mut fetch, &ask.url).await else {
                continue;
            };
            // Whoever gives something else now will do so the next time.
            return self.is_rest(ask, &response, written).then(|| Ongoing::new(response.into_body(), place));
        }
        None
    }
}

impl Body for Ongoing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
