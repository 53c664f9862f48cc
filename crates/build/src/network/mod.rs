//! The one way out of a RUN: a [`Gateway`] that this room is handed, as it is handed a [`Fetch`](crate::fetch::Fetch).
//!
//! `build` makes a network namespace in which every address leads to a few sockets, and hands these over; what is said on
//! them is somebody else's trade. What comes back is a list of intakes for the step's record.
//!
//! ```text
//!  RUN ── any TCP, any address and port ──▶ tcp4, tcp6   (the address meant: SO_ORIGINAL_DST)
//!      ── questions to its own resolver ──▶ dns_udp, dns_tcp
//!      ── any other UDP, ICMP, ... ───────▶ refused by the kernel, told to the engine: [`attempt`]
//! ```

pub mod attempt;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use oci::record::Intake;

pub use crate::sandbox::GatewaySockets;

/// The step's own address beside loopback: its own servers answer on it, and it tells resolvers that there is a network.
pub const STEP_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Where the gateway's sockets are bound, all on [`GATEWAY_PORT`]; `/etc/resolv.conf` names it, too.
pub const GATEWAY_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 254);

/// Where the gateway answers DNS over TCP.
pub const GATEWAY_DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 253);

/// Where the gateway's socket for IPv6 is bound.
pub const GATEWAY_ADDRESS6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);

/// The only port that the gateway takes from a step, TCP and UDP: `discard`, which nobody serves.
pub const GATEWAY_PORT: u16 = 9;

/// Makes a gateway for each step. One value serves a whole build, from several threads.
pub trait Gateway: Send + Sync {
    /// What decides which answers a step gets, in one line: it is a part of the step's key. Empty for "whatever the world
    /// says".
    fn policy(&self) -> String;

    /// Certificates (PEM) of authorities that every step is to trust beside the gateway's own: an organisation's.
    fn trusted(&self) -> &[u8] {
        &[]
    }

    /// Whether it wants to know what earlier steps fetched: [`StepNetwork::earlier`].
    fn recalls(&self) -> bool {
        false
    }

    /// Makes ready for a step that is about to start.
    ///
    /// # Errors
    /// Keys could not be made, or a thread not be started.
    fn open(&self, step: &StepNetwork<'_>) -> Result<Box<dyn StepGateway>, GatewayError>;
}

/// The gateway of one step.
pub trait StepGateway: Send {
    /// The certificate (PEM) of the authority that this step alone trusts, made for it. It must be in no layer, so its key
    /// must be one by which it can be recognised: not one that other certificates have.
    fn authority(&self) -> &[u8];

    /// Takes the sockets and serves them, in threads or tasks of its own, until [`finish`](Self::finish). Called once.
    ///
    /// # Errors
    /// The sockets cannot be served; the step is then ended.
    fn serve(&mut self, sockets: GatewaySockets) -> Result<(), GatewayError>;

    /// The name for which DNS gave this address to the step.
    fn name_of(&self, address: IpAddr) -> Option<String> {
        let _ = address;
        None
    }

    /// Ends serving and tells what was. Every process of the step is gone by then; requests that are under way are broken
    /// off.
    fn finish(self: Box<Self>) -> Served;
}

/// What a gateway is told of a step.
#[derive(Clone)]
pub struct StepNetwork<'a> {
    /// The step's stage and number, for messages: `build 3/7`.
    pub name: &'a str,
    /// The line of the Dockerfile on which the instruction starts, from 1.
    pub line: usize,
    /// Takes a line for the step's output; without a line end. Never blocks.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
    /// `--no-cache`: what may have changed is asked for again.
    pub no_cache: bool,
    /// Names with addresses that the user gave (`--add-host`); they stand in the step's `/etc/hosts`, so that there is no
    /// question for them, only connections to their addresses.
    pub hosts: &'a [(String, IpAddr)],
    /// What the steps before it fetched, cached ones included, if the gateway [recalls](Gateway::recalls) that.
    pub earlier: Vec<Intake>,
}

/// What a step had from its gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Served {
    /// Every request, in the order in which they were made. One that was [refused](oci::record::Verdict::Refused) fails the
    /// step; one that [failed](oci::record::Verdict::Failed) does not.
    pub intakes: Vec<Intake>,
    /// What went through unseen, such as `tls:host`.
    pub unobserved: Vec<String>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

/// A gateway that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the step's gateway cannot {action}")]
pub struct GatewayError {
    /// What was tried: `make a key`.
    pub action: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
