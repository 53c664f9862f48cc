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

/// Knows how a body that broke off goes on.
pub(in crate::gateway) trait Resume: Send {
    /// What goes on.
    type Body: Body<Data = Bytes, Error = hyper::Error> + Send + Unpin;

    /// The body behind its first bytes, so many; nothing where nobody has it.
    fn rest(&mut self, written: u64) -> impl Future<Output = Option<Self::Body>> + Send;
}

/// Takes a body to its end, or to the end of interest in it.
pub(in crate::gateway) async fn pump<R: Resume>(
    body: R::Body,
    resume: R,
    writer: BlobWriter<Arc<Store>>,
    spool: Arc<Spool>,
    rules: Rules,
    finish: Finish,
) {
    let end = tokio::select! {
        end = take(body, resume, writer, &spool, rules, finish) => end,
        () = spool.progress.closed() => Err(Broken::Cancelled),
    };
    spool.progress.send_modify(|progress| progress.end = Some(end));
}

async fn take<R: Resume>(
    mut body: R::Body,
    mut resume: R,
    mut writer: BlobWriter<Arc<Store>>,
    spool: &Spool,
    rules: Rules,
    finish: Finish,
) -> Result<Whole, Broken> {
    let mut written = 0;
    let mut kept = spool.total.is_none_or(|total| total <= rules.kept);
    loop {
        let piece = match next(&mut body, written, spool.total, rules.silence).await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(broken) => {
                // Its place among the requests to that host is free for the rest.
                drop(body);
                body = resume.rest(written).await.ok_or(broken)?;
                continue;
            }
        };
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
    place(writer, kept, rules.expected, finish).await
}

/// The next piece of a body of which so much has come; none at its end.
async fn next(
    body: &mut (impl Body<Data = Bytes, Error = hyper::Error> + Unpin),
    written: u64,
    total: Option<u64>,
    silence: Duration,
) -> Result<Option<Bytes>, Broken> {
    loop {
        match timeout(silence, body.frame()).await {
            Err(_) => {
                let seconds = silence.as_secs();
                return Err(Broken::failed(format!("nothing came for {seconds} s after {written} bytes")));
            }
            Ok(None) => {
                return match total {
                    Some(total) if total > written => {
                        Err(Broken::failed(format!("{written} of {total} bytes came")))
                    }
                    _ => Ok(None),
                };
            }
            Ok(Some(Err(error))) => {
                let why = crate::gateway::upstream::chain(&error);
                return Err(Broken::failed(format!("it broke off after {written} bytes: {why}")));
            }
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(piece) if !piece.is_empty() => return Ok(Some(piece)),
                _ => {}
            },
        }
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
