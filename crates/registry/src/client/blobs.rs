//! Blobs on their way to us: resumed where they broke off, every byte counted and verified.

use std::io::{self, Write};

use bytes::Bytes;
use http::{Method, StatusCode, header};
use oci::{Descriptor, Digest};
use reqwest::Response;

use super::Client;
use super::auth::Action;
use super::config::Place;
use super::connect::within;
use super::error::RequestError;
use super::manifests::text;
use super::request::{Ask, refusal};
use crate::Redacted;
use crate::wire::range;

/// A blob that is being read from a registry.
pub(super) struct RemoteBlob<'c> {
    client: &'c Client,
    place: &'c Place,
    digest: Digest,
    size: u64,
    offset: u64,
    response: Option<Response>,
    /// Bytes of the response that we have from an earlier one.
    unwanted: u64,
    failures: u32,
}

impl<'c> RemoteBlob<'c> {
    /// From `offset` on. Nothing is asked before the first piece is wanted.
    pub(super) fn new(
        client: &'c Client,
        place: &'c Place,
        blob: &Descriptor,
        offset: u64,
    ) -> RemoteBlob<'c> {
        RemoteBlob {
            client,
            place,
            digest: blob.digest,
            size: blob.size,
            offset,
            response: None,
            unwanted: 0,
            failures: 0,
        }
    }

    /// The next bytes; `None` after the last. Connections that break are taken up again where they broke.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        while self.offset < self.size {
            let mut response = match self.response.take() {
                Some(response) => response,
                None => self.open().await?,
            };
            let url = response.url().clone();
            let piece = within(self.client.timeouts().silence, &url, response.chunk()).await;
            let error = match piece {
                Ok(Some(mut piece)) => {
                    let known = piece.len().min(usize::try_from(self.unwanted).unwrap_or(usize::MAX));
                    self.unwanted -= known as u64;
                    let piece = piece.split_off(known);
                    if piece.is_empty() {
                        self.response = Some(response);
                        continue;
                    }
                    self.offset += piece.len() as u64;
                    if self.offset > self.size {
                        return Err(RequestError::TooLarge {
                            url: Redacted::url(url.as_str()),
                            limit: self.size,
                        });
                    }
                    self.response = Some(response);
                    self.failures = 0;
                    return Ok(Some(piece));
                }
                Ok(None) => RequestError::Transport {
                    url: Redacted::url(url.as_str()),
                    source: super::error::TransportError::text("the blob ends too early"),
                },
                Err(error) => error,
            };
            self.failures += 1;
            self.client.pause_or_fail(self.failures, None, error).await?;
        }
        // A registry may have more to say than it announced; nobody listens.
        self.response = None;
        Ok(None)
    }

    async fn open(&mut self) -> Result<Response, RequestError> {
        self.unwanted = 0;
        let scope = self.client.scope(self.place, Action::Pull);
        let url = self.client.url(self.place, &format!("blobs/{}", self.digest)).await?;
        let mut ask = Ask::new(Method::GET, url.clone());
        if self.offset > 0 {
            ask = ask.header(header::RANGE, &format!("bytes={}-", self.offset));
        }
        let response = self.client.ask(self.place, &scope, ask).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Err(RequestError::NotFound {
                registry: self.place.registry.clone(),
                what: format!("blob {}", self.digest),
                repository: self.place.repository.clone(),
            }),
            StatusCode::PARTIAL_CONTENT => {
                let said = text(response.headers(), header::CONTENT_RANGE).and_then(range::parse_content);
                match said {
                    Some(part) if part.start == self.offset => Ok(response),
                    _ => Err(RequestError::malformed(&url, "other bytes than were asked for")),
                }
            }
            // It does not know ranges: what we have already goes by unused.
            StatusCode::OK => {
                self.unwanted = self.offset;
                Ok(response)
            }
            _ => Err(refusal(self.place, Action::Pull, response).await),
        }
    }
}

impl Client {
    /// Whether a blob is in a place, and how large it is.
    pub(super) async fn has_blob(
        &self,
        place: &Place,
        digest: &Digest,
        action: Action,
    ) -> Result<bool, RequestError> {
        let scope = self.scope(place, action);
        let url = self.url(place, &format!("blobs/{digest}")).await?;
        let response = self.ask(place, &scope, Ask::new(Method::HEAD, url)).await?;
        Ok(response.status().is_success())
    }

    /// A small blob, verified.
    pub(super) async fn get_blob(&self, place: &Place, blob: &Descriptor) -> Result<Vec<u8>, RequestError> {
        let mut bytes = Vec::new();
        self.receive_blob(place, blob, &mut bytes, &mut |_| {}).await?;
        match Digest::of_with(blob.digest.algorithm(), &bytes) {
            found if found == blob.digest => Ok(bytes),
            found => Err(wrong_digest(place, blob, found)),
        }
    }

    /// Fetches a blob into `out`, which has received exactly as many bytes as announced if there is no error. That they
    /// are the right ones is for `out` to say, which counts their digest in any case.
    pub(super) async fn receive_blob(
        &self,
        place: &Place,
        blob: &Descriptor,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RequestError> {
        let mut remote = RemoteBlob::new(self, place, blob, 0);
        while let Some(piece) = remote.next().await? {
            out.write_all(&piece).map_err(|source| local("write the blob", source))?;
            progress(remote.offset);
        }
        Ok(())
    }

    /// Deletes a blob.
    pub(super) async fn delete_blob(&self, place: &Place, digest: &Digest) -> Result<(), RequestError> {
        let scope = self.scope(place, Action::Delete);
        let url = self.url(place, &format!("blobs/{digest}")).await?;
        let response = self.ask(place, &scope, Ask::new(Method::DELETE, url)).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(RequestError::NotFound {
                registry: place.registry.clone(),
                what: format!("blob {digest}"),
                repository: place.repository.clone(),
            }),
            _ => Err(refusal(place, Action::Delete, response).await),
        }
    }
}

/// A place gave other bytes than were asked for.
pub(super) fn wrong_digest(place: &Place, blob: &Descriptor, found: Digest) -> RequestError {
    let url = Redacted::url(&format!("{place}/blobs/{}", blob.digest));
    RequestError::WrongDigest { url, expected: blob.digest, found }
}

pub(super) fn local(action: &str, source: io::Error) -> RequestError {
    RequestError::Io { action: action.to_owned(), source }
}
