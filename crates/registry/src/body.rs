//! Bodies of requests and answers that are made piece by piece, so that no blob is ever whole in memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Bytes of one piece: large enough that the hand-over between threads costs nothing beside the hashing.
pub(crate) const PIECE: usize = 256 * 1024;

/// Pieces that wait for the network. Two keep it busy while the next one is read.
const WAITING: usize = 2;

/// A body: some bytes, or what arrives through a channel.
#[derive(Debug)]
pub(crate) enum Pieces {
    /// All of it.
    Whole(Bytes),
    /// So many bytes more, in pieces.
    Channel { receiver: mpsc::Receiver<io::Result<Bytes>>, remaining: u64 },
}

impl Pieces {
    /// No bytes.
    pub(crate) fn empty() -> Pieces {
        Pieces::Whole(Bytes::new())
    }

    /// A body of `size` bytes, and the end into which they go. Too few are an error to whoever reads.
    pub(crate) fn channel(size: u64) -> (mpsc::Sender<io::Result<Bytes>>, Pieces) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (sender, Pieces::Channel { receiver, remaining: size })
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Pieces::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Pieces::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Pieces::Channel { remaining: 0, .. } => Poll::Ready(None),
            Pieces::Channel { receiver, remaining } => {
                Poll::Ready(Some(match std::task::ready!(receiver.poll_recv(context)) {
                    Some(Ok(piece)) if piece.len() as u64 <= *remaining => {
                        *remaining -= piece.len() as u64;
                        Ok(Frame::data(piece))
                    }
                    Some(Ok(_)) => Err(io::Error::other("there are more bytes than announced")),
                    Some(Err(error)) => Err(error),
                    None => Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "there are fewer bytes than announced",
                    )),
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Pieces::Whole(bytes) => bytes.is_empty(),
            Pieces::Channel { remaining, .. } => *remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Pieces::Whole(bytes) => bytes.len() as u64,
            Pieces::Channel { remaining, .. } => *remaining,
        })
    }
}
