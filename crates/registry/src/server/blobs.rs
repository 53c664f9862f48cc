//! Requests about blobs: reading, deleting, and everything that brings them in.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use oci::Digest;

use super::access::{Identity, Right};
use super::answer::{Answer, Refusal, empty, set, set_digest, whole};
use super::receive::RequestBody;
use super::registry::Registry;
use super::route::{Query, parse_digest};
use super::storage::BlobReader;
use super::uploads::{State, Upload};
use crate::Repository;
use crate::body::{PIECE, Pieces};
use crate::wire::error::Code;
use crate::wire::header::UPLOAD_UUID;
use crate::wire::range::{self, Asked, Bytes as Range};

/// Repositories that are looked at for one to mount from, if the client names none.
const HOLDERS_LIMIT: usize = 64;

/// GET and HEAD of a blob.
pub(super) async fn read(
    registry: &Arc<Registry>,
    repository: Repository,
    digest: Digest,
    headers: &HeaderMap,
    is_head: bool,
) -> Result<Answer, Refusal> {
    let open = move |storage: &super::Storage| match storage.repositories.has_blob(&repository, &digest)? {
        true => Ok(storage.blobs.open(&digest)?),
        false => Ok(None),
    };
    let reader = registry.blocking(open).await?.ok_or_else(|| Refusal::no_blob(&digest))?;
    let size = reader.size();
    let tag = format!("\"{digest}\"");
    if text(headers, header::IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return Ok(empty(StatusCode::NOT_MODIFIED));
    }
    // A range of another version of the blob would be one of other bytes; there are no others under this name.
    let asked = text(headers, header::RANGE).map_or(Asked::Whole, |value| Range::parse_request(value, size));
    let (mut answer, part) = match asked {
        Asked::Whole => (empty(StatusCode::OK), Range { start: 0, end: size }),
        Asked::Part(part) => (empty(StatusCode::PARTIAL_CONTENT), part),
        Asked::Unsatisfiable => {
            let refusal = Refusal::new(Code::RangeInvalid, "the blob has no such bytes");
            return Err(refusal.header(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    if asked != Asked::Whole {
        set(&mut answer, header::CONTENT_RANGE, &part.content_range(size));
    }
    set(&mut answer, header::CONTENT_TYPE, "application/octet-stream");
    set(&mut answer, header::ACCEPT_RANGES, "bytes");
    set(&mut answer, header::ETAG, &tag);
    set(&mut answer, header::CACHE_CONTROL, "max-age=31536000, immutable");
    set_digest(&mut answer, &digest);
    *answer.body_mut() = if is_head { Pieces::channel(part.len()).1 } else { send(reader.into(), part) };
    Ok(answer)
}

/// A body that reads the blob as fast as the client takes it.
fn send(reader: Arc<dyn BlobReader>, part: Range) -> Pieces {
    let (sender, body) = Pieces::channel(part.len());
    tokio::spawn(async move {
        let mut offset = part.start;
        while offset < part.end {
            let wanted = (part.end - offset).min(PIECE as u64) as usize;
            let source = reader.clone();
            let read = move || {
                let mut buffer = vec![0; wanted];
                let count = source.read_at(&mut buffer, offset)?;
                buffer.truncate(count);
                Ok::<_, std::io::Error>(Bytes::from(buffer))
            };
            let piece = tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
            offset += piece.as_ref().map_or(0, |piece| piece.len() as u64);
            let ends = piece.as_ref().map_or(true, Bytes::is_empty);
            if sender.send(piece).await.is_err() || ends {
                return;
            }
        }
    });
    body
}

/// DELETE of a blob.
pub(super) async fn delete(
    registry: &Registry,
    repository: Repository,
    digest: Digest,
) -> Result<Answer, Refusal> {
    let remove =
        move |storage: &super::Storage| Ok(storage.repositories.remove_blob(&repository, &digest)?);
    if registry.blocking(remove).await? {
        Ok(empty(StatusCode::ACCEPTED))
    } else {
        Err(Refusal::no_blob(&digest))
    }
}

/// POST: a mount, a whole blob, or the beginning of an upload.
pub(super) async fn begin(
    registry: &Arc<Registry>,
    identity: &Identity,
    repository: Repository,
    query: &Query,
    body: RequestBody,
) -> Result<Answer, Refusal> {
    if let Some(digest) = query.get("mount").and_then(|text| text.parse::<Digest>().ok())
        && mount(registry, identity, &repository, digest, query.get("from")).await?
    {
        return Ok(created(&repository, &digest));
    }
    let blob = registry.blocking(|storage| Ok(storage.blobs.create()?)).await?;
    if let Some(text) = query.get("digest") {
        let digest = parse_digest(text)?;
        let (registry, mut state, mut body) = (registry.clone(), State::new(blob), body);
        return detached(async move {
            state.receive(&mut body, registry.limits.blob).await?;
            finish(&registry, &repository, &mut state, digest).await
        })
        .await;
    }
    let upload = registry.uploads.begin(&repository, blob)?;
    Ok(progress(StatusCode::ACCEPTED, &upload, 0))
}

/// Whether the blob could be taken over from another repository that the client may read.
async fn mount(
    registry: &Registry,
    identity: &Identity,
    repository: &Repository,
    digest: Digest,
    from: Option<&str>,
) -> Result<bool, Refusal> {
    let from: Option<Repository> = match from {
        Some(name) => match name.parse() {
            Ok(name) => Some(name),
            Err(_) => return Ok(false),
        },
        None => None,
    };
    let holders = move |storage: &super::Storage| match from {
        Some(from) if storage.repositories.has_blob(&from, &digest)? => Ok(vec![from]),
        Some(_) => Ok(Vec::new()),
        None => Ok(storage.repositories.holders(&digest, HOLDERS_LIMIT)?),
    };
    let access = registry.authenticator.access();
    // Many clients ask for a token for the repository they push to and no other; what counts is what the user may read.
    let reader = match identity {
        Identity::Granted { user: Some(user), .. } => Identity::User(user.clone()),
        other => other.clone(),
    };
    let may = |holder: &Repository| access.allows(&reader, holder, Right::Pull);
    if !registry.blocking(holders).await?.iter().any(may) {
        return Ok(false);
    }
    let repository = repository.clone();
    registry
        .blocking(move |storage| {
            let there = storage.blobs.size(&digest)?.is_some();
            if there {
                storage.repositories.add_blob(&repository, &digest)?;
            }
            Ok(there)
        })
        .await
}

/// GET of an upload: how far it is.
pub(super) async fn status(
    registry: &Registry,
    repository: &Repository,
    id: &str,
) -> Result<Answer, Refusal> {
    let upload = registry.uploads.find(repository, id)?;
    let size = upload.state.lock().await.size;
    Ok(progress(StatusCode::NO_CONTENT, &upload, size))
}

/// DELETE of an upload.
pub(super) fn cancel(registry: &Registry, repository: &Repository, id: &str) -> Result<Answer, Refusal> {
    registry.uploads.find(repository, id)?;
    registry.uploads.end(id);
    Ok(empty(StatusCode::NO_CONTENT))
}

/// PATCH of an upload: more bytes.
pub(super) async fn append(
    registry: &Arc<Registry>,
    repository: Repository,
    id: String,
    headers: HeaderMap,
    mut body: RequestBody,
) -> Result<Answer, Refusal> {
    let registry = registry.clone();
    detached(async move {
        let upload = registry.uploads.find(&repository, &id)?;
        let mut state = upload.state.lock().await;
        receive(&registry, &upload, &mut state, &headers, &mut body).await?;
        Ok(progress(StatusCode::ACCEPTED, &upload, state.size))
    })
    .await
}

/// PUT of an upload: the last bytes, if any, and the digest of all.
pub(super) async fn complete(
    registry: &Arc<Registry>,
    repository: Repository,
    id: String,
    query: &Query,
    headers: HeaderMap,
    mut body: RequestBody,
) -> Result<Answer, Refusal> {
    let missing = || Refusal::new(Code::DigestInvalid, "the request lacks the parameter `digest`");
    let digest = parse_digest(query.get("digest").ok_or_else(missing)?)?;
    let registry = registry.clone();
    detached(async move {
        let upload = registry.uploads.find(&repository, &id)?;
        let mut state = upload.state.lock().await;
        receive(&registry, &upload, &mut state, &headers, &mut body).await?;
        registry.uploads.end(&id);
        finish(&registry, &repository, &mut state, digest).await
    })
    .await
}

/// Takes a chunk, if it is the next one.
async fn receive(
    registry: &Registry,
    upload: &Upload,
    state: &mut State,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<(), Refusal> {
    if let Some(value) = text(headers, header::CONTENT_RANGE) {
        let chunk = range::parse_content(value)
            .ok_or_else(|| Refusal::new(Code::BlobUploadInvalid, "the Content-Range cannot be read"))?;
        if chunk.start != state.size {
            let refusal =
                Refusal::new(Code::RangeInvalid, format!("the upload goes on at byte {}", state.size));
            return Err(refusal
                .header(header::LOCATION, location(upload))
                .header(header::RANGE, range::received(state.size)));
        }
        let length = text(headers, header::CONTENT_LENGTH).and_then(|value| value.parse::<u64>().ok());
        if length.is_some_and(|length| length != chunk.len()) {
            return Err(Refusal::new(Code::SizeInvalid, "Content-Range and Content-Length disagree"));
        }
    }
    state.receive(body, registry.limits.blob).await
}

/// Makes a blob of what has arrived.
async fn finish(
    registry: &Registry,
    repository: &Repository,
    state: &mut State,
    digest: Digest,
) -> Result<Answer, Refusal> {
    let (blob, owner) = (state.take()?, repository.clone());
    registry
        .blocking(move |storage| {
            blob.finish(&digest)?;
            Ok(storage.repositories.add_blob(&owner, &digest)?)
        })
        .await?;
    Ok(created(repository, &digest))
}

/// Runs to its end though the client may go: a blob that is half handed over to another thread must come back.
async fn detached(
    work: impl Future<Output = Result<Answer, Refusal>> + Send + 'static,
) -> Result<Answer, Refusal> {
    let panicked = |panic| super::StorageError::new("finish a request", panic).into();
    tokio::spawn(work).await.unwrap_or_else(|panic| Err(panicked(panic)))
}

fn created(repository: &Repository, digest: &Digest) -> Answer {
    let mut answer = whole(StatusCode::CREATED, "application/octet-stream", Bytes::new());
    set(&mut answer, header::LOCATION, &format!("/v2/{repository}/blobs/{digest}"));
    set_digest(&mut answer, digest);
    answer
}

fn progress(status: StatusCode, upload: &Upload, size: u64) -> Answer {
    let mut answer = empty(status);
    set(&mut answer, header::LOCATION, &location(upload));
    set(&mut answer, header::RANGE, &range::received(size));
    set(&mut answer, HeaderName::from_static(UPLOAD_UUID), &upload.id);
    answer
}

fn location(upload: &Upload) -> String {
    format!("/v2/{}/blobs/uploads/{}", upload.repository, upload.id)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
