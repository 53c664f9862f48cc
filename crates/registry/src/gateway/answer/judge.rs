//! What the gate says of a request, and what it must know to say it.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};
use oci::Digest;
use oci::record::Verdict;

use super::inquiry::Inquiry;
use super::permitted;
use crate::gateway::asked::Asked;
use crate::gateway::flights::Source;
use crate::gateway::gate::{Probe, Subject, Wants};
use crate::gateway::spool::{Broken, Whole};
use crate::gateway::step::Step;
use crate::gateway::upstream::{NoAnswer, chain};
use crate::packages::index::{Filtered, Index, times};
use crate::packages::{Address, Artifact, Kind};

/// Bytes of a document that tells when something was published.
const DOCUMENT: u64 = 64 << 20;

/// What the gate said.
#[derive(Default)]
pub(super) struct Judged {
    /// The step is told that there is no such thing.
    pub hidden: bool,
    wants: Wants,
    /// Digests that the body must have, and who says so.
    promised: Vec<(Digest, &'static str)>,
}

impl Judged {
    /// Whether a body is what was promised.
    pub(super) fn agrees(&self, digest: &Digest) -> bool {
        self.differs(digest).is_none()
    }

    /// What speaks against a body.
    pub(super) fn differs(&self, digest: &Digest) -> Option<NoAnswer> {
        let other = |promised: &Digest| promised.algorithm() == digest.algorithm() && promised != digest;
        let (promised, who) = self.promised.iter().find(|(promised, _)| other(promised))?;
        Some(NoAnswer::failed(format!(
            "the bytes have the digest {digest}, and not {promised} as {who} says"
        )))
    }

    /// The same for a body on its way.
    pub(super) fn expected(&self, method: &Method, status: StatusCode) -> Vec<(Digest, Broken)> {
        if *method != Method::GET || status != StatusCode::OK {
            return Vec::new();
        }
        let words = |who| Broken::failed(format!("the bytes are not those that {who} promises"));
        self.promised.iter().map(|(digest, who)| (*digest, words(who))).collect()
    }

    /// Whether something is to be taken out of an answer.
    pub(super) fn filters(&self, inquiry: &Inquiry, source: &Result<Source, NoAnswer>) -> bool {
        let found = source.as_ref().is_ok_and(|source| source.head.status == 200);
        self.wants.whole && found && inquiry.method == Method::GET
    }
}

impl Step {
    /// Asks the gate.
    pub(super) async fn judge(self: &Arc<Step>, inquiry: &mut Inquiry) -> Result<Judged, NoAnswer> {
        let gate = self.shared.options.gate.clone();
        permitted(gate.address(inquiry.method.as_str(), &inquiry.asked.url))?;
        let (artifact, url) = (inquiry.artifact.clone(), inquiry.asked.url.clone());
        let wants = gate.wants(&artifact, &url);
        if let Some(hidden) = self.precedence(&wants).await? {
            // An index does not know the name; a file of it is what the step must not have.
            if artifact.kind == Kind::Index {
                return Ok(Judged { hidden: true, ..Judged::default() });
            }
            permitted(hidden)?;
        }
        let mut known = self.shared.known().of(&artifact, &url).cloned();
        if wants.digest && artifact.digest.is_none() && known.is_none() {
            self.recall().await;
            known = self.shared.known().of(&artifact, &url).cloned();
        }
        let mut promised = Vec::new();
        promised.extend(artifact.digest.map(|digest| (digest, "its address")));
        promised.extend(known.as_ref().and_then(|offer| offer.digest).map(|digest| (digest, "its index")));
        let mut published = known.and_then(|offer| offer.published);
        if wants.published && published.is_none() {
            published = self.published(&artifact, &url).await?;
        }
        inquiry.note.intake.published = published;
        let locked = || {
            let pins = self.shared.options.mode.pins()?;
            pins.pin(inquiry.method.as_str(), &url, inquiry.request().digest().as_ref())?.digest
        };
        let digest = promised.first().map(|(digest, _)| *digest).or_else(locked);
        permitted(gate.artifact(&Subject { artifact: &artifact, url: &url, published, promised: digest }))?;
        if wants.whole {
            inquiry.ask_for_whole(wants.accept);
        }
        Ok(Judged { hidden: false, wants, promised })
    }

    /// What holds because a private index has the name.
    async fn precedence(self: &Arc<Step>, wants: &Wants) -> Result<Option<Verdict>, NoAnswer> {
        if wants.hidden.is_some() {
            return Ok(wants.hidden.clone());
        }
        for Probe { url, refusal } in &wants.ask_first {
            let (status, _) = self.aside(url).await?;
            match status {
                200..=399 => return Ok(Some(refusal.clone())),
                404 | 410 => {}
                other => {
                    let why =
                        format!("{url}, which comes first, answers {other}: nobody knows whose name it is");
                    return Err(NoAnswer::failed(why));
                }
            }
        }
        Ok(None)
    }

    async fn published(self: &Arc<Step>, artifact: &Artifact, url: &str) -> Result<Option<i64>, NoAnswer> {
        let Some(ask) = times::ask_of_file(artifact, url) else { return Ok(None) };
        let (status, body) = self.aside(&ask.url).await?;
        Ok(if status == 200 { times::read(artifact, &body) } else { None })
    }

    /// Asks something of the gateway's own accord. It is recorded as if the step had asked.
    async fn aside(self: &Arc<Step>, url: &str) -> Result<(u16, Vec<u8>), NoAnswer> {
        let gate = &self.shared.options.gate;
        permitted(gate.address("GET", url))?;
        let address = Address::parse(url).ok_or_else(|| NoAnswer::failed(format!("`{url}` is no URL")))?;
        let asked = Asked { url: url.to_owned(), address, has_login: false };
        let note = self.note(&asked, Method::GET.as_str().to_owned());
        let (parts, ()) = http::Request::new(()).into_parts();
        let mut inquiry = Inquiry::new(asked, parts, note);
        let nothing = Judged::default();
        let source = match self.shared.options.mode.pins() {
            Some(_) => Box::pin(self.replay(&mut inquiry, None, &nothing)).await,
            None => Box::pin(self.look_up(&mut inquiry, &nothing)).await,
        };
        match source {
            Ok(source) => {
                let status = source.head.status;
                inquiry.note.intake.status = Some(status);
                let (whole, body) = self.read(&source, DOCUMENT).await?;
                inquiry.note.settle(Ok(whole));
                Ok((status, body))
            }
            Err(no_answer) => {
                inquiry.note.quietly_failed(&no_answer.reason());
                Err(no_answer)
            }
        }
    }

    /// All of a body, when it is there.
    async fn read(&self, source: &Source, limit: u64) -> Result<(Whole, Vec<u8>), NoAnswer> {
        let whole = match source.spool.ended().await {
            Ok(whole) => whole,
            Err(Broken::Failed { reason }) => return Err(NoAnswer::Failed { reason }),
            Err(Broken::Refused { rule, reason }) => return Err(NoAnswer::Refused { rule, reason }),
            Err(Broken::Cancelled) => return Err(NoAnswer::failed("it was broken off")),
        };
        if whole.size > limit.min(DOCUMENT) {
            return Err(NoAnswer::failed(format!(
                "it has {} bytes, too many to be looked through",
                whole.size
            )));
        }
        let store = self.shared.options.store.clone();
        let reading = tokio::task::spawn_blocking(move || store.read_blob(&whole.digest));
        let read = reading.await.map_err(|_| NoAnswer::failed("it was broken off"))?;
        Ok((whole, read.map_err(|error| NoAnswer::failed(chain(&error)))?))
    }

    /// Takes out of an index what the step may not have. The record names the upstream's bytes.
    pub(super) async fn filter(
        self: &Arc<Step>,
        inquiry: &mut Inquiry,
        source: Result<Source, NoAnswer>,
    ) -> Result<Source, NoAnswer> {
        let source = source?;
        // Few at a time: parsed documents are large.
        let _place = self.shared.filters.acquire().await;
        let (whole, body) = self.read(&source, self.shared.options.limits.filtered_index).await?;
        if source.head.header(&http::header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
        {
            return Err(NoAnswer::failed("the index came compressed, although it was not to"));
        }
        let times = self.times(inquiry, &source, &body).await?;
        let (gate, artifact) = (self.shared.options.gate.clone(), inquiry.artifact.clone());
        let (url, accept) = (inquiry.asked.url.clone(), inquiry.accept().to_owned());
        let content_type = source.head.header(&CONTENT_TYPE).unwrap_or_default().to_owned();
        let filtering = tokio::task::spawn_blocking(move || {
            gate.filter(&Index {
                artifact: &artifact,
                url: &url,
                content_type: &content_type,
                accept: &accept,
                body: &body,
                times: &times,
            })
        });
        let filtered =
            filtering.await.map_err(|_| NoAnswer::failed("the index could not be looked through"))?;
        let filtered = filtered.map_err(|error| NoAnswer::failed(chain(&error)))?;
        let mut offers = filtered.offers.clone();
        // What was taken out is known as well, for those who ask for it nevertheless.
        offers.extend(filtered.removed.iter().map(|removed| removed.offer.clone()));
        self.shared.learn(&inquiry.artifact, &inquiry.asked.url, &offers);
        self.tell(&inquiry.artifact, &filtered);
        inquiry.note.upstream = Some(whole);
        self.without(source, filtered)
    }

    /// The index that the step sees.
    fn without(&self, source: Source, filtered: Filtered) -> Result<Source, NoAnswer> {
        let (mut head, body) = match (filtered.gone, filtered.body) {
            (true, _) => (crate::gateway::kept::Head::bare(404), Vec::new()),
            (false, None) => return Ok(source),
            (false, Some(body)) => (source.head.without_validators(), body),
        };
        if let Some(content_type) = filtered.content_type {
            head.set(&CONTENT_TYPE, content_type);
        }
        let digest =
            self.shared.options.store.put_blob(&body).map_err(|error| NoAnswer::failed(chain(&error)))?;
        self.shared.stored(head, Whole { digest, size: body.len() as u64 }, source.from)
    }

    async fn times(
        self: &Arc<Step>,
        inquiry: &Inquiry,
        source: &Source,
        body: &[u8],
    ) -> Result<BTreeMap<String, i64>, NoAnswer> {
        let mut times = BTreeMap::new();
        let asks = times::asks(&Index {
            artifact: &inquiry.artifact,
            url: &inquiry.asked.url,
            content_type: source.head.header(&CONTENT_TYPE).unwrap_or_default(),
            accept: inquiry.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default(),
            body,
            times: &times,
        });
        for ask in asks {
            let artifact = Artifact { version: Some(ask.version.clone()), ..inquiry.artifact.clone() };
            let (status, body) = self.aside(&ask.url).await?;
            if let Some(time) = times::read(&artifact, &body).filter(|_| status == 200) {
                times.insert(ask.version, time);
            }
        }
        Ok(times)
    }

    /// Tells the step what is missing from an index.
    fn tell(&self, artifact: &Artifact, filtered: &Filtered) {
        let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
        for removed in &filtered.removed {
            *by_rule.entry(&removed.rule).or_default() += 1;
        }
        for (rule, count) in by_rule {
            let name = artifact.full_name().unwrap_or_default();
            let ecosystem = artifact.ecosystem;
            self.ledger.say(&format!("{count} offers of {ecosystem}/{name} are hidden ({rule})"));
        }
    }
}
