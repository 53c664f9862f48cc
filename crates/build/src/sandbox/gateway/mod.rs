//! A network in which every address is local: what a step says to anybody, it says to a few sockets of ours.
//!
//! Made by init inside the new network namespace, while it may still do everything there, and sent to the main process.
//! All it takes is a route (`local default dev lo`), two chains of nf_tables and the sockets: no interface pair, no address
//! translation to the outside, no helper program, no right on the host.
//!
//! What bites:
//! - With nothing but 127.0.0.1, glibc's resolver takes the machine for one without a network (`AI_ADDRCONFIG`) and asks
//!   nobody: hence an address of the step's own.
//! - A server on `0.0.0.0:80` collides with any socket on port 80 of any address: ours are all on one port that nobody
//!   serves, and the rules lead there.
//! - An address of IPv6 that only a route makes local can be bound with `IPV6_FREEBIND` only.
//! - The kernel's log (NFLOG) gathers packets for a second before it tells, unless told otherwise.

mod netlink;
mod rules;

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::error::Doing;
use super::{Errno, SandboxError};
use crate::network::{GATEWAY_ADDRESS, GATEWAY_ADDRESS6, GATEWAY_DNS_ADDRESS, GATEWAY_PORT};

/// Connections that may wait to be accepted; the kernel's own limit is usually the same.
const BACKLOG: i32 = 4096;

/// The sockets at which a step's words arrive. All are non-blocking and closed on exec.
#[derive(Debug)]
pub struct GatewaySockets {
    /// Listens for every connection over IPv4. `SO_ORIGINAL_DST` of an accepted one is the address that the step meant; the
    /// peer's address has no meaning.
    pub tcp4: OwnedFd,
    /// The same for IPv6 (`IP6T_SO_ORIGINAL_DST`), where the kernel has it.
    pub tcp6: Option<OwnedFd>,
    /// Receives DNS questions to the step's resolver; those to others are refused like every datagram.
    pub dns_udp: OwnedFd,
    /// Listens for DNS over TCP.
    pub dns_tcp: OwnedFd,
}

/// What the main process gets of a step's network.
#[derive(Debug)]
pub struct GatewayNetwork {
    /// For whoever serves.
    pub sockets: GatewaySockets,
    /// Tells of every packet that was refused ([`crate::network::attempt`]). Non-blocking.
    pub refused: OwnedFd,
}

impl GatewayNetwork {
    /// Makes the network of this process' namespace.
    pub(super) fn make() -> Result<GatewayNetwork, SandboxError> {
        let has_ipv6 = netlink::make_everything_local().doing("make every address local")?;
        rules::load(has_ipv6).map_err(no_packet_filter)?;
        let tcp4 = SocketAddr::V4(SocketAddrV4::new(GATEWAY_ADDRESS, GATEWAY_PORT));
        let dns_tcp = SocketAddr::V4(SocketAddrV4::new(GATEWAY_DNS_ADDRESS, GATEWAY_PORT));
        let tcp6 = SocketAddr::V6(SocketAddrV6::new(GATEWAY_ADDRESS6, GATEWAY_PORT, 0, 0));
        let sockets = GatewaySockets {
            tcp4: listener(tcp4).doing("listen for connections")?,
            tcp6: has_ipv6.then(|| listener(tcp6)).transpose().doing("listen for connections over IPv6")?,
            dns_udp: bound(tcp4, SocketType::DGRAM).doing("listen for DNS questions")?,
            dns_tcp: listener(dns_tcp).doing("listen for DNS questions over TCP")?,
        };
        let refused = rules::log_socket().map_err(no_packet_filter)?;
        Ok(GatewayNetwork { sockets, refused })
    }

    /// The files of a message to the main process.
    pub(super) fn files(&self) -> Vec<BorrowedFd<'_>> {
        let GatewaySockets { tcp4, tcp6, dns_udp, dns_tcp } = &self.sockets;
        let always = [tcp4, dns_udp, dns_tcp, &self.refused];
        always.into_iter().chain(tcp6).map(AsFd::as_fd).collect()
    }

    /// From the files of a message.
    pub(super) fn from_files(files: Vec<OwnedFd>) -> Option<GatewayNetwork> {
        let mut files = files.into_iter();
        let (tcp4, dns_udp, dns_tcp, refused) = (files.next()?, files.next()?, files.next()?, files.next()?);
        Some(GatewayNetwork {
            sockets: GatewaySockets { tcp4, tcp6: files.next(), dns_udp, dns_tcp },
            refused,
        })
    }
}

/// How many files [`GatewayNetwork::files`] has at most.
pub(super) const MOST_FILES: usize = 5;

/// What would enable the rules, where the kernel lacks a part of them.
pub(super) const HINT: &str = "as root: `modprobe -a nf_tables nft_chain_nat nft_reject_inet nft_log nfnetlink_log`; without them steps have the machine's own network only, with `--network host` where the settings allow it";

fn no_packet_filter(source: Errno) -> SandboxError {
    SandboxError::Forbidden {
        what: "the rules (nf_tables) by which a step's network is watched".to_owned(),
        hint: HINT.to_owned(),
        source,
    }
}

fn listener(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = bound(address, SocketType::STREAM)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn bound(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, kind, flags, None)?;
    if address.is_ipv4() {
        sockopt::set_ip_freebind(&socket, true)?;
    } else {
        sockopt::set_ipv6_freebind(&socket, true)?;
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}
