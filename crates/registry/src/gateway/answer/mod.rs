//! One request of a step, from its first line to the last byte of its answer.

mod fetch;
mod give;
mod inquiry;
mod page;
mod replay;
mod through;

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use oci::record::{Intake, Verdict};

use super::asked::{Asked, Destination, Unclear, other_protocol};
use super::body::Body;
use super::flights::{Seat, Source};
use super::kept::Kept;
use super::step::Step;
use super::upstream::NoAnswer;
use crate::packages::{self, recognise};

use fetch::{Answered, Fetch, Keep};
use inquiry::Inquiry;

/// What is to be done when a body has come to its end.
type Over = Box<dyn FnOnce() + Send>;

/// The rule by which addresses inside are refused.
const INTERNAL: &str = "network.internal";

impl Step {
    /// Answers a request that came on a connection.
    pub(super) async fn answer(
        self: &Arc<Step>,
        destination: &Destination,
        secure: bool,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let method = parts.method.as_str().to_owned();
        let asked = match Asked::of(destination, secure, &self.names, &parts) {
            Ok(asked) => asked,
            Err(unclear) => return self.unclear(destination, method, unclear),
        };
        let note =
            self.ledger.note(Intake { url: asked.url.clone(), method: method.clone(), ..Intake::default() });
        if let Some(protocol) = other_protocol(&parts) {
            let reason = format!("{protocol} cannot leave a step: only requests of http and https do");
            note.failed(&reason);
            return page::page(StatusCode::NOT_IMPLEMENTED, &reason);
        }
        if let Verdict::Refused { rule, reason } = self.shared.options.gate.address(&method, &asked.url) {
            return refuse(note, &rule, &reason);
        }
        let text = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let artifact = recognise(&packages::Request {
            method: &method,
            url: &asked.url,
            accept: text("accept").unwrap_or_default(),
            agent: text("user-agent").unwrap_or_default(),
            content_type: None,
        });
        let inquiry = Inquiry::new(asked, parts, artifact, note);
        if self.shared.options.mode.pins().is_some() {
            return self.replay(inquiry, body).await;
        }
        if inquiry.is_plain(&body) { self.look_up(inquiry).await } else { self.through(inquiry, body).await }
    }

    /// A GET or HEAD without anything private about it: the store may have the answer.
    async fn look_up(self: &Arc<Step>, inquiry: Inquiry) -> Response<Body> {
        let immutable = !inquiry.artifact.is_mutable();
        let kept = match inquiry.whole_request().latest(&self.shared.options.store) {
            Ok(kept) => kept.filter(|kept| kept.head.status == 200),
            Err(error) => return self.broken(inquiry, &super::upstream::chain(&error)),
        };
        match kept {
            Some(kept) if immutable && !kept.head.unsure => self.from_store(inquiry, kept, None),
            _ if immutable && inquiry.method == Method::GET => {
                let result = self.join(&inquiry).await;
                self.conclude(inquiry, result)
            }
            Some(kept) if inquiry.method == Method::GET => self.revalidate(inquiry, kept).await,
            _ => {
                let result = self.anew(&inquiry, inquiry.request(), None).await;
                self.conclude(inquiry, result)
            }
        }
    }

    fn from_store(&self, inquiry: Inquiry, kept: Kept, from: Option<String>) -> Response<Body> {
        let stored = self.shared.stored(kept.head, kept.whole, from);
        self.conclude(inquiry, stored)
    }

    /// Fetches something that never changes, or shares what somebody fetches.
    async fn join(self: &Arc<Step>, inquiry: &Inquiry) -> Result<Source, NoAnswer> {
        let request = inquiry.whole_request();
        let key = request.key();
        loop {
            match self.shared.flights.board(&key) {
                Seat::Lead(lead) => {
                    let (flights, over) = (self.shared.flights.clone(), key.clone());
                    let over = Box::new(move || flights.end(&over));
                    let result = self.anew(inquiry, request, Some(over)).await;
                    lead.land(&result);
                    return result;
                }
                Seat::Follow(follow) => {
                    if let Some(landing) = follow.landing().await {
                        return landing;
                    }
                }
            }
        }
    }

    /// Asks whether what the store has is still so.
    async fn revalidate(self: &Arc<Step>, inquiry: Inquiry, kept: Kept) -> Response<Body> {
        let request = inquiry.whole_request();
        let conditions = inquiry::conditions(&kept.head);
        let answered = match self.ask(&inquiry, request.clone(), conditions, None).await {
            Ok(None) => {
                let now = (self.shared.options.clock)();
                request.keep(&self.shared.options.store, &kept.head, kept.whole, now);
                return self.from_store(inquiry, kept, None);
            }
            Ok(Some(source)) => Ok(source),
            Err(no_answer) => Err(no_answer),
        };
        let down = match &answered {
            Ok(source) if source.head.status >= 500 => Some(format!("it answers {}", source.head.status)),
            Err(NoAnswer::Failed { reason }) => Some(reason.clone()),
            _ => None,
        };
        match down {
            Some(reason) if !self.shared.options.no_stale => {
                let when = oci::time::format_rfc3339(kept.fetched);
                let url = &inquiry.asked.url;
                self.ledger
                    .warn(format!("{url} is the copy of {when}, because its upstream is down: {reason}"));
                self.from_store(inquiry, kept, Some(format!("the copy of {when}")))
            }
            _ => self.conclude(inquiry, answered),
        }
    }

    /// Asks upstream for what the store does not have.
    async fn anew(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        request: super::kept::Request,
        over: Option<Over>,
    ) -> Result<Source, NoAnswer> {
        let source = self.ask(inquiry, request, HeaderMap::new(), over).await?;
        source.ok_or_else(|| NoAnswer::Failed { reason: "it has not changed, says the upstream".to_owned() })
    }

    /// Asks upstream; nothing if what is known already still holds.
    async fn ask(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        request: super::kept::Request,
        conditions: HeaderMap,
        over: Option<Over>,
    ) -> Result<Option<Source>, NoAnswer> {
        let conditional = !conditions.is_empty();
        let fetch = Fetch {
            method: inquiry.method.clone(),
            url: inquiry.asked.url.clone(),
            headers: inquiry.outgoing_headers(&request, conditions),
            body: None,
            private: false,
        };
        match self.shared.fetch(fetch, &inquiry.asked.address).await? {
            Answered::Directory(source) => {
                // A directory has its own way to be always right; what it had is kept for replays.
                if let Some(Ok(whole)) = source.spool.end() {
                    let now = (self.shared.options.clock)();
                    request.keep(&self.shared.options.store, &source.head, whole, now);
                }
                if let Some(over) = over {
                    over();
                }
                Ok(Some(source))
            }
            Answered::Upstream(fetched) => {
                let unchanged = fetched.incoming.response.status() == StatusCode::NOT_MODIFIED;
                if conditional && unchanged {
                    return Ok(None);
                }
                let expected = inquiry.promised(fetched.incoming.response.status());
                self.shared.take(fetched, Keep { request, expected, over }).map(Some)
            }
        }
    }

    /// Passes on what came of a request.
    fn conclude(&self, inquiry: Inquiry, result: Result<Source, NoAnswer>) -> Response<Body> {
        let Inquiry { method, headers, note, .. } = inquiry;
        match result {
            Ok(source) => give::give(source, &method, &headers, note),
            Err(NoAnswer::Forbidden { reason }) => refuse(note, INTERNAL, &reason),
            Err(NoAnswer::Mismatch { reason }) => refuse(note, replay::LOCKED, &reason),
            Err(NoAnswer::Failed { reason }) => {
                let response = page::failed(&reason);
                note.failed(&reason);
                response
            }
        }
    }

    fn broken(&self, inquiry: Inquiry, reason: &str) -> Response<Body> {
        self.conclude(inquiry, Err(NoAnswer::Failed { reason: reason.to_owned() }))
    }

    fn unclear(&self, destination: &Destination, method: String, unclear: Unclear) -> Response<Body> {
        let url = format!("tcp://{}", destination.authority());
        let reason = format!("a request that cannot be understood: {unclear}");
        self.ledger.note(Intake { url, method, ..Intake::default() }).failed(&reason);
        page::page(StatusCode::BAD_REQUEST, &reason)
    }
}

fn refuse(note: super::ledger::Note, rule: &str, reason: &str) -> Response<Body> {
    let response = page::refused(&format!("{reason} ({rule})"));
    note.refused(rule, reason);
    response
}
