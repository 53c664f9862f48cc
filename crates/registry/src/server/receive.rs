//! The body of a request, as it arrives, and what nobody wanted of it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Bytes of a refused request's body that are read and thrown away, so that the connection can be used again.
const DRAINED: usize = 256 << 10;

/// How long they may take to arrive.
const DRAINING: Duration = Duration::from_secs(1);

/// What a client sends.
pub(super) struct RequestBody {
    incoming: Option<Incoming>,
    unread: Unread,
    /// In tests: how many bytes arrive before the connection breaks.
    #[cfg(test)]
    pub breaks_after: Option<usize>,
}

impl From<Incoming> for RequestBody {
    fn from(incoming: Incoming) -> RequestBody {
        RequestBody {
            incoming: Some(incoming),
            unread: Unread::default(),
            #[cfg(test)]
            breaks_after: None,
        }
    }
}

impl RequestBody {
    /// Where what nobody reads of this body will be.
    pub(super) fn unread(&self) -> Unread {
        self.unread.clone()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let left = self.incoming.take().filter(|incoming| !incoming.is_end_stream());
        *self.unread.0.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

/// What nobody has read of a request's body.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Option<Incoming>>>);

impl Unread {
    /// Reads it to its end, if that is near; whether another request can follow on the connection. Of a client that waits
    /// to be told to go on nothing is read, for that would tell it.
    pub(super) async fn drain(self, client_waits: bool) -> bool {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut incoming) = left else { return true };
        let drain = async {
            let mut read = 0;
            while let Some(frame) = incoming.frame().await {
                match frame {
                    Ok(frame) => read += frame.data_ref().map_or(0, Bytes::len),
                    Err(_) => return false,
                }
                if read > DRAINED {
                    return false;
                }
            }
            true
        };
        !client_waits && tokio::time::timeout(DRAINING, drain).await.unwrap_or(false)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(incoming).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.incoming = None;
        }
        let frame = frame.map(|frame| frame.map_err(io::Error::other));
        #[cfg(test)]
        let frame = self.cut(frame);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
impl RequestBody {
    fn cut(&mut self, frame: Option<io::Result<Frame<Bytes>>>) -> Option<io::Result<Frame<Bytes>>> {
        let (Some(left), Some(Ok(whole))) = (self.breaks_after, &frame) else { return frame };
        let data = whole.data_ref().cloned().unwrap_or_default();
        if left == 0 {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let some = data.slice(..left.min(data.len()));
        self.breaks_after = Some(left - some.len());
        Some(Ok(Frame::data(some)))
    }
}
