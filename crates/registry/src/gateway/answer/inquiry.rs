//! A request taken apart: what decides its answer, and what of it an upstream is told.

use std::io::Read;

use flate2::read::GzDecoder;
use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    PRAGMA, PROXY_AUTHORIZATION, RANGE, USER_AGENT,
};
use http::request::Parts;
use hyper::body::{Body, Incoming};
use oci::Digest;

use crate::gateway::asked::Asked;
use crate::gateway::kept::{Head, Request, strip_connection};
use crate::gateway::ledger::Note;
use crate::packages::{self, Artifact, Ecosystem, Purl, git, recognise};

/// Headers by which answers differ and that are no preference.
const DECIDING: &[&str] = &["git-protocol", "content-type", "x-requested-with", "soapaction"];

/// So much of a body is looked at; what is wanted stands at its beginning.
pub(super) const SENT_LIMIT: u64 = 64 << 10;

/// Bytes of such a body when it is unpacked.
const UNPACKED_LIMIT: u64 = 1 << 20;

/// What is known of a request's body when it has passed.
#[derive(Clone)]
pub(super) struct Sent {
    pub digest: Digest,
    /// As much as is looked at.
    pub start: Vec<u8>,
    /// That is all of it.
    pub is_whole: bool,
}

impl Sent {
    /// Of a body that is all there.
    pub(super) fn of(body: &[u8]) -> Sent {
        let start = body[..body.len().min(SENT_LIMIT as usize)].to_vec();
        Sent { digest: Digest::of(body), is_whole: start.len() == body.len(), start }
    }
}

/// Headers by which a client says that it has something already.
pub(super) const CONDITIONS: &[HeaderName] =
    &[IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE];

/// A request of a step.
pub(super) struct Inquiry {
    pub asked: Asked,
    pub method: Method,
    /// As the client sent them, without those of its connection.
    pub headers: HeaderMap,
    pub artifact: Artifact,
    pub note: Note,
    /// The form in which the gate wants it, decoded and in full; none: as the client does.
    form: Option<Form>,
}

/// A form that the gate wants: a whole index, with this `Accept` if one is better than others.
type Form = Option<&'static str>;

impl Inquiry {
    pub(super) fn new(asked: Asked, parts: Parts, mut note: Note) -> Inquiry {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let artifact = recognise(&packages::Request {
            method: parts.method.as_str(),
            url: &asked.url,
            accept: text(ACCEPT),
            agent: text(USER_AGENT),
            content_type: None,
        });
        let mut headers = parts.headers;
        strip_connection(&mut headers);
        note.intake.ecosystem = Some(artifact.ecosystem.name().to_owned());
        note.intake.purl = artifact.purl().map(|purl| purl.to_string());
        note.intake.mutable = artifact.is_mutable();
        let mut inquiry = Inquiry { asked, method: parts.method, headers, artifact, note, form: None };
        inquiry.note.intake.request = inquiry.request().digest();
        inquiry
    }

    /// What a body adds to what decides the answer. It also tells what is asked for: of Git, which commit. Clients of Git
    /// name themselves and their session in it, which changes no answer: such a body counts in its normalised form.
    pub(super) fn sent(&mut self, sent: &Sent) -> String {
        let by_digest = format!("body={}\n", sent.digest);
        if self.artifact.ecosystem != Ecosystem::Git {
            return by_digest;
        }
        let packed = self.text(&CONTENT_ENCODING).is_some_and(|encoding| encoding.contains("gzip"));
        let mut unpacked = Vec::new();
        let mut whole = sent.is_whole;
        if packed {
            // The end is missing where the beginning is all we kept, and not needed.
            let read = GzDecoder::new(sent.start.as_slice()).take(UNPACKED_LIMIT).read_to_end(&mut unpacked);
            whole &= read.is_ok_and(|read| (read as u64) < UNPACKED_LIMIT);
        }
        let body = if packed { &unpacked } else { &sent.start };
        if let (Some(commit), Some(repository)) = (git::wanted(body), git::repository(&self.asked.url)) {
            self.note.intake.purl = Some(Purl::git(&repository, commit).to_string());
        }
        match git::Ask::parse(body).filter(|_| whole) {
            Some(ask) => format!("git={}\n", Digest::of(ask.normalised().as_bytes())),
            None => by_digest,
        }
    }

    /// The gate wants to look through it: it is asked for in full, and in this form.
    pub(super) fn ask_for_whole(&mut self, accept: Option<&'static str>) {
        self.form = Some(accept);
        self.note.intake.request = self.request().digest();
    }

    /// The client's own `Accept`.
    pub(super) fn accept(&self) -> &str {
        self.text(&ACCEPT).unwrap_or_default()
    }

    /// The `Accept` that the upstream is sent.
    fn accept_sent(&self) -> &str {
        self.form.flatten().unwrap_or_else(|| self.accept())
    }

    /// Whether anybody could have asked it, so that the store may answer.
    pub(super) fn is_plain(&self, body: &Incoming) -> bool {
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        reads && body.is_end_stream() && !self.is_private()
    }

    /// Whether it carries somebody's credentials.
    pub(super) fn is_private(&self) -> bool {
        self.asked.has_login || self.headers.keys().any(names_somebody)
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The request as it decides its answer: with its range, if it has one.
    pub(super) fn request(&self) -> Request {
        // What never changes is fetched whole, and parts are cut from that.
        let whole = !self.artifact.is_mutable() || self.form.is_some();
        if whole { self.whole_request() } else { self.part_request() }
    }

    /// The request for the part that the client asks for.
    pub(super) fn part_request(&self) -> Request {
        let mut request = self.whole_request();
        if let Some(range) = self.text(&RANGE) {
            request.variant += &format!("range={}\n", range.trim());
        }
        request
    }

    /// Whether the client wants only a part.
    pub(super) fn asks_for_part(&self) -> bool {
        self.headers.contains_key(RANGE)
    }

    /// The request for all of it. What never changes is asked for in one form, whatever a client prefers.
    pub(super) fn whole_request(&self) -> Request {
        let mut variant = String::new();
        if self.artifact.is_mutable() {
            let accept = self.accept_sent().trim();
            if !matches!(accept, "" | "*/*") {
                variant += &format!("accept={accept}\n");
            }
            if self.form.is_none() && self.takes_gzip() {
                variant += "encoding=gzip\n";
            }
        }
        for name in DECIDING {
            if let Some(value) = self.headers.get(*name).and_then(|value| value.to_str().ok()) {
                variant += &format!("{name}={value}\n");
            }
        }
        Request {
            method: self.method.as_str().to_owned(),
            url: oci::lock::normalised_url(&self.asked.url),
            variant,
            private: self.is_private(),
        }
    }

    /// Whether the client can unpack gzip. Of all encodings it is the one that everybody has.
    fn takes_gzip(&self) -> bool {
        let encodings = self.text(&ACCEPT_ENCODING).unwrap_or_default().to_ascii_lowercase();
        encodings.split(',').any(|encoding| {
            let (name, weight) = encoding.split_once(';').unwrap_or((encoding, ""));
            matches!(name.trim(), "gzip" | "*")
                && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    }

    /// What an upstream is told: the client's headers, but the gateway's own conditions and forms.
    pub(super) fn outgoing_headers(&self, request: &Request, conditions: HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in CONDITIONS {
            headers.remove(name);
        }
        for name in [HOST, EXPECT, PROXY_AUTHORIZATION, CACHE_CONTROL, PRAGMA] {
            headers.remove(name);
        }
        if !request.variant.contains("range=") {
            headers.remove(RANGE);
        }
        let gzip = request.variant.contains("encoding=gzip");
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(if gzip { "gzip" } else { "identity" }));
        if let Some(Ok(accept)) = self.form.flatten().map(HeaderValue::try_from) {
            headers.insert(ACCEPT, accept);
        }
        headers.extend(conditions);
        headers
    }
}

/// Whether a header says who asks: those of HTTP, and the many that servers have made up (`Private-Token`, `X-Api-Key`).
fn names_somebody(name: &HeaderName) -> bool {
    const PARTS: &[&str] = &["token", "api-key", "apikey", "secret", "passw", "credential", "x-auth"];
    let name = name.as_str();
    matches!(name, "authorization" | "cookie" | "x-jfrog-art-api")
        || PARTS.iter().any(|part| name.contains(part))
}

/// Conditions that ask whether an answer is still so.
pub(super) fn conditions(head: &Head) -> HeaderMap {
    let mut conditions = HeaderMap::new();
    let mut add = |name: HeaderName, value: Option<&str>| {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            conditions.insert(name, value);
        }
    };
    add(IF_NONE_MATCH, head.header(&ETAG));
    add(IF_MODIFIED_SINCE, head.header(&LAST_MODIFIED));
    conditions
}
