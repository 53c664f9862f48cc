//! Requests under a lock: the answer must be the one that the lock names, from wherever it comes.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::RANGE;
use oci::Digest;

use super::fetch::{Answered, Fetch, Keep};
use super::inquiry::{Inquiry, Sent};
use super::judge::Judged;
use crate::gateway::body::whole;
use crate::gateway::flights::Source;
use crate::gateway::kept::{Head, Kept, Request};
use crate::gateway::options::{Pin, Pins};
use crate::gateway::spool::{Broken, Whole};
use crate::gateway::step::Step;
use crate::gateway::upstream::{NoAnswer, chain};

/// The rules under which a lock refuses.
const LOCKED: &str = "locked";
const OFFLINE: &str = "offline";

impl Step {
    /// Answers as the lock says.
    pub(super) async fn replay(
        self: &Arc<Step>,
        inquiry: &mut Inquiry,
        sent: Option<Bytes>,
        judged: &Judged,
    ) -> Result<Source, NoAnswer> {
        let mut request = inquiry.request();
        if let Some(sent) = &sent {
            request.variant += &inquiry.sent(&Sent::of(sent));
        }
        inquiry.note.intake.request = request.digest();
        let mode = &self.shared.options.mode;
        let rule = if mode.is_offline() { OFFLINE } else { LOCKED }.to_owned();
        let Some((pin, request)) = mode.pins().and_then(|pins| find(pins.as_ref(), inquiry, &request)) else {
            let reason = format!("the lock has no {} of {}", request.method, request.url);
            return Err(NoAnswer::Refused { rule, reason });
        };
        if request.variant.contains("range=") {
            inquiry.headers.remove(RANGE);
        }
        if let Some(kept) = self.pinned_in_store(&request, &pin)? {
            return self.shared.stored(kept.head, kept.whole, None);
        }
        if mode.is_offline() {
            let what = pin.digest.map_or_else(|| "it".to_owned(), |digest| digest.to_string());
            let reason = format!("the store has no copy of {}, which the lock names as {what}", request.url);
            return Err(NoAnswer::Refused { rule, reason });
        }
        self.fetch_pinned(inquiry, request, &pin, sent, judged).await
    }

    /// The answer that the lock names, if the store has it: with the headers that it had, or at least its bytes.
    fn pinned_in_store(&self, request: &Request, pin: &Pin) -> Result<Option<Kept>, NoAnswer> {
        let store = &self.shared.options.store;
        let failed = |error| NoAnswer::failed(format!("the store: {}", chain(&error)));
        let Some(digest) = pin.digest else {
            return request.latest(store).map_err(failed);
        };
        if let Some(kept) = request.exactly(store, &digest).map_err(failed)? {
            return Ok(Some(kept));
        }
        if !store.has_blob(&digest).map_err(failed)? {
            return Ok(None);
        }
        let size = store.blob_size(&digest).map_err(failed)?;
        let head = Head::bare(pin.status.unwrap_or(200));
        Ok(Some(Kept { head, whole: Whole { digest, size }, fetched: 0 }))
    }

    async fn fetch_pinned(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        request: Request,
        pin: &Pin,
        sent: Option<Bytes>,
        judged: &Judged,
    ) -> Result<Source, NoAnswer> {
        let fetch = Fetch {
            method: Method::from_bytes(request.method.as_bytes()).unwrap_or(Method::GET),
            url: inquiry.asked.url.clone(),
            headers: inquiry.outgoing_headers(&request, http::HeaderMap::new()),
            body: sent.map(whole),
            private: inquiry.is_private(),
        };
        match self.shared.fetch(fetch, &inquiry.asked.address).await? {
            Answered::Directory(source) => match (source.spool.end(), pin.digest) {
                (Some(Ok(whole)), Some(digest)) if whole.digest != digest => {
                    Err(NoAnswer::Refused { rule: LOCKED.to_owned(), reason: differs(&request, &digest) })
                }
                _ => Ok(source),
            },
            Answered::Upstream(fetched) => {
                let status = fetched.incoming.response.status();
                let mut expected = judged.expected(&inquiry.method, status);
                if let Some(digest) = pin.digest {
                    let reason = differs(&request, &digest);
                    expected.push((digest, Broken::Refused { rule: LOCKED.to_owned(), reason }));
                }
                self.shared.take(fetched, Keep { request, expected, over: None })
            }
        }
    }
}

fn differs(request: &Request, digest: &Digest) -> String {
    format!("{} has other bytes than the lock says ({digest})", request.url)
}

/// What the lock says of a request. Of a HEAD it says what it says of the GET, of a part what it says of the whole.
fn find(pins: &dyn Pins, inquiry: &Inquiry, request: &Request) -> Option<(Pin, Request)> {
    let of = |request: &Request| pins.pin(&request.method, &request.url, request.digest().as_ref());
    if let Some(pin) = of(request) {
        return Some((pin, request.clone()));
    }
    if !matches!(inquiry.method, Method::GET | Method::HEAD) {
        return None;
    }
    let part = inquiry.part_request();
    if let Some(pin) = of(&part) {
        return Some((pin, part));
    }
    let get = Request { method: Method::GET.as_str().to_owned(), ..inquiry.whole_request() };
    of(&get).map(|pin| (pin, get))
}
