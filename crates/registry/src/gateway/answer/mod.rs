//! One request of a step, from its first line to the last byte of its answer.

mod fetch;
mod fresh;
mod give;
mod inquiry;
mod judge;
mod page;
mod recall;
mod replay;
mod rest;
mod through;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use oci::record::{Intake, Verdict};

use super::asked::{Asked, Destination, Unclear, other_protocol};
use super::body::Body;
use super::flights::{Seat, Source};
use super::kept::Kept;
use super::ledger::Note;
use super::spool::{Broken, HELD_BACK};
use super::step::Step;
use super::upstream::{NoAnswer, chain};

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
        self.answer_to(destination, secure, parts, Some(body)).await
    }

    /// Answers a GET or HEAD of a whole URL, without credentials, that came on no connection of a step.
    pub(super) async fn answer_plainly(self: &Arc<Step>, parts: Parts) -> Response<Body> {
        let nowhere = Destination { host: String::new(), port: 0 };
        self.answer_to(&nowhere, false, parts, None).await
    }

    async fn answer_to(
        self: &Arc<Step>,
        destination: &Destination,
        secure: bool,
        parts: Parts,
        body: Option<Incoming>,
    ) -> Response<Body> {
        let method = parts.method.as_str().to_owned();
        let asked = match Asked::of(destination, secure, &self.names, &parts) {
            Ok(asked) => asked,
            Err(unclear) => return self.unclear(destination, method, unclear),
        };
        let note = self.note(&asked, method);
        if let Some(protocol) = other_protocol(&parts) {
            let reason = format!("{protocol} cannot leave a step: only requests of http and https do");
            note.failed(&reason);
            return page::page(StatusCode::NOT_IMPLEMENTED, &reason);
        }
        let mut inquiry = Inquiry::new(asked, parts, note);
        let judged = match self.judge(&mut inquiry).await {
            Ok(judged) => judged,
            Err(no_answer) => return conclude(inquiry, Err(no_answer)),
        };
        if judged.hidden {
            inquiry.note.intake.status = Some(404);
            inquiry.note.done();
            return page::page(StatusCode::NOT_FOUND, "there is no such thing here");
        }
        let mut source = self.source(&mut inquiry, body, &judged).await;
        if let Ok(answered) = &source {
            source = small_enough_to_know(answered).await.map_or(source, Err);
        }
        if judged.filters(&inquiry, &source) {
            source = self.filter(&mut inquiry, source).await;
        }
        conclude(inquiry, source)
    }

    /// A request that is recorded from here on. Signatures that expire are no part of what was asked for.
    fn note(&self, asked: &Asked, method: String) -> Note {
        let url = oci::lock::normalised_url(&asked.url);
        self.ledger.note(Intake { url, method, ..Intake::default() })
    }

    /// The answer to a request that may be, from wherever it comes.
    async fn source(
        self: &Arc<Step>,
        inquiry: &mut Inquiry,
        body: Option<Incoming>,
        judged: &judge::Judged,
    ) -> Result<Source, NoAnswer> {
        if self.shared.options.mode.pins().is_some() {
            let sent = match body {
                Some(body) => self.read_body(body).await?,
                None => None,
            };
            return self.replay(inquiry, sent, judged).await;
        }
        match body {
            Some(body) if !inquiry.is_plain(&body) => self.through(inquiry, body, judged).await,
            _ => self.look_up(inquiry, judged).await,
        }
    }

    /// A GET or HEAD without anything private about it: the store may have the answer.
    async fn look_up(
        self: &Arc<Step>,
        inquiry: &mut Inquiry,
        judged: &judge::Judged,
    ) -> Result<Source, NoAnswer> {
        let immutable = !inquiry.artifact.is_mutable();
        let kept = inquiry.whole_request().latest(&self.shared.options.store);
        let kept = kept.map_err(|error| NoAnswer::failed(chain(&error)))?;
        // What somebody else got is good for this step, too, if it is what this step was promised.
        let kept = kept.filter(|kept| kept.head.status == 200 && judged.agrees(&kept.whole.digest));
        match kept {
            Some(kept) if immutable && !kept.head.unsure => self.shared.stored(kept.head, kept.whole, None),
            _ if immutable && inquiry.method == Method::GET => {
                let source = self.join(inquiry, judged).await?;
                let limit = self.shared.options.limits.whole_for_part;
                match inquiry.asks_for_part() && source.spool.size().is_none_or(|size| size > limit) {
                    // Nobody fetches a disk's image for the list of files at its end.
                    true => {
                        drop(source);
                        let request = inquiry.part_request();
                        inquiry.note.intake.request = request.digest();
                        self.anew(inquiry, request, judged, None).await
                    }
                    false => Ok(source),
                }
            }
            Some(kept) if inquiry.method == Method::GET => self.revalidate(inquiry, kept, judged).await,
            _ => self.anew(inquiry, inquiry.request(), judged, None).await,
        }
    }

    /// Fetches something that never changes, or shares what somebody fetches.
    async fn join(self: &Arc<Step>, inquiry: &Inquiry, judged: &judge::Judged) -> Result<Source, NoAnswer> {
        let request = inquiry.whole_request();
        let key = request.key();
        loop {
            match self.shared.flights.board(&key) {
                Seat::Lead(lead) => {
                    let (flights, over) = (self.shared.flights.clone(), key.clone());
                    let over = Box::new(move || flights.end(&over));
                    let result = self.anew(inquiry, request, judged, Some(over)).await;
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
    async fn revalidate(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        kept: Kept,
        judged: &judge::Judged,
    ) -> Result<Source, NoAnswer> {
        let (request, options) = (inquiry.whole_request(), &self.shared.options);
        let conditions = inquiry::conditions(&kept.head);
        let answered = match self.ask(inquiry, request.clone(), judged, conditions, None).await {
            Ok(None) => {
                request.keep(&options.store, &kept.head, kept.whole, (options.clock)());
                return self.shared.stored(kept.head, kept.whole, None);
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
            Some(reason) if !options.no_stale => {
                let when = oci::time::format_rfc3339(kept.fetched);
                let url = &inquiry.note.intake.url;
                self.ledger
                    .warn(format!("{url} is the copy of {when}, because its upstream is down: {reason}"));
                self.shared.stored(kept.head, kept.whole, Some(format!("the copy of {when}")))
            }
            _ => answered,
        }
    }

    /// Asks upstream for what the store does not have.
    async fn anew(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        request: super::kept::Request,
        judged: &judge::Judged,
        over: Option<Over>,
    ) -> Result<Source, NoAnswer> {
        let source = self.ask(inquiry, request, judged, HeaderMap::new(), over).await?;
        source
            .ok_or_else(|| NoAnswer::failed("it has not changed, says the upstream, whom nobody asked that"))
    }

    /// Asks upstream; nothing if what is known already still holds.
    async fn ask(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        request: super::kept::Request,
        judged: &judge::Judged,
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
                self.keep_of_directory(&request, &source, judged)?;
                if let Some(over) = over {
                    over();
                }
                Ok(Some(source))
            }
            Answered::Upstream(fetched) => {
                let status = fetched.incoming.response.status();
                if conditional && status == StatusCode::NOT_MODIFIED {
                    return Ok(None);
                }
                let expected = judged.expected(&inquiry.method, status);
                self.shared.take(fetched, Keep { request, expected, over }).map(Some)
            }
        }
    }

    /// Judges and keeps what a directory had, so that it can be replayed without the directory.
    fn keep_of_directory(
        &self,
        request: &super::kept::Request,
        source: &Source,
        judged: &judge::Judged,
    ) -> Result<(), NoAnswer> {
        let Some(Ok(whole)) = source.spool.end() else { return Ok(()) };
        if let Some(wrong) = judged.differs(&whole.digest) {
            return Err(wrong);
        }
        let options = &self.shared.options;
        request.keep(&options.store, &source.head, whole, (options.clock)());
        Ok(())
    }

    fn unclear(&self, destination: &Destination, method: String, unclear: Unclear) -> Response<Body> {
        let url = format!("tcp://{}", destination.authority());
        let reason = format!("a request that cannot be understood: {unclear}");
        self.ledger.note(Intake { url, method, ..Intake::default() }).failed(&reason);
        page::page(StatusCode::BAD_REQUEST, &reason)
    }
}

/// What is wrong with a body of which no client gets a byte before all of it is there: then the client can be told in
/// words, instead of by a connection that breaks.
async fn small_enough_to_know(source: &Source) -> Option<NoAnswer> {
    if source.spool.size().is_none_or(|size| size > HELD_BACK) {
        return None;
    }
    match source.spool.ended().await {
        Ok(_) | Err(Broken::Cancelled) => None,
        Err(Broken::Failed { reason }) => Some(NoAnswer::Failed { reason }),
        Err(Broken::Refused { rule, reason }) => Some(NoAnswer::Refused { rule, reason }),
    }
}

/// Passes on what came of a request.
fn conclude(inquiry: Inquiry, result: Result<Source, NoAnswer>) -> Response<Body> {
    let Inquiry { method, headers, note, .. } = inquiry;
    match result {
        Ok(source) => give::give(source, &method, &headers, note),
        Err(NoAnswer::Forbidden { reason }) => refuse(note, INTERNAL, &reason),
        Err(NoAnswer::Refused { rule, reason }) => refuse(note, &rule, &reason),
        Err(NoAnswer::Failed { reason }) => {
            let response = page::failed(&reason);
            note.failed(&reason);
            response
        }
    }
}

fn refuse(note: Note, rule: &str, reason: &str) -> Response<Body> {
    let response = page::refused(&format!("{reason} ({rule})"));
    note.refused(rule, reason);
    response
}

/// A verdict as the reason why there is no answer.
fn permitted(verdict: Verdict) -> Result<(), NoAnswer> {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Refused { rule, reason } => Err(NoAnswer::Refused { rule, reason }),
        Verdict::Failed { reason } => Err(NoAnswer::Failed { reason }),
    }
}
