//! Messages between the processes: one datagram each, with open files.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as IoErrno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Errno;

/// No answer comes near it: an error names a path or two.
const LONGEST: usize = 16 * 1024;
/// A request's files: the specification, three standard streams, the reply socket.
const MOST_FILES: usize = 5;
const _: () = assert!(super::gateway::MOST_FILES <= MOST_FILES);
const MARK: u8 = 1;

/// Two ends of a channel that keeps messages apart and notices when the other end is gone.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Whether the other end is gone.
pub(super) fn is_hung_up(channel: impl AsFd) -> Result<bool, Errno> {
    let mut polled = [PollFd::new(&channel, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default()))?;
    Ok(polled[0].revents().contains(PollFlags::HUP))
}

/// Sends a message and files.
pub(super) fn send(to: impl AsFd, message: &impl Serialize, files: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    // Never empty, because an empty datagram looks like the other end's end.
    let bytes = postcard::to_stdvec(&(MARK, message)).map_err(|_| Errno(libc::EMSGSIZE))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(Errno(libc::E2BIG));
    }
    loop {
        match sendmsg(to.as_fd(), &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(IoErrno::INTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// Receives a message and its files; nothing if the other end is gone.
pub(super) fn receive<T: DeserializeOwned>(from: impl AsFd) -> Result<Option<(T, Vec<OwnedFd>)>, Errno> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(from.as_fd(), &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
        {
            Err(IoErrno::INTR) => {}
            Err(IoErrno::CONNRESET) => return Ok(None),
            other => break other?.bytes,
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    let files = files.flatten().collect();
    let (_, message) = postcard::from_bytes::<(u8, T)>(&bytes[..length]).map_err(|_| Errno(libc::EBADMSG))?;
    Ok(Some((message, files)))
}
