//! The end that writes.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use oci::Digest;
use oci::store::{BlobWriter, Store};
use tokio::time::timeout;

use super::{Broken, Spool, Whole};

/// Pieces from this size on are written by a thread that may block; smaller ones cost less than the way there.
const LARGE: usize = 32 << 10;

/// What holds for one body.
pub(in crate::gateway) struct Rules {
    /// Between two pieces.
    pub silence: Duration,
    /// Bytes up to which it is kept.
    pub kept: u64,
    /// Bytes on the disk of one that is not.
    pub window: u64,
    /// Digests that it must have, each with the words for "it has not".
    pub expected: Vec<(Digest, Broken)>,
}

/// Called at the end of a body that came whole, before its readers know; `kept`: whether its blob is in the store.
pub(in crate::gateway) type Finish = Box<dyn FnOnce(Whole, bool) + Send>;

/// Takes a body to its end, or to the end of interest in it.
pub(in crate::gateway) async fn pump<B>(
    body: B,
    writer: BlobWriter<Arc<Store>>,
    spool: Arc<Spool>,
    rules: Rules,
    finish: Finish,
) where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let end = tokio::select! {
        end = take(body, writer, &spool, rules, finish) => end,
        () = spool.progress.closed() => Err(Broken::Cancelled),
    };
    spool.progress.send_modify(|progress| progress.end = Some(end));
}

async fn take<B>(
    mut body: B,
    mut writer: BlobWriter<Arc<Store>>,
    spool: &Spool,
    rules: Rules,
    finish: Finish,
) -> Result<Whole, Broken>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut written = 0;
    let mut kept = spool.total.is_none_or(|total| total <= rules.kept);
    loop {
        let frame = match timeout(rules.silence, body.frame()).await {
            Err(_) => {
                return Err(Broken::failed(format!(
                    "nothing came for {} s after {written} bytes",
                    rules.silence.as_secs()
                )));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                let why = crate::gateway::upstream::chain(&error);
                return Err(Broken::failed(format!("it broke off after {written} bytes: {why}")));
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        if piece.is_empty() {
            continue;
        }
        written += piece.len() as u64;
        if spool.total.is_some_and(|total| written > total) {
            return Err(Broken::failed("more bytes came than were announced"));
        }
        kept &= written <= rules.kept;
        writer = write(writer, piece).await?;
        spool.progress.send_modify(|progress| progress.written = written);
        if !kept {
            wait_for_readers(spool, written, rules.window).await;
        }
    }
    match spool.total {
        Some(total) if total != written => Err(Broken::failed(format!("{written} of {total} bytes came"))),
        _ => place(writer, kept, rules.expected, finish).await,
    }
}

async fn write(mut writer: BlobWriter<Arc<Store>>, piece: Bytes) -> Result<BlobWriter<Arc<Store>>, Broken> {
    let failed =
        |error: std::io::Error| Broken::failed(format!("it cannot be written into the store: {error}"));
    if piece.len() < LARGE {
        return writer.write_all(&piece).map(|()| writer).map_err(failed);
    }
    let writing = tokio::task::spawn_blocking(move || writer.write_all(&piece).map(|()| writer));
    writing.await.map_err(|_| Broken::Cancelled)?.map_err(failed)
}

/// Holds a body that is not kept until its readers have come near.
async fn wait_for_readers(spool: &Spool, written: u64, window: u64) {
    loop {
        let moved = spool.moved.notified();
        let slowest = spool.slowest().unwrap_or(written);
        if written - slowest.min(written) <= window {
            return;
        }
        spool.give_back(slowest);
        moved.await;
    }
}

async fn place(
    writer: BlobWriter<Arc<Store>>,
    kept: bool,
    expected: Vec<(Digest, Broken)>,
    finish: Finish,
) -> Result<Whole, Broken> {
    let placing = tokio::task::spawn_blocking(move || {
        let (digest, size) = writer.digest();
        let whole = Whole { digest, size };
        let same = |expected: &Digest| expected.algorithm() != digest.algorithm() || *expected == digest;
        if let Some((_, broken)) = expected.into_iter().find(|(expected, _)| !same(expected)) {
            return Err(broken);
        }
        if kept {
            writer.finish().map_err(|error| Broken::failed(crate::gateway::upstream::chain(&error)))?;
        }
        finish(whole, kept);
        Ok(whole)
    });
    placing.await.map_err(|_| Broken::Cancelled)?
}
