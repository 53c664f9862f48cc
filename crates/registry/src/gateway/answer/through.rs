//! Requests that only the upstream can answer: with a body, with credentials, with methods that change something. They
//! are streamed both ways, and recorded.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::RANGE;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use oci::digest::Hasher;

use super::fetch::{Answered, Fetch, Keep};
use super::inquiry::{CONDITIONS, Inquiry, SENT_LIMIT, Sent, conditions};
use super::judge::Judged;
use crate::gateway::body::Body;
use crate::gateway::flights::Source;
use crate::gateway::kept::{Kept, Request};
use crate::gateway::step::Step;
use crate::gateway::upstream::{NoAnswer, chain};

impl Step {
    /// Passes a request through.
    pub(super) async fn through(
        self: &Arc<Step>,
        inquiry: &mut Inquiry,
        body: Incoming,
        judged: &Judged,
    ) -> Result<Source, NoAnswer> {
        let mut request = inquiry.request();
        let hashing = (!body.is_end_stream()).then(|| Hashing::new(body));
        let passed = hashing.as_ref().map(|hashing| hashing.passed.clone());
        let known = self.known_to_somebody(inquiry, &request)?.filter(|_| hashing.is_none());
        let conditions = known.as_ref().map(|kept| conditions(&kept.head)).unwrap_or_default();
        let known = known.filter(|_| !conditions.is_empty());
        let mut headers = inquiry.outgoing_headers(&request, conditions);
        if known.is_none() {
            // Between client and upstream there is nobody who could keep this: their conditions are their own.
            for (name, value) in &inquiry.headers {
                if name.as_str().starts_with("if-") || name == RANGE {
                    headers.insert(name, value.clone());
                }
            }
        }
        let fetch = Fetch {
            method: inquiry.method.clone(),
            url: inquiry.asked.url.clone(),
            headers,
            body: hashing.map(Body::new),
            private: inquiry.is_private(),
        };
        let answered = self.shared.fetch(fetch, &inquiry.asked.address).await;
        if let Some(sent) = passed.and_then(|passed| passed.get()) {
            request.variant += &inquiry.sent(&sent);
        }
        inquiry.note.intake.request = request.digest();
        let answered = answered?;
        if let (Some(kept), Answered::Upstream(fetched)) = (known, &answered)
            && fetched.incoming.response.status() == StatusCode::NOT_MODIFIED
        {
            // The upstream knows who asks, and says that it is what somebody got before.
            return self.shared.stored(kept.head, kept.whole, None);
        }
        // What the client asked for in part came in part, and what it asked about was answered.
        for name in CONDITIONS {
            inquiry.headers.remove(name);
        }
        match answered {
            Answered::Directory(source) => Ok(source),
            Answered::Upstream(fetched) => {
                inquiry.headers.remove(RANGE);
                let expected = judged.expected(&inquiry.method, fetched.incoming.response.status());
                self.shared.take(fetched, Keep { request, expected, over: None })
            }
        }
    }

    /// What somebody got before in answer to the same GET, if the client did not ask whether it has changed.
    fn known_to_somebody(&self, inquiry: &Inquiry, request: &Request) -> Result<Option<Kept>, NoAnswer> {
        let asks = CONDITIONS.iter().chain([&RANGE]).any(|name| inquiry.headers.contains_key(name));
        if asks || inquiry.method != Method::GET {
            return Ok(None);
        }
        let kept = request.latest_of_anybody(&self.shared.options.store);
        let kept = kept.map_err(|error| NoAnswer::failed(chain(&error)))?;
        Ok(kept.filter(|kept| kept.head.status == 200))
    }

    /// A body of a request that must be known before anything is sent.
    pub(super) async fn read_body(&self, body: Incoming) -> Result<Option<Bytes>, NoAnswer> {
        if body.is_end_stream() {
            return Ok(None);
        }
        let limit = usize::try_from(self.shared.options.limits.locked_request).unwrap_or(usize::MAX);
        let read = Limited::new(body, limit).collect().await;
        let failed = |error| NoAnswer::failed(format!("the request's body: {error}"));
        Ok(Some(read.map_err(failed)?.to_bytes()))
    }
}

/// A body whose digest and beginning are known when it has passed.
struct Hashing {
    body: Incoming,
    hasher: Option<Hasher>,
    start: Vec<u8>,
    length: u64,
    passed: Passed,
}

/// The digest and the beginning of a body that may still be on its way.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<Option<Sent>>>);

impl Passed {
    fn get(&self) -> Option<Sent> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Hashing {
    fn new(body: Incoming) -> Hashing {
        Hashing {
            body,
            hasher: Some(Hasher::default()),
            start: Vec::new(),
            length: 0,
            passed: Passed::default(),
        }
    }

    fn end(&mut self) {
        if let Some(hasher) = self.hasher.take() {
            let start = std::mem::take(&mut self.start);
            let passed = Sent { digest: hasher.finish(), is_whole: start.len() as u64 == self.length, start };
            *self.passed.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(passed);
        }
    }
}

impl hyper::body::Body for Hashing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            None => {
                this.end();
                return Poll::Ready(None);
            }
            Some(frame) => frame.map_err(io::Error::other),
        };
        if let Ok(frame) = &frame
            && let (Some(data), Some(hasher)) = (frame.data_ref(), &mut this.hasher)
        {
            hasher.update(data);
            this.length += data.len() as u64;
            let room = (SENT_LIMIT as usize).saturating_sub(this.start.len());
            this.start.extend_from_slice(&data[..data.len().min(room)]);
        }
        if this.body.is_end_stream() {
            this.end();
        }
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
