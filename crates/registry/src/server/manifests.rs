//! Requests about manifests.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use oci::{Descriptor, Digest};
use serde_json::json;

use super::Storage;
use super::answer::{Answer, Refusal, empty, set, set_digest, whole};
use super::document::Document;
use super::receive::RequestBody;
use super::registry::Registry;
use super::route::Query;
use super::storage::{ManifestEntry, StorageError};
use crate::body::Pieces;
use crate::wire::error::Code;
use crate::wire::header::{SUBJECT, TAG};
use crate::{Repository, TagOrDigest};

/// Tags that one request may give.
const TAGS_LIMIT: usize = 100;

/// GET and HEAD of a manifest.
pub(super) async fn read(
    registry: &Registry,
    repository: Repository,
    name: TagOrDigest,
    headers: &HeaderMap,
    is_head: bool,
) -> Result<Answer, Refusal> {
    let find = move |storage: &Storage| {
        let digest = match &name {
            TagOrDigest::Digest(digest) => Some(*digest),
            TagOrDigest::Tag(tag) => storage.repositories.tag(&repository, tag)?,
        };
        let entry = match digest {
            Some(digest) => storage.repositories.manifest(&repository, &digest)?,
            None => None,
        };
        let entry = entry.ok_or_else(|| Refusal::no_manifest(&name))?;
        let bytes = if is_head { Vec::new() } else { bytes(storage, &entry.descriptor)? };
        Ok((entry.descriptor, bytes))
    };
    let (descriptor, bytes) = registry.blocking(find).await?;
    let tag = format!("\"{}\"", descriptor.digest);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = match known {
        true => empty(StatusCode::NOT_MODIFIED),
        false => whole(StatusCode::OK, &descriptor.media_type, bytes),
    };
    if is_head && !known {
        *answer.body_mut() = Pieces::channel(descriptor.size).1;
    }
    set(&mut answer, header::ETAG, &tag);
    set_digest(&mut answer, &descriptor.digest);
    Ok(answer)
}

/// A manifest's bytes.
fn bytes(storage: &Storage, descriptor: &Descriptor) -> Result<Vec<u8>, Refusal> {
    let reader =
        storage.blobs.open(&descriptor.digest)?.ok_or_else(|| Refusal::no_manifest(&descriptor.digest))?;
    let mut bytes = vec![0; usize::try_from(descriptor.size).unwrap_or_default()];
    let mut filled = 0;
    while filled < bytes.len() {
        match reader.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => return Err(StorageError::new("read a manifest", "it is shorter than it was").into()),
            Ok(count) => filled += count,
            Err(error) => return Err(StorageError::new("read a manifest", error).into()),
        }
    }
    Ok(bytes)
}

/// PUT of a manifest.
pub(super) async fn write(
    registry: &Arc<Registry>,
    repository: Repository,
    name: TagOrDigest,
    query: &Query,
    headers: &HeaderMap,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    let tags = tags(&name, query)?;
    let bytes = collect(body, registry.limits.manifest).await?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let document = Document::parse(&bytes, content_type)?;
    let digest = match &name {
        TagOrDigest::Digest(expected) => {
            let found = Digest::of_with(expected.algorithm(), &bytes);
            if found != *expected {
                let message = format!("the manifest has the digest {found}, not {expected}");
                return Err(Refusal::new(Code::DigestInvalid, message));
            }
            found
        }
        TagOrDigest::Tag(_) => Digest::of(&bytes),
    };
    let subject = document.subject;
    let (owner, depth_limit) = (repository.clone(), registry.limits.manifest_depth);
    let stored = tags.clone();
    // The store must come to its end though the client may go.
    let store = move |storage: &Storage| {
        let depth = check(storage, &owner, &document, depth_limit)?;
        let mut blob = storage.blobs.create()?;
        blob.write(&bytes)?;
        let size = blob.finish(&digest)?;
        let mut descriptor = Descriptor::new(&document.media_type, digest, size);
        descriptor.artifact_type = document.artifact_type;
        descriptor.annotations = document.annotations;
        let entry = ManifestEntry { descriptor, subject: document.subject, depth };
        Ok(storage.repositories.put_manifest(&owner, &entry, &stored)?)
    };
    registry.blocking(store).await?;
    let mut answer = empty(StatusCode::CREATED);
    set(&mut answer, header::LOCATION, &format!("/v2/{repository}/manifests/{digest}"));
    set_digest(&mut answer, &digest);
    if name.digest().is_some() && !tags.is_empty() {
        set(&mut answer, HeaderName::from_static(TAG), &tags.join(", "));
    }
    if let Some(subject) = subject {
        set(&mut answer, HeaderName::from_static(SUBJECT), &subject.to_string());
    }
    Ok(answer)
}

/// The tags that a manifest is to have: the one by which it is put, or those beside its digest. (OCI distribution
/// specification 1.2, "Pushing Manifests with tags")
fn tags(name: &TagOrDigest, query: &Query) -> Result<Vec<String>, Refusal> {
    if let TagOrDigest::Tag(tag) = name {
        return Ok(vec![tag.clone()]);
    }
    let parse = |text: &str| match text.parse() {
        Ok(TagOrDigest::Tag(tag)) => Ok(tag),
        _ => Err(Refusal::new(Code::TagInvalid, "a parameter `tag` is no tag")),
    };
    query.all("tag").take(TAGS_LIMIT).map(parse).collect()
}

/// The whole of a small body.
async fn collect(body: RequestBody, limit: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let refusal =
                Refusal::new(Code::SizeInvalid, format!("a manifest may have {limit} bytes at most"));
            Err(refusal.status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Err(_) => {
            Err(Refusal::new(Code::ManifestInvalid, "the connection broke in the middle of the manifest"))
        }
    }
}

/// Whether everything that the manifest needs is in the repository; how deep it is.
fn check(
    storage: &Storage,
    repository: &Repository,
    document: &Document,
    limit: u32,
) -> Result<u32, Refusal> {
    let unknown = |digest: &Digest, what: &str| {
        let refusal = Refusal::new(
            Code::ManifestBlobUnknown,
            format!("the manifest needs a {what} that the repository lacks"),
        );
        refusal.detail(json!({"digest": digest}))
    };
    for digest in &document.blobs {
        if !storage.repositories.has_blob(repository, digest)? || storage.blobs.size(digest)?.is_none() {
            return Err(unknown(digest, "blob"));
        }
    }
    let mut depth = 0;
    for digest in &document.manifests {
        let entry =
            storage.repositories.manifest(repository, digest)?.ok_or_else(|| unknown(digest, "manifest"))?;
        depth = depth.max(entry.depth + 1);
    }
    if depth > limit {
        return Err(Refusal::new(
            Code::ManifestInvalid,
            format!("indexes may be nested {limit} deep at most"),
        ));
    }
    Ok(depth)
}

/// DELETE of a manifest, or of a tag.
pub(super) async fn delete(
    registry: &Registry,
    repository: Repository,
    name: TagOrDigest,
) -> Result<Answer, Refusal> {
    let remove = move |storage: &Storage| {
        let there = match &name {
            TagOrDigest::Tag(tag) => storage.repositories.untag(&repository, tag)?,
            TagOrDigest::Digest(digest) => storage.repositories.remove_manifest(&repository, digest)?,
        };
        if there { Ok(()) } else { Err(Refusal::no_manifest(&name)) }
    };
    registry.blocking(remove).await?;
    Ok(empty(StatusCode::ACCEPTED))
}
