//! Answers from upstreams: asked at the places that the settings name, and led into the store.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use oci::Digest;
use oci::record::Verdict;
use oci::store::{BlobWriter, Store};

use super::rest::{Ask, Ongoing, Rest};
use crate::gateway::Shared;
use crate::gateway::body::Body;
use crate::gateway::flights::Source;
use crate::gateway::kept::{Head, Request, own_headers, strip_connection, strip_misleading};
use crate::gateway::mirrors::{self, Place};
use crate::gateway::spool::{Broken, Finish, Rules, Spool, Whole, pump};
use crate::gateway::upstream::{Incomings, NoAnswer, Outgoing, chain};
use crate::packages::Address;

/// What is asked of upstreams.
pub(super) struct Fetch {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Option<Body>,
    /// The client sent credentials of its own.
    pub private: bool,
}

/// An answer of which nothing was read.
pub(super) struct Fetched {
    pub incoming: Incomings,
    /// Where it came from, when that is another place.
    pub from: Option<String>,
    /// How what is missing can be asked for, if it breaks off.
    pub again: Option<Ask>,
}

/// What a place had to say.
pub(super) enum Answered {
    Upstream(Fetched),
    /// It was there at once.
    Directory(Source),
}

/// How an answer is to be kept.
pub(super) struct Keep {
    pub request: Request,
    /// Digests that the body must have.
    pub expected: Vec<(Digest, Broken)>,
    /// Called when it is whole: the flight is over.
    pub over: Option<super::Over>,
}

impl Shared {
    /// Asks at one place after another.
    pub(super) async fn fetch(&self, mut fetch: Fetch, address: &Address) -> Result<Answered, NoAnswer> {
        let Some(places) = mirrors::places(&self.options.mirrors, address) else {
            let url = fetch.url.clone();
            return self.fetched(&mut fetch, &url).await.map(Answered::Upstream);
        };
        let mut last = Err(NoAnswer::Failed { reason: "no mirror has a place for it".to_owned() });
        for place in places {
            let answered = match place {
                Place::File(path) => self.take_from_directory(path).await.map(Answered::Directory),
                Place::Url(url) => match self.options.gate.address(fetch.method.as_str(), &url) {
                    Verdict::Refused { rule, reason } => Err(NoAnswer::Refused { rule, reason }),
                    _ => self.fetched(&mut fetch, &url).await.map(Answered::Upstream),
                },
            };
            let found = match &answered {
                Ok(Answered::Directory(source)) => source.head.status == 200,
                Ok(Answered::Upstream(fetched)) => {
                    let status = fetched.incoming.response.status();
                    !matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) && !status.is_server_error()
                }
                Err(_) => false,
            };
            // What a mirror that is reached does not have says more than one that is not reached.
            if found || answered.is_ok() || last.is_err() {
                last = answered;
            }
            if found || fetch.body.is_some() {
                break;
            }
        }
        last
    }

    async fn fetched(&self, fetch: &mut Fetch, url: &str) -> Result<Fetched, NoAnswer> {
        let incoming = self.fetch_at(fetch, url).await?;
        let again = Ask::of(fetch, url, &incoming.response);
        Ok(Fetched { incoming, from: (url != fetch.url).then(|| url.to_owned()), again })
    }

    /// Asks at one place; the body goes with it.
    pub(super) async fn fetch_at(&self, fetch: &mut Fetch, url: &str) -> Result<Incomings, NoAnswer> {
        let bad = |_| NoAnswer::Failed { reason: "its URL cannot be sent".to_owned() };
        let uri: Uri = url.parse().map_err(bad)?;
        let mut headers = fetch.headers.clone();
        headers.remove(HOST);
        if !fetch.private
            && let Some(login) = self
                .options
                .credentials
                .iter()
                .filter(|login| covers(&login.prefix, url))
                .max_by_key(|login| login.prefix.len())
            && let Ok(mut value) = HeaderValue::try_from(&login.authorization)
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let outgoing = Outgoing { method: fetch.method.clone(), uri, headers, body: fetch.body.take() };
        let mut incomings = self.upstream.ask(outgoing).await?;
        let headers = incomings.response.headers_mut();
        strip_misleading(headers);
        Ok(incomings)
    }

    /// Leads a body into the store, and gives the end to read from.
    pub(super) fn take(self: &Arc<Shared>, fetched: Fetched, keep: Keep) -> Result<Source, NoAnswer> {
        let Fetched { incoming: Incomings { mut response, place }, from, again } = fetched;
        let bodyless = keep.request.method == "HEAD" || matches!(response.status().as_u16(), 204 | 304);
        let total = if bodyless { Some(0) } else { announced(&response) };
        let unsure = total.is_none() && !is_delimited(&response);
        strip_connection(response.headers_mut());
        let mut head = Head::of(response.status(), response.headers());
        head.unsure = unsure;
        let (writer, spool) = self.spool(total)?;
        let hold = Some(Arc::new(spool.hold()));
        let own = own_headers(response.headers());
        let source = Source { head: head.clone(), spool: spool.clone(), from, own, hold };
        let (shared, Keep { request, expected, over }) = (self.clone(), keep);
        let finish: Finish = Box::new(move |whole, kept| {
            // An answer that says "not now" is none.
            let status = head.status;
            if kept && status < 500 && status != 429 {
                request.keep(&shared.options.store, &head, whole, (shared.options.clock)());
            }
        });
        let limits = &self.options.limits;
        let rules =
            Rules { silence: limits.silence, kept: limits.kept_body, window: limits.window, expected };
        let rest = Rest::new(self.clone(), again, total, !rules.expected.is_empty());
        tokio::spawn(async move {
            pump(Ongoing::new(response.into_body(), place), rest, writer, spool, rules, finish).await;
            if let Some(over) = over {
                over();
            }
        });
        Ok(source)
    }

    fn spool(&self, total: Option<u64>) -> Result<(BlobWriter<Arc<Store>>, Arc<Spool>), NoAnswer> {
        let failed = |error| NoAnswer::Failed { reason: format!("the store: {}", chain(&error)) };
        let writer = BlobWriter::unbuffered(self.options.store.clone()).map_err(failed)?;
        let file = writer.reader().map_err(failed)?;
        Ok((writer, Spool::new(file, total)))
    }

    /// A body that the store has.
    pub(super) fn stored(&self, head: Head, whole: Whole, from: Option<String>) -> Result<Source, NoAnswer> {
        let failed = |error| NoAnswer::Failed { reason: format!("the store: {}", chain(&error)) };
        let file = self.options.store.open_blob(&whole.digest).map_err(failed)?;
        Ok(Source { head, spool: Spool::complete(file, whole), from, own: HeaderMap::new(), hold: None })
    }

    /// A file below a mirror's directory, or a page that lists what a directory has.
    async fn take_from_directory(&self, path: PathBuf) -> Result<Source, NoAnswer> {
        let store = self.options.store.clone();
        let from = format!("file://{}", path.display());
        let copying = tokio::task::spawn_blocking(move || copy_in(&store, &path));
        let copied =
            copying.await.map_err(|_| NoAnswer::Failed { reason: "it was broken off".to_owned() })?;
        let (head, whole) = copied.map_err(|reason| NoAnswer::Failed { reason })?;
        self.stored(head, whole, Some(from))
    }
}

fn copy_in(store: &Arc<Store>, path: &std::path::Path) -> Result<(Head, Whole), String> {
    let words = |error: io::Error| format!("`{}`: {error}", path.display());
    if !path.exists() {
        let digest = store.put_blob(b"").map_err(|error| chain(&error))?;
        return Ok((Head::bare(404), Whole { digest, size: 0 }));
    }
    if path.is_dir() {
        let page = mirrors::listing(path).map_err(words)?;
        let digest = store.put_blob(page.as_bytes()).map_err(|error| chain(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        return Ok((Head::of(StatusCode::OK, &headers), Whole { digest, size: page.len() as u64 }));
    }
    let mut file = std::fs::File::open(path).map_err(words)?;
    let mut writer = BlobWriter::new(store.clone()).map_err(|error| chain(&error))?;
    io::copy(&mut file, &mut writer).map_err(words)?;
    let (digest, size) = writer.finish().map_err(|error| chain(&error))?;
    Ok((Head::bare(200), Whole { digest, size }))
}

/// The size that an answer announces.
fn announced(response: &Response<Incoming>) -> Option<u64> {
    let exact = hyper::body::Body::size_hint(response.body()).exact();
    exact.or_else(|| response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}

/// Whether the end of a body can be told from a broken connection.
fn is_delimited(response: &Response<Incoming>) -> bool {
    response.version() >= Version::HTTP_2 || response.headers().contains_key(TRANSFER_ENCODING)
}

/// Whether a URL lies below a prefix.
fn covers(prefix: &str, url: &str) -> bool {
    let rest = url.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}
