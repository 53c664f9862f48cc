//! The ends that read.

use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use super::{Broken, Progress, Spool, Whole};
use crate::wire::range;

/// Bytes that are read at once.
const PIECE: u64 = 128 << 10;

/// Pieces up to this size are read where they are asked for: they lie in the system's memory, as they were just written.
const SMALL: u64 = 16 << 10;

/// Reads a body, or a part of it.
pub(in crate::gateway) struct Reader {
    spool: Arc<Spool>,
    progress: watch::Receiver<Progress>,
    number: u64,
    position: u64,
    /// Behind the last byte of the part; none: to the end.
    until: Option<u64>,
}

impl Reader {
    /// A reader of all of it.
    pub(in crate::gateway) fn whole(spool: &Arc<Spool>) -> Option<Reader> {
        Reader::new(spool, 0, None)
    }

    /// A reader of a part.
    pub(in crate::gateway) fn part(spool: &Arc<Spool>, part: range::Bytes) -> Option<Reader> {
        Reader::new(spool, part.start, Some(part.end))
    }

    /// None if what it would read is no longer there.
    fn new(spool: &Arc<Spool>, start: u64, until: Option<u64>) -> Option<Reader> {
        let progress = spool.progress.subscribe();
        let mut positions = spool.positions();
        if positions.gone > start {
            return None;
        }
        let number = positions.next;
        positions.next += 1;
        positions.of.insert(number, start);
        drop(positions);
        Some(Reader { spool: spool.clone(), progress, number, position: start, until })
    }

    /// How many bytes are still to come, if that is known.
    fn remaining(&self) -> Option<u64> {
        let end = match (self.until, self.spool.size()) {
            (Some(until), _) => Some(until),
            (None, size) => size,
        };
        end.map(|end| end.saturating_sub(self.position))
    }

    /// Whether everything was read.
    fn is_done(&self) -> bool {
        let end = match (self.until, self.spool.end()) {
            (Some(until), _) => Some(until),
            (None, Some(Ok(whole))) => Some(whole.size),
            (None, _) => None,
        };
        end.is_some_and(|end| self.position >= end)
    }

    /// What is known of the body when its reader is done with it: the whole, or why there is none.
    pub(in crate::gateway) fn result(&self) -> Result<Whole, Broken> {
        match self.spool.end() {
            Some(Ok(whole)) if self.is_done() => Ok(whole),
            Some(Err(broken)) => Err(broken),
            _ => Err(Broken::Cancelled),
        }
    }

    /// The next piece.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let readable = loop {
            let progress = self.progress.borrow_and_update().clone();
            let readable = self.spool.readable(&progress).min(self.until.unwrap_or(u64::MAX));
            match &progress.end {
                _ if readable > self.position => break readable,
                _ if self.until.is_some_and(|until| self.position >= until) => return None,
                Some(Ok(_)) => return None,
                Some(Err(broken)) => return Some(Err(io::Error::other(words(broken)))),
                None => {}
            }
            if self.progress.changed().await.is_err() {
                return Some(Err(io::Error::other("the body broke off")));
            }
        };
        let length = (readable - self.position).min(PIECE);
        let piece = self.read(length).await;
        if let Ok(piece) = &piece {
            self.position += piece.len() as u64;
            self.spool.positions().of.insert(self.number, self.position);
            self.spool.moved.notify_waiters();
        }
        Some(piece)
    }

    async fn read(&self, length: u64) -> io::Result<Bytes> {
        let (spool, position) = (self.spool.clone(), self.position);
        let read = move || {
            let mut piece = vec![0; length as usize];
            spool.file.read_exact_at(&mut piece, position)?;
            Ok(Bytes::from(piece))
        };
        if length <= SMALL {
            return read();
        }
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.spool.positions().of.remove(&self.number);
        self.spool.moved.notify_waiters();
    }
}

fn words(broken: &Broken) -> String {
    match broken {
        Broken::Failed { reason } | Broken::Refused { reason, .. } => reason.clone(),
        Broken::Cancelled => "the body broke off".to_owned(),
    }
}

type Reading = Pin<Box<dyn Future<Output = (Reader, Option<io::Result<Bytes>>)> + Send>>;

/// Is told how a body ended.
type Farewell = Box<dyn FnOnce(Result<Whole, Broken>) + Send>;

/// A reader as the body of an answer. When it is dropped, read to its end or not, `farewell` is told.
pub(in crate::gateway) struct SpoolBody {
    state: State,
    /// Bytes that are still to be given.
    remaining: Option<u64>,
    farewell: Option<Farewell>,
}

enum State {
    Idle(Reader),
    Busy(Reading),
    Over(Result<Whole, Broken>),
}

impl SpoolBody {
    pub(in crate::gateway) fn new(
        reader: Reader,
        farewell: impl FnOnce(Result<Whole, Broken>) + Send + 'static,
    ) -> SpoolBody {
        let remaining = reader.remaining();
        SpoolBody { state: State::Idle(reader), remaining, farewell: Some(Box::new(farewell)) }
    }
}

impl Body for SpoolBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Over(Err(Broken::Cancelled))) {
                State::Idle(mut reader) => {
                    this.state = State::Busy(Box::pin(async move {
                        let piece = reader.next().await;
                        (reader, piece)
                    }));
                }
                State::Busy(mut reading) => {
                    let polled = reading.as_mut().poll(context);
                    if polled.is_pending() {
                        this.state = State::Busy(reading);
                    }
                    let (reader, piece) = ready!(polled);
                    match piece {
                        Some(Ok(piece)) => {
                            if let Some(remaining) = &mut this.remaining {
                                *remaining = remaining.saturating_sub(piece.len() as u64);
                            }
                            this.state = State::Idle(reader);
                            return Poll::Ready(Some(Ok(Frame::data(piece))));
                        }
                        Some(Err(error)) => {
                            this.state = State::Over(reader.result());
                            return Poll::Ready(Some(Err(error)));
                        }
                        None => {
                            this.state = State::Over(reader.result());
                            return Poll::Ready(None);
                        }
                    }
                }
                State::Over(result) => {
                    this.state = State::Over(result);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Over(_) => true,
            _ => self.remaining == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for SpoolBody {
    fn drop(&mut self) {
        let result = match &self.state {
            State::Idle(reader) => reader.result(),
            State::Over(result) => result.clone(),
            State::Busy(_) => Err(Broken::Cancelled),
        };
        if let Some(farewell) = self.farewell.take() {
            farewell(result);
        }
    }
}
