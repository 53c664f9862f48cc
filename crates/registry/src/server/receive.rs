//! The body of a request, as it arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What a client sends.
pub(super) struct RequestBody {
    incoming: Incoming,
    /// In tests: how many bytes arrive before the connection breaks.
    #[cfg(test)]
    pub breaks_after: Option<usize>,
}

impl From<Incoming> for RequestBody {
    fn from(incoming: Incoming) -> RequestBody {
        RequestBody {
            incoming,
            #[cfg(test)]
            breaks_after: None,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(context));
        let frame = frame.map(|frame| frame.map_err(io::Error::other));
        #[cfg(test)]
        let frame = self.cut(frame);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
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
