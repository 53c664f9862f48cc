//! As much of netlink as a step's network needs: messages with nested attributes, sent at once, answered one by one.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno as IoErrno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::network::STEP_ADDRESS;
use crate::sandbox::Errno;

const HEADER: usize = 16;
/// The kernel answers before `send` returns; this is for a kernel that never does.
const PATIENCE: Duration = Duration::from_secs(5);
/// The kernel's answers repeat at most one message of ours each.
const LONGEST_ANSWER: usize = 8 * 1024;

/// Flags of a message: a request, one to be answered, one that makes something new.
pub(super) const REQUEST: u16 = 1;
pub(super) const ACKNOWLEDGE: u16 = 4;
pub(super) const CREATE: u16 = 0x400;

/// Set on an attribute that holds others.
const NESTED: u16 = 0x8000;

/// Messages to the kernel, in the making. Their sequence numbers are their positions.
#[derive(Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    count: u32,
    /// The last message that is answered.
    awaited: u32,
}

impl Messages {
    /// Adds a message: its kind's own header, then attributes.
    pub(super) fn add(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        fill: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        if flags & ACKNOWLEDGE != 0 {
            self.awaited = self.count;
        }
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | REQUEST).to_ne_bytes());
        self.bytes.extend(self.count.to_ne_bytes());
        self.bytes.extend(0u32.to_ne_bytes());
        self.bytes.extend(header);
        pad(&mut self.bytes);
        fill(&mut Attributes(&mut self.bytes));
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.count += 1;
    }

    /// Sends all of them and waits for the last answer; gives the first message that was refused: its position and why.
    /// A message of a batch that is refused may be the only one that is answered.
    pub(super) fn send(&self, socket: &OwnedFd) -> Result<Option<(u32, Errno)>, Errno> {
        rustix::net::send(socket, &self.bytes, SendFlags::empty())?;
        let mut buffer = vec![0u8; LONGEST_ANSWER];
        loop {
            let (length, _) = match rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()) {
                Err(IoErrno::INTR) => continue,
                other => other?,
            };
            for (position, code) in answers(&buffer[..length]) {
                if code != 0 {
                    return Ok(Some((position, Errno(code))));
                }
                if position == self.awaited {
                    return Ok(None);
                }
            }
        }
    }
}

/// The answers in a datagram: whose they are, and the error, 0 for none.
fn answers(mut datagram: &[u8]) -> Vec<(u32, i32)> {
    const ANSWER: u16 = 2;
    let mut answers = Vec::new();
    while let (Some(length), Some(kind), Some(sequence)) =
        (field::<4>(datagram, 0), field::<2>(datagram, 4), field::<4>(datagram, 8))
    {
        let length = u32::from_ne_bytes(length) as usize;
        if u16::from_ne_bytes(kind) == ANSWER
            && let Some(code) = field::<4>(datagram, HEADER)
        {
            answers.push((u32::from_ne_bytes(sequence), -i32::from_ne_bytes(code)));
        }
        datagram = datagram.get(length.max(HEADER).next_multiple_of(4)..).unwrap_or_default();
    }
    answers
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Where attributes are added.
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    /// An attribute with bytes for a value.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        self.0.extend((4 + value.len() as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        pad(self.0);
    }

    /// A number in network order, as netfilter wants them.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A text, closed by a zero byte.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.put(kind, &[value.as_bytes(), b"\0"].concat());
    }

    /// Attributes within one.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.0.len();
        self.put(kind | NESTED, &[]);
        fill(self);
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A socket to a part of the kernel; none is the part that knows interfaces, addresses and routes.
pub(super) fn open(protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    Ok(socket)
}

/// Brings loopback up, gives it an address that is not loopback's, and lets it have every other. False where IPv6 cannot
/// be had.
pub(super) fn make_everything_local() -> Result<bool, Errno> {
    const NEW_LINK: u16 = 16;
    const NEW_ADDRESS: u16 = 20;
    const NEW_ROUTE: u16 = 24;
    let mut messages = Messages::default();
    messages.add(NEW_LINK, ACKNOWLEDGE, &loopback_up(), |_| {});
    let address = [&[libc::AF_INET as u8, 32, 0, 0][..], &LOOPBACK.to_ne_bytes()].concat();
    messages.add(NEW_ADDRESS, ACKNOWLEDGE | CREATE, &address, |attributes| {
        const ADDRESS: u16 = 1;
        const LOCAL: u16 = 2;
        let octets = Ipv4Addr::octets(&STEP_ADDRESS);
        attributes.put(LOCAL, &octets);
        attributes.put(ADDRESS, &octets);
    });
    for family in [libc::AF_INET, libc::AF_INET6] {
        messages.add(NEW_ROUTE, ACKNOWLEDGE | CREATE, &local_default(family as u8), |attributes| {
            const INTERFACE: u16 = 4;
            attributes.put(INTERFACE, &LOOPBACK.to_ne_bytes());
        });
    }
    let ipv6 = messages.count - 1;
    match messages.send(&open(None)?)? {
        None => Ok(true),
        Some((position, _)) if position == ipv6 => Ok(false),
        Some((_, errno)) => Err(errno),
    }
}

/// The number of the loopback interface: it is the first of any namespace.
const LOOPBACK: u32 = 1;

fn loopback_up() -> Vec<u8> {
    let (family_and_kind, up) = ([0u8; 4], libc::IFF_UP as u32);
    [family_and_kind, LOOPBACK.to_ne_bytes(), up.to_ne_bytes(), up.to_ne_bytes()].concat()
}

/// A route by which every address without a better one is this machine's.
fn local_default(family: u8) -> [u8; 12] {
    const LOCAL_TABLE: u8 = 255;
    const BOOT: u8 = 3;
    const HOST: u8 = 254;
    const LOCAL: u8 = 2;
    [family, 0, 0, 0, LOCAL_TABLE, BOOT, HOST, LOCAL, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_attributes_know_their_lengths() {
        let mut messages = Messages::default();
        messages.add(7, ACKNOWLEDGE, &[9], |attributes| {
            attributes.nest(1, |inner| inner.text(2, "abc"));
            attributes.number(3, 5);
        });
        messages.add(8, 0, &[], |_| {});
        let (first, second) = messages.bytes.split_at(40);
        assert_eq!(first[..4], 40u32.to_ne_bytes());
        assert_eq!(first[4..8], [7u16.to_ne_bytes(), 5u16.to_ne_bytes()].concat());
        assert_eq!(first[16..20], [9, 0, 0, 0]);
        let nested = [12u16, 1 | NESTED, 8, 2].map(u16::to_ne_bytes).concat();
        assert_eq!(first[20..32], [&nested[..], b"abc\0"].concat());
        assert_eq!(
            first[32..],
            [&[8u16.to_ne_bytes(), 3u16.to_ne_bytes()].concat()[..], &[0, 0, 0, 5]].concat()
        );
        assert_eq!((second.len(), &second[8..12]), (16, &1u32.to_ne_bytes()[..]));
    }

    #[test]
    fn reads_answers() {
        let answer = |sequence: u32, code: i32| {
            let mut bytes = [36u32.to_ne_bytes(), [2, 0, 0, 0], sequence.to_ne_bytes(), [0; 4]].concat();
            bytes.extend((-code).to_ne_bytes());
            bytes.resize(36, 0);
            bytes
        };
        assert_eq!(answers(&[answer(0, 0), answer(1, libc::ENOENT)].concat()), [(0, 0), (1, libc::ENOENT)]);
        assert_eq!(answers(&[0; 15]), []);
    }
}
