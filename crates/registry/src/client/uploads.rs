//! Blobs on their way out: left out where they exist, mounted where another repository has them, else sent, and taken
//! up again where a connection or a registry broke off. (OCI distribution specification, "Pushing blobs")

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, Method, StatusCode, header};
use oci::Descriptor;
use oci::store::StoreError;
use reqwest::{Body, Response, Url};

use super::Client;
use super::auth::{Action, Scope};
use super::blobs::{RemoteBlob, local};
use super::config::Place;
use super::connect::{too_long, within};
use super::error::RequestError;
use super::manifests::text;
use super::request::{Ask, refusal};
use super::retry::retry_after;
use crate::Repository;
use crate::body::{PIECE, Pieces};
use crate::wire::header::CHUNK_MIN_LENGTH;
use crate::wire::range;

/// Chunks for registries, or proxies in front of them, that do not take a blob in one request.
const CHUNK: u64 = 16 << 20;

/// Where a blob's bytes come from.
pub(super) enum Source<'a> {
    /// A file.
    File(File),
    /// Memory.
    Bytes(Bytes),
    /// Another registry, or another repository.
    Remote(&'a Place),
    /// Nobody here has them.
    Missing,
}

/// How a blob came to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was there.
    Existed,
    /// Another repository of the registry had it.
    Mounted,
    /// Its bytes were sent.
    Uploaded,
}

/// An upload under way.
struct Upload<'a> {
    client: &'a Client,
    place: &'a Place,
    scope: Scope,
    blob: &'a Descriptor,
    /// Where the upload goes on; `None`: it must begin.
    location: Option<Url>,
    /// Bytes that the registry has.
    offset: u64,
    /// Bytes of a chunk; `None`: all in one request.
    chunk: Option<u64>,
}

/// What became of an attempt.
enum Step {
    Done,
    /// Something was achieved; go on.
    Onward,
}

impl Client {
    /// Brings a blob to a place. `from` are repositories of the same registry that may have it; `progress` says whether to
    /// go on.
    pub(super) async fn send_blob(
        &self,
        place: &Place,
        blob: &Descriptor,
        source: &mut Source<'_>,
        from: &[Repository],
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Sent, RequestError> {
        if self.has_blob(place, &blob.digest, Action::Push).await? {
            return Ok(Sent::Existed);
        }
        let mut upload = Upload {
            client: self,
            place,
            scope: self.scope(place, Action::Push),
            blob,
            location: None,
            offset: 0,
            chunk: None,
        };
        for from in from {
            if upload.mount(from).await? {
                return Ok(Sent::Mounted);
            }
        }
        if matches!(source, Source::Missing) {
            return Err(StoreError::NoBlob(blob.digest).into());
        }
        upload.run(source, progress).await?;
        Ok(Sent::Uploaded)
    }
}

impl Upload<'_> {
    /// Asks for the blob of another repository; whether we got it. If not, an upload has begun.
    async fn mount(&mut self, from: &Repository) -> Result<bool, RequestError> {
        let scope = Scope { from: Some(from.clone()), ..self.scope.clone() };
        let mut url = self.client.url(self.place, "blobs/uploads/").await?;
        url.query_pairs_mut()
            .append_pair("mount", &self.blob.digest.to_string())
            .append_pair("from", from.as_str());
        let asked = self.client.ask(self.place, &scope, Ask::new(Method::POST, url)).await;
        let response = match asked {
            // Who may not read the other repository pushes as if there were none.
            Err(RequestError::Unauthorized { .. } | RequestError::Status { .. }) => return Ok(false),
            other => other?,
        };
        match response.status() {
            StatusCode::CREATED => return Ok(true),
            StatusCode::ACCEPTED => self.begun(&response)?,
            _ => {}
        }
        Ok(false)
    }

    async fn run(
        &mut self,
        source: &mut Source<'_>,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), RequestError> {
        let mut failures = 0;
        let mut damaged = false;
        loop {
            let (before, began) = (self.offset, self.location.is_some());
            let (error, asked) = match self.step(source, progress).await {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Onward) => {
                    failures = if self.offset > before { 0 } else { failures };
                    continue;
                }
                Err(refused) => refused,
            };
            failures += 1;
            match &error {
                // Damaged on the way, perhaps: once more from the beginning.
                RequestError::Status { status: 400, .. } if began && !damaged => {
                    damaged = true;
                    self.restart();
                    continue;
                }
                RequestError::Status { status: 413, .. } if self.chunk.is_none() => {
                    self.chunk = Some(CHUNK);
                    self.restart();
                    continue;
                }
                RequestError::Status { status: 404 | 416, .. }
                    if failures < self.client.inner.retry.attempts => {}
                RequestError::Unauthorized { .. } if failures == 1 => {}
                _ => self.client.pause_or_fail(failures, asked, error).await?,
            }
            self.look().await?;
        }
    }

    /// The next request, whichever it is.
    async fn step(
        &mut self,
        source: &mut Source<'_>,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Step, (RequestError, Option<std::time::Duration>)> {
        let plain = |error| (error, None);
        let Some(location) = self.location.clone() else {
            self.begin().await.map_err(plain)?;
            return Ok(Step::Onward);
        };
        let size = self.blob.size;
        let rest = size - self.offset;
        // The first attempt is one request; what is taken up again goes as one chunk and an end.
        let whole = self.chunk.is_none() && (self.offset == 0 || rest == 0);
        let ends = whole || rest == 0;
        let length = if ends { rest } else { self.chunk.unwrap_or(rest).min(rest) };
        let mut url = location;
        let method = if ends { Method::PUT } else { Method::PATCH };
        if ends {
            url.query_pairs_mut().append_pair("digest", &self.blob.digest.to_string());
        }
        let mut ask = Ask::new(method, url).header(header::CONTENT_TYPE, "application/octet-stream");
        if !ends {
            let range = format!("{}-{}", self.offset, self.offset + length - 1);
            ask = ask.header(header::CONTENT_RANGE, &range);
        }
        let since = Instant::now();
        let response = self.stream(&ask, source, length, progress).await.map_err(plain)?;
        match response.status() {
            status if ends && status.is_success() => Ok(Step::Done),
            status if status.is_success() => {
                self.offset += length;
                self.moved(&response);
                Ok(Step::Onward)
            }
            StatusCode::UNAUTHORIZED => {
                let connection = self.client.inner.connector.connect(self.place).await.map_err(plain)?;
                let authentication = &self.client.inner.authentication;
                let headers = response.headers();
                let learned =
                    authentication.learn(&connection, self.place, &self.scope, headers, since).await;
                learned.map_err(plain)?;
                Err((refusal(self.place, Action::Push, response).await, None))
            }
            _ => {
                let asked = retry_after(response.headers());
                Err((refusal(self.place, Action::Push, response).await, asked))
            }
        }
    }

    async fn begin(&mut self) -> Result<(), RequestError> {
        let url = self.client.url(self.place, "blobs/uploads/").await?;
        let response = self.client.ask(self.place, &self.scope, Ask::new(Method::POST, url)).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(refusal(self.place, Action::Push, response).await);
        }
        self.begun(&response)
    }

    fn begun(&mut self, response: &Response) -> Result<(), RequestError> {
        self.restart();
        self.moved(response);
        let least = text(response.headers(), HeaderName::from_static(CHUNK_MIN_LENGTH));
        if let (Some(chunk), Some(least)) = (self.chunk, least.and_then(|text| text.parse().ok())) {
            self.chunk = Some(chunk.max(least));
        }
        if self.location.is_none() {
            return Err(RequestError::malformed(response.url(), "an upload without a Location"));
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.location = None;
        self.offset = 0;
    }

    /// The registry may move an upload with every answer.
    fn moved(&mut self, response: &Response) {
        let location = text(response.headers(), header::LOCATION);
        if let Some(url) = location.and_then(|location| response.url().join(location).ok()) {
            let safe = url.scheme() == "https" || response.url().scheme() == "http";
            self.location = Some(url).filter(|_| safe);
        }
    }

    /// After a failure: how far the registry has got. If it does not know, the upload begins anew.
    async fn look(&mut self) -> Result<(), RequestError> {
        let Some(location) = self.location.clone() else { return Ok(()) };
        let response = self.client.ask(self.place, &self.scope, Ask::new(Method::GET, location)).await;
        self.restart();
        let Ok(response) = response else { return Ok(()) };
        let received = text(response.headers(), header::RANGE).and_then(range::parse_received);
        // `0-0` may be none or one; beginning anew is right for both.
        if let Some(received) = received.filter(|count| (2..=self.blob.size).contains(count))
            && response.status() == StatusCode::NO_CONTENT
        {
            self.location = Some(response.url().clone());
            self.moved(&response);
            self.offset = received;
        }
        Ok(())
    }

    /// Sends a request whose body is read while it is sent.
    async fn stream(
        &self,
        ask: &Ask,
        source: &mut Source<'_>,
        length: u64,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Response, RequestError> {
        let connection = self.client.inner.connector.connect(self.place).await?;
        let mut reader = Reader::open(self.client, source, self.blob, self.offset)?;
        let (sender, body) = Pieces::channel(length);
        let (offset, timeouts) = (self.offset, *self.client.timeouts());
        let feed = async move {
            let mut sent = 0;
            while sent < length {
                let Some(mut piece) = reader.next().await? else {
                    return Err(local("read the blob", io::ErrorKind::UnexpectedEof.into()));
                };
                piece.truncate(usize::try_from(length - sent).unwrap_or(usize::MAX));
                sent += piece.len() as u64;
                match tokio::time::timeout(timeouts.silence, sender.send(Ok(piece))).await {
                    Ok(Ok(())) if progress(offset + sent) => {}
                    Ok(Ok(())) => return Err(local("send the blob", io::Error::other("it was stopped"))),
                    // Nobody takes any more: the answer says why.
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => return Err(too_long(&ask.url)),
                }
            }
            Ok(())
        };
        let client = self.client;
        let request =
            client.prepare(&connection, self.place, &self.scope, ask, Body::wrap(body), Some(length)).await?;
        let mut answer = pin!(request.send());
        tokio::select! {
            // It need not listen to the end to say no.
            early = &mut answer => early.map_err(|error| RequestError::transport(&ask.url, &error)),
            fed = feed => match fed {
                Ok(()) => within(timeouts.answer, &ask.url, answer).await,
                // A source that fails breaks the request too; the cause is the source.
                Err(error) => Err(error),
            },
        }
    }
}

enum Reader<'a> {
    File(&'a mut File),
    Bytes(Bytes),
    Remote(Box<RemoteBlob<'a>>),
}

impl<'a> Reader<'a> {
    fn open(
        client: &'a Client,
        source: &'a mut Source<'_>,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Reader<'a>, RequestError> {
        Ok(match source {
            Source::File(file) => {
                file.seek(SeekFrom::Start(offset)).map_err(|error| local("read the blob", error))?;
                Reader::File(file)
            }
            Source::Bytes(bytes) => {
                Reader::Bytes(bytes.slice(usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len())..))
            }
            Source::Remote(place) => Reader::Remote(Box::new(RemoteBlob::new(client, place, blob, offset))),
            Source::Missing => return Err(StoreError::NoBlob(blob.digest).into()),
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        match self {
            Reader::File(file) => {
                let mut buffer = Vec::with_capacity(PIECE);
                let read = file.take(PIECE as u64).read_to_end(&mut buffer);
                read.map_err(|error| local("read the blob", error))?;
                Ok((!buffer.is_empty()).then(|| buffer.into()))
            }
            Reader::Bytes(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                Ok((!piece.is_empty()).then_some(piece))
            }
            Reader::Remote(blob) => blob.next().await,
        }
    }
}
