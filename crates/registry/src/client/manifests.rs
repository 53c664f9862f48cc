//! Manifests: resolved, fetched, put and deleted.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use oci::descriptor::media_type;
use oci::{Descriptor, Digest};
use reqwest::Response;

use super::Client;
use super::auth::Action;
use super::config::Place;
use super::error::RequestError;
use super::request::{Ask, read_limited, refusal};
use crate::wire::header::{CONTENT_DIGEST, SUBJECT};
use crate::{Redacted, TagOrDigest};

/// Bytes of a manifest. Registries refuse more than 4 MiB; some are more generous.
pub(super) const MANIFEST_LIMIT: u64 = 8 << 20;

/// What we understand.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";

/// A manifest or image index as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteManifest {
    /// What it is, by its bytes.
    pub descriptor: Descriptor,
    /// Exactly what came.
    pub bytes: Vec<u8>,
}

impl Client {
    /// What a tag or digest names in a place, without fetching it where the registry lets us.
    pub(super) async fn head_manifest(
        &self,
        place: &Place,
        name: &TagOrDigest,
    ) -> Result<Descriptor, RequestError> {
        let scope = self.scope(place, Action::Pull);
        let url = self.url(place, &format!("manifests/{name}")).await?;
        let ask = Ask::new(Method::HEAD, url).header(header::ACCEPT, ACCEPT);
        let response = self.ask(place, &scope, ask).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(no_manifest(place, name));
        }
        let size = text(response.headers(), header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
        match (said_digest(response.headers()), said_type(response.headers()), size) {
            (Some(digest), Some(media_type), Some(size))
                if name.digest().is_none_or(|wanted| *wanted == digest) =>
            {
                Ok(Descriptor::new(&media_type, digest, size))
            }
            // Old registries say less than this.
            _ => Ok(self.get_manifest(place, name).await?.descriptor),
        }
    }

    /// A manifest, verified: by the digest that was asked for, or by the one that the registry says.
    pub(super) async fn get_manifest(
        &self,
        place: &Place,
        name: &TagOrDigest,
    ) -> Result<RemoteManifest, RequestError> {
        let scope = self.scope(place, Action::Pull);
        let url = self.url(place, &format!("manifests/{name}")).await?;
        let ask = Ask::new(Method::GET, url.clone()).header(header::ACCEPT, ACCEPT);
        let mut failures = 0;
        loop {
            let response = self.ask(place, &scope, ask.clone()).await?;
            match response.status() {
                StatusCode::NOT_FOUND => return Err(no_manifest(place, name)),
                StatusCode::OK => {}
                _ => return Err(refusal(place, Action::Pull, response).await),
            }
            match receive(response, name, self.timeouts().silence).await {
                Ok(manifest) => return Ok(manifest),
                // Broken in the middle, or damaged on the way: the next time may be better.
                Err(error @ (RequestError::Transport { .. } | RequestError::WrongDigest { .. })) => {
                    failures += 1;
                    if matches!(error, RequestError::WrongDigest { .. }) && failures > 1 {
                        return Err(error);
                    }
                    if error.is_passing() {
                        self.pause_or_fail(failures, None, error).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts a manifest under a tag or its digest; the digest of the subject that the registry understood, if it did.
    pub(super) async fn put_manifest(
        &self,
        place: &Place,
        name: &TagOrDigest,
        manifest: &RemoteManifest,
    ) -> Result<Option<String>, RequestError> {
        let scope = self.scope(place, Action::Push);
        let url = self.url(place, &format!("manifests/{name}")).await?;
        let ask = Ask::new(Method::PUT, url.clone())
            .header(header::CONTENT_TYPE, &manifest.descriptor.media_type)
            .body(Bytes::from(manifest.bytes.clone()));
        let response = self.ask(place, &scope, ask).await?;
        if !response.status().is_success() {
            return Err(refusal(place, Action::Push, response).await);
        }
        let expected = manifest.descriptor.digest;
        match said_digest(response.headers()) {
            Some(found) if found.algorithm() == expected.algorithm() && found != expected => {
                Err(RequestError::WrongDigest { url: Redacted::url(url.as_str()), expected, found })
            }
            _ => Ok(text(response.headers(), HeaderName::from_static(SUBJECT)).map(str::to_owned)),
        }
    }

    /// Deletes a manifest by its digest, or a tag.
    pub(super) async fn delete_manifest(
        &self,
        place: &Place,
        name: &TagOrDigest,
    ) -> Result<(), RequestError> {
        let scope = self.scope(place, Action::Delete);
        let url = self.url(place, &format!("manifests/{name}")).await?;
        let response = self.ask(place, &scope, Ask::new(Method::DELETE, url)).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Err(no_manifest(place, name)),
            status if status.is_success() => Ok(()),
            _ => Err(refusal(place, Action::Delete, response).await),
        }
    }
}

async fn receive(
    response: Response,
    name: &TagOrDigest,
    silence: Duration,
) -> Result<RemoteManifest, RequestError> {
    let url = response.url().clone();
    let (said, media_type) = (said_digest(response.headers()), said_type(response.headers()));
    let bytes = read_limited(response, MANIFEST_LIMIT, silence).await?;
    let expected = name.digest().copied().or(said);
    let digest = match expected {
        Some(expected) => Digest::of_with(expected.algorithm(), &bytes),
        None => Digest::of(&bytes),
    };
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Err(RequestError::WrongDigest { url: Redacted::url(url.as_str()), expected, found: digest });
    }
    let media_type = kind_of(&bytes, media_type.as_deref());
    Ok(RemoteManifest { descriptor: Descriptor::new(&media_type, digest, bytes.len() as u64), bytes })
}

/// What a manifest is: by what it says of itself, else by how it came, else by what it has.
pub(super) fn kind_of(bytes: &[u8], content_type: Option<&str>) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let own = value.get("mediaType").and_then(serde_json::Value::as_str);
    let generic =
        |kind: &&str| !matches!(*kind, "application/json" | "text/plain" | "application/octet-stream");
    if let Some(kind) = own.or(content_type.filter(generic)) {
        return kind.to_owned();
    }
    let has = |name: &str| value.get(name).is_some();
    let kind = if has("manifests") { media_type::OCI_INDEX } else { media_type::OCI_MANIFEST };
    if has("manifests") || has("config") { kind.to_owned() } else { "application/json".to_owned() }
}

fn no_manifest(place: &Place, name: &TagOrDigest) -> RequestError {
    let what = match name {
        TagOrDigest::Tag(tag) => format!("tag `{tag}`"),
        TagOrDigest::Digest(digest) => format!("manifest {digest}"),
    };
    RequestError::NotFound { registry: place.registry.clone(), what, repository: place.repository.clone() }
}

fn said_digest(headers: &HeaderMap) -> Option<Digest> {
    text(headers, HeaderName::from_static(CONTENT_DIGEST))?.parse().ok()
}

fn said_type(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, header::CONTENT_TYPE)?;
    Some(value.split(';').next().unwrap_or(value).trim().to_owned())
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
