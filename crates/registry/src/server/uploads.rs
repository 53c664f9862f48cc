//! Blobs on their way in. (OCI distribution specification, "Pushing blobs")

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::task::{JoinHandle, spawn_blocking};

use super::answer::Refusal;
use super::receive::RequestBody;
use super::storage::{NewBlob, StorageError};
use crate::Repository;
use crate::body::PIECE;
use crate::wire::error::Code;

/// Uploads under way, by their names. They end with the server; a client then begins anew.
pub(super) struct Uploads {
    all: Mutex<HashMap<String, Arc<Upload>>>,
    started: AtomicU64,
    key: ring::hmac::Key,
    idle: Duration,
    limit: usize,
}

/// An upload.
pub(super) struct Upload {
    /// Its name in URLs, which cannot be guessed.
    pub id: String,
    pub repository: Repository,
    /// Locked by the request that writes.
    pub state: tokio::sync::Mutex<State>,
    touched: Mutex<Instant>,
}

/// What has arrived.
pub(super) struct State {
    blob: Option<Box<dyn NewBlob>>,
    /// Bytes so far.
    pub size: u64,
}

impl Uploads {
    /// Forgets uploads on which nothing happened for `idle`, and allows at most `limit`.
    pub(super) fn new(secret: &[u8; 32], idle: Duration, limit: usize) -> Uploads {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        Uploads { all: Mutex::default(), started: AtomicU64::new(0), key, idle, limit }
    }

    /// Begins one.
    pub(super) fn begin(
        &self,
        repository: &Repository,
        blob: Box<dyn NewBlob>,
    ) -> Result<Arc<Upload>, Refusal> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let name = ring::hmac::sign(&self.key, format!("upload {number}").as_bytes());
        let id: String = name.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let upload = Arc::new(Upload {
            id: id.clone(),
            repository: repository.clone(),
            state: tokio::sync::Mutex::new(State { blob: Some(blob), size: 0 }),
            touched: Mutex::new(Instant::now()),
        });
        let mut all = self.all();
        if all.len() >= self.limit {
            all.retain(|_, upload| upload.state.try_lock().is_err() || upload.idle() < self.idle);
        }
        if all.len() >= self.limit {
            let refusal = Refusal::new(Code::TooManyRequests, "too many uploads are under way");
            return Err(refusal.header(http::header::RETRY_AFTER, "30"));
        }
        all.insert(id, upload.clone());
        Ok(upload)
    }

    /// One that was begun in this repository.
    pub(super) fn find(&self, repository: &Repository, id: &str) -> Result<Arc<Upload>, Refusal> {
        let found = self.all().get(id).filter(|upload| upload.repository == *repository).cloned();
        let upload = found
            .ok_or_else(|| Refusal::new(Code::BlobUploadUnknown, "there is no such upload; begin anew"))?;
        *upload.touched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Instant::now();
        Ok(upload)
    }

    /// Ends one, done or not.
    pub(super) fn end(&self, id: &str) {
        self.all().remove(id);
    }

    /// Ends those on which nothing happened for long.
    pub(super) fn expire(&self) {
        self.all().retain(|_, upload| upload.state.try_lock().is_err() || upload.idle() < self.idle);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.all.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Upload {
    fn idle(&self) -> Duration {
        self.touched.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).elapsed()
    }
}

/// A blob while pieces are being written by another thread.
type Writing = JoinHandle<Result<Box<dyn NewBlob>, StorageError>>;

impl State {
    /// A state outside of any upload, for blobs that come in one request.
    pub(super) fn new(blob: Box<dyn NewBlob>) -> State {
        State { blob: Some(blob), size: 0 }
    }

    /// Takes the bytes of a body, up to `limit` in all. What arrived before a connection broke stays.
    pub(super) async fn receive(&mut self, body: &mut RequestBody, limit: u64) -> Result<(), Refusal> {
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut waiting = 0;
        let mut writing: Option<Writing> = None;
        let end = loop {
            let Some(frame) = body.frame().await else { break Ok(()) };
            let Ok(frame) = frame else {
                break Err(Refusal::new(
                    Code::BlobUploadInvalid,
                    "the connection broke in the middle of the body",
                ));
            };
            let Ok(data) = frame.into_data() else { continue };
            if self.size + data.len() as u64 > limit {
                let refusal =
                    Refusal::new(Code::SizeInvalid, format!("a blob may have {limit} bytes at most"));
                break Err(refusal.status(http::StatusCode::PAYLOAD_TOO_LARGE));
            }
            self.size += data.len() as u64;
            waiting += data.len();
            pieces.push(data);
            if waiting >= PIECE {
                // The next pieces arrive while these are written.
                self.join(writing.take()).await?;
                writing = Some(self.write(std::mem::take(&mut pieces))?);
                waiting = 0;
            }
        };
        self.join(writing).await?;
        if !pieces.is_empty() {
            let last = self.write(pieces)?;
            self.join(Some(last)).await?;
        }
        end
    }

    /// The blob, to be finished. Afterwards the upload has none.
    pub(super) fn take(&mut self) -> Result<Box<dyn NewBlob>, Refusal> {
        let gone = || Refusal::new(Code::BlobUploadUnknown, "this upload has failed; begin anew");
        self.blob.take().ok_or_else(gone)
    }

    fn write(&mut self, pieces: Vec<Bytes>) -> Result<Writing, Refusal> {
        let mut blob = self.take()?;
        Ok(spawn_blocking(move || {
            for piece in pieces {
                blob.write(&piece)?;
            }
            Ok(blob)
        }))
    }

    async fn join(&mut self, writing: Option<Writing>) -> Result<(), Refusal> {
        let Some(writing) = writing else { return Ok(()) };
        let written = writing.await.map_err(|panic| StorageError::new("write a blob", panic))?;
        self.blob = Some(written?);
        Ok(())
    }
}
