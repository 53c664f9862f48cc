//! Tags, and referrers with the fallback for registries that do not know them. (OCI distribution specification,
//! "Content Discovery", "Referrers Tag Schema")

use http::{HeaderName, Method, StatusCode, header};
use oci::descriptor::media_type;
use oci::{Descriptor, Digest, ImageIndex, Raw};
use reqwest::{Response, Url};
use serde::Deserialize;

use super::Client;
use super::auth::Action;
use super::config::Place;
use super::error::RequestError;
use super::manifests::{MANIFEST_LIMIT, RemoteManifest, text};
use super::request::{Ask, read_limited, refusal};
use crate::TagOrDigest;
use crate::wire::header::FILTERS_APPLIED;
use crate::wire::link;

/// Bytes of a page.
const PAGE_LIMIT: u64 = 8 << 20;

/// Pages of a list; a registry that has more goes round in circles.
const PAGES: usize = 10_000;

/// Entries of a list.
const ENTRIES: usize = 1_000_000;

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Option<Vec<Descriptor>>,
}

impl Client {
    /// All tags of a repository.
    pub(super) async fn list_tags(&self, place: &Place) -> Result<Vec<String>, RequestError> {
        let scope = self.scope(place, Action::Pull);
        let mut next = Some(self.url(place, "tags/list?n=1000").await?);
        let mut tags = Vec::new();
        for _ in 0..PAGES {
            let Some(url) = next.take() else { return Ok(tags) };
            let response = self.ask(place, &scope, Ask::new(Method::GET, url.clone())).await?;
            if response.status() == StatusCode::NOT_FOUND {
                let (registry, repository) = (place.registry.clone(), place.repository.clone());
                return Err(RequestError::NotFound { registry, what: "tags".to_owned(), repository });
            }
            next = next_page(&response);
            let body = read_limited(response, PAGE_LIMIT, self.timeouts().silence).await?;
            let page: Tags = serde_json::from_slice(&body)
                .map_err(|_| RequestError::malformed(&url, "no list of tags"))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > ENTRIES {
                break;
            }
        }
        let url = self.url(place, "tags/list").await?;
        Err(RequestError::malformed(&url, "a list without end"))
    }

    /// Manifests that speak about `subject`; of one kind, if it is given.
    pub(super) async fn list_referrers(
        &self,
        place: &Place,
        subject: &Digest,
        kind: Option<&str>,
    ) -> Result<Vec<Descriptor>, RequestError> {
        let mut url = self.url(place, &format!("referrers/{subject}")).await?;
        if let Some(kind) = kind {
            url.query_pairs_mut().append_pair("artifactType", kind);
        }
        let mut found = match self.referrers_by_api(place, url).await? {
            Some(found) => found,
            None => self.referrers_by_tag(place, subject).await?,
        };
        // Registries need not filter.
        if let Some(kind) = kind {
            found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(kind));
        }
        Ok(found)
    }

    /// `None`: the registry does not know referrers.
    async fn referrers_by_api(
        &self,
        place: &Place,
        first: Url,
    ) -> Result<Option<Vec<Descriptor>>, RequestError> {
        let scope = self.scope(place, Action::Pull);
        let mut next = Some(first.clone());
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let Some(url) = next.take() else { return Ok(Some(found)) };
            let ask = Ask::new(Method::GET, url.clone()).header(header::ACCEPT, media_type::OCI_INDEX);
            let response = match self.ask(place, &scope, ask).await {
                Err(RequestError::Status { status: 400 | 405 | 406 | 501, .. }) => return Ok(None),
                other => other?,
            };
            let kind = text(response.headers(), header::CONTENT_TYPE).unwrap_or_default();
            let filters = text(response.headers(), HeaderName::from_static(FILTERS_APPLIED));
            // A page of a proxy that says 200 to everything is not an answer.
            if response.status() == StatusCode::NOT_FOUND
                || (kind.starts_with("text/html") && filters.is_none())
            {
                return Ok(None);
            }
            next = next_page(&response);
            let body = read_limited(response, PAGE_LIMIT, self.timeouts().silence).await?;
            let page: Index = serde_json::from_slice(&body)
                .map_err(|_| RequestError::malformed(&url, "no list of referrers"))?;
            found.extend(page.manifests.unwrap_or_default());
            if found.len() > ENTRIES {
                break;
            }
        }
        Err(RequestError::malformed(&first, "a list without end"))
    }

    async fn referrers_by_tag(
        &self,
        place: &Place,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, RequestError> {
        match self.get_manifest(place, &fallback_tag(subject)).await {
            Ok(index) => Ok(read_index(&index).map(|index| index.manifests).unwrap_or_default()),
            Err(RequestError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Puts a manifest that speaks about another, such that it is found: by the registry's own list, or by the tag that
    /// stands in its place.
    pub(super) async fn put_referrer(
        &self,
        place: &Place,
        manifest: &RemoteManifest,
        subject: &Digest,
        listed: &Descriptor,
    ) -> Result<(), RequestError> {
        let name = TagOrDigest::Digest(manifest.descriptor.digest);
        if self.put_manifest(place, &name, manifest).await?.is_some() {
            return Ok(());
        }
        let tag = fallback_tag(subject);
        let mut index = match self.get_manifest(place, &tag).await {
            Ok(known) => read_index(&known).unwrap_or_else(|| ImageIndex::new(Vec::new())),
            Err(RequestError::NotFound { .. }) => ImageIndex::new(Vec::new()),
            Err(error) => return Err(error),
        };
        if index.manifests.iter().any(|known| known.digest == listed.digest) {
            return Ok(());
        }
        index.manifests.push(listed.clone());
        let raw = Raw::write(index);
        let descriptor = raw.descriptor(media_type::OCI_INDEX);
        let manifest = RemoteManifest { descriptor, bytes: raw.bytes().to_vec() };
        if manifest.bytes.len() as u64 > MANIFEST_LIMIT {
            let url = self.url(place, &format!("manifests/{tag}")).await?;
            return Err(RequestError::malformed(&url, "its list of referrers is full"));
        }
        self.put_manifest(place, &tag, &manifest).await.map(drop)
    }

    /// Whether the registry takes what we have to show.
    pub(super) async fn check(&self, place: &Place) -> Result<(), RequestError> {
        let scope = self.scope(place, Action::LogIn);
        let connection = self.inner.connector.connect(place).await?;
        let response = self.ask(place, &scope, Ask::new(Method::GET, connection.base.clone())).await?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(refusal(place, Action::LogIn, response).await)
        }
    }
}

/// The tag under which old registries list referrers.
fn fallback_tag(subject: &Digest) -> TagOrDigest {
    // Of SHA-512, as much as a tag may have.
    let text: String = format!("{}-{}", subject.algorithm(), subject.hex()).chars().take(128).collect();
    TagOrDigest::Tag(text)
}

fn read_index(manifest: &RemoteManifest) -> Option<ImageIndex> {
    Raw::<ImageIndex>::parse(manifest.bytes.clone()).ok().map(|raw| raw.into_parts().1)
}

/// The link to the next page. One to another host is not followed: our credentials are for this one.
fn next_page(response: &Response) -> Option<Url> {
    let target = link::next(text(response.headers(), header::LINK)?)?;
    let url = response.url().join(target).ok()?;
    (url.host_str() == response.url().host_str() && url.scheme() == response.url().scheme()).then_some(url)
}
