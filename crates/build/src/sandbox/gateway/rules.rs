//! The rules of a step's network, for nf_tables. In nft's own words:
//!
//! ```text
//! table inet kapok {
//!   chain out { type nat hook output priority -100;
//!     ip daddr 127.0.0.0/8 return ; ip daddr 198.18.0.1 return ; ip6 daddr ::1 return
//!     ip daddr 198.19.255.254 udp dport 53 dnat ip to 198.19.255.254:9                         # the resolver, whose
//!     ip daddr 198.19.255.254 tcp dport 53 dnat ip to 198.19.255.253:9                         # answers are ours
//!     meta l4proto tcp dnat ip to 198.19.255.254:9 ; meta l4proto tcp dnat ip6 to [fd00::1]:9 }
//!   chain rest { type filter hook output priority 0;
//!     meta l4proto tcp accept
//!     ip daddr 127.0.0.0/8 accept ; ip daddr 198.18.0.1 accept ; ip6 daddr ::1 accept
//!     ip daddr 198.19.255.254 accept ; ip saddr 198.19.255.254 accept                           # DNS and its answers
//!     icmp type 3 accept ; icmpv6 type 1 accept                                                 # our own refusals
//!     log group 7 snaplen 128 queue-threshold 1 ; reject with icmpx admin-prohibited } }
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::netlink;

use super::netlink::{ACKNOWLEDGE, Attributes, CREATE, Messages, open};
use crate::network::{GATEWAY_ADDRESS, GATEWAY_ADDRESS6, GATEWAY_DNS_ADDRESS, GATEWAY_PORT, STEP_ADDRESS};
use crate::sandbox::Errno;

const TABLE: &str = "kapok";
const NAT: &str = "out";
const FILTER: &str = "rest";
/// The kernel's log has numbered groups; a new namespace has no other listener.
const LOG_GROUP: u16 = 7;
/// Bytes of each packet that are told: headers, with room for IPv6's extensions.
const LOG_BYTES: u32 = 128;

/// Numbers of `linux/netfilter*.h`.
mod number {
    pub const BATCH_BEGIN: u16 = 16;
    pub const BATCH_END: u16 = 17;
    pub const NF_TABLES: u16 = 10;
    pub const LOG: u16 = 4;
    pub const NEW_TABLE: u16 = NF_TABLES << 8;
    pub const NEW_CHAIN: u16 = (NF_TABLES << 8) | 3;
    pub const NEW_RULE: u16 = (NF_TABLES << 8) | 6;
    pub const LOG_CONFIG: u16 = (LOG << 8) | 1;
    pub const INET: u8 = 1;
    pub const IPV4: u8 = 2;
    pub const IPV6: u8 = 10;
    pub const OUTPUT: u32 = 3;
    pub const ACCEPT: i32 = 1;
    pub const RETURN: i32 = -5;
    pub const APPEND: u16 = 0x800;
}

/// A packet must pass all of a rule's tests.
#[derive(Clone, Copy)]
enum Test {
    Ip4,
    Ip6,
    Protocol(u8),
    /// A field of the network header.
    Network(u32, Bytes),
    /// A field of the transport header.
    Transport(u32, Bytes),
}

/// A few bytes.
#[derive(Clone, Copy)]
struct Bytes {
    bytes: [u8; 16],
    length: usize,
}

/// What becomes of a packet that passes.
#[derive(Clone, Copy)]
enum Action {
    Verdict(i32),
    Redirect4(Ipv4Addr),
    Redirect6(Ipv6Addr),
    LogAndReject,
}

const TCP: Test = Test::Protocol(6);
const UDP: Test = Test::Protocol(17);

/// Loads the rules into this process' network namespace, all or none.
pub(super) fn load(has_ipv6: bool) -> Result<(), Errno> {
    use number::{BATCH_BEGIN, BATCH_END, INET, NEW_CHAIN, NEW_TABLE, NF_TABLES};
    let header = [INET, 0, 0, 0];
    let [high, low] = NF_TABLES.to_be_bytes();
    let mut messages = Messages::default();
    messages.add(BATCH_BEGIN, 0, &[0, 0, high, low], |_| {});
    messages.add(NEW_TABLE, CREATE, &header, |attributes| attributes.text(1, TABLE));
    for (name, kind, priority) in [(NAT, "nat", -100i32), (FILTER, "filter", 0)] {
        messages.add(NEW_CHAIN, CREATE, &header, |attributes| {
            attributes.text(1, TABLE);
            attributes.text(3, name);
            attributes.nest(4, |hook| {
                hook.number(1, number::OUTPUT);
                hook.number(2, priority as u32);
            });
            attributes.text(7, kind);
        });
    }
    let rules = rules();
    let rules = rules.iter().filter(|rule| has_ipv6 || rule.1.first().is_none_or(|test| !test.is_ipv6()));
    for (chain, tests, action) in rules {
        add_rule(&mut messages, chain, tests, *action);
    }
    messages.add(BATCH_END, 0, &[0, 0, high, low], |_| {});
    answered(&messages, &open(Some(netlink::NETFILTER))?)
}

/// A socket at which the kernel tells of every packet that the rules refuse.
pub(super) fn log_socket() -> Result<OwnedFd, Errno> {
    let socket = open(Some(netlink::NETFILTER))?;
    let [high, low] = LOG_GROUP.to_be_bytes();
    let mut messages = Messages::default();
    messages.add(number::LOG_CONFIG, ACKNOWLEDGE, &[0, 0, high, low], |attributes| {
        const BIND: u8 = 1;
        const COPY_PACKET: u8 = 2;
        attributes.put(1, &[BIND]);
        attributes.put(2, &[&LOG_BYTES.to_be_bytes()[..], &[COPY_PACKET, 0]].concat());
        attributes.number(5, 1);
    });
    answered(&messages, &socket)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

fn answered(messages: &Messages, socket: &OwnedFd) -> Result<(), Errno> {
    match messages.send(socket)? {
        Some((_, errno)) => Err(errno),
        None => Ok(()),
    }
}

type Rule = (&'static str, Vec<Test>, Action);

/// The rules of the module's head, in its order.
fn rules() -> Vec<Rule> {
    use Action::{LogAndReject, Redirect4, Redirect6, Verdict};
    use Test::{Ip4, Ip6};
    let own: [Vec<Test>; 3] = [
        vec![Ip4, Test::Network(16, Bytes::new(&[127]))],
        vec![Ip4, to(STEP_ADDRESS)],
        vec![Ip6, Test::Network(24, Bytes::new(&Ipv6Addr::LOCALHOST.octets()))],
    ];
    let dns = Test::Transport(2, Bytes::new(&53u16.to_be_bytes()));
    let mut rules: Vec<Rule> = Vec::new();
    rules.extend(own.iter().map(|tests| (NAT, tests.clone(), Verdict(number::RETURN))));
    rules.extend([
        (NAT, vec![Ip4, to(GATEWAY_ADDRESS), UDP, dns], Redirect4(GATEWAY_ADDRESS)),
        (NAT, vec![Ip4, to(GATEWAY_ADDRESS), TCP, dns], Redirect4(GATEWAY_DNS_ADDRESS)),
        (NAT, vec![Ip4, TCP], Redirect4(GATEWAY_ADDRESS)),
        (NAT, vec![Ip6, TCP], Redirect6(GATEWAY_ADDRESS6)),
        (FILTER, vec![TCP], Verdict(number::ACCEPT)),
    ]);
    rules.extend(own.map(|tests| (FILTER, tests, Verdict(number::ACCEPT))));
    let type_is = |kind: u8| Test::Transport(0, Bytes::new(&[kind]));
    rules.extend([
        (FILTER, vec![Ip4, to(GATEWAY_ADDRESS)], Verdict(number::ACCEPT)),
        (FILTER, vec![Ip4, from(GATEWAY_ADDRESS)], Verdict(number::ACCEPT)),
        (FILTER, vec![Ip4, Test::Protocol(1), type_is(3)], Verdict(number::ACCEPT)),
        (FILTER, vec![Ip6, Test::Protocol(58), type_is(1)], Verdict(number::ACCEPT)),
        (FILTER, vec![], LogAndReject),
    ]);
    rules
}

fn from(address: Ipv4Addr) -> Test {
    Test::Network(12, Bytes::new(&address.octets()))
}

fn to(address: Ipv4Addr) -> Test {
    Test::Network(16, Bytes::new(&address.octets()))
}

fn add_rule(messages: &mut Messages, chain: &str, tests: &[Test], action: Action) {
    // Kernels before 6.10 do not answer for the batch's end, so every rule is answered for.
    let flags = CREATE | ACKNOWLEDGE | number::APPEND;
    messages.add(number::NEW_RULE, flags, &[number::INET, 0, 0, 0], |attributes| {
        attributes.text(1, TABLE);
        attributes.text(2, chain);
        attributes.nest(4, |expressions| {
            tests.iter().for_each(|test| test.put(expressions));
            action.put(expressions);
        });
    });
}

impl Bytes {
    fn new(value: &[u8]) -> Bytes {
        let mut bytes = [0; 16];
        bytes[..value.len()].copy_from_slice(value);
        Bytes { bytes, length: value.len() }
    }
}

impl Test {
    fn is_ipv6(&self) -> bool {
        matches!(self, Test::Ip6)
    }

    fn put(&self, to: &mut Attributes<'_>) {
        const FAMILY: u32 = 15;
        const PROTOCOL: u32 = 16;
        match self {
            Test::Ip4 => meta_is(to, FAMILY, number::IPV4),
            Test::Ip6 => meta_is(to, FAMILY, number::IPV6),
            Test::Protocol(protocol) => meta_is(to, PROTOCOL, *protocol),
            Test::Network(offset, bytes) => field_is(to, 1, *offset, bytes),
            Test::Transport(offset, bytes) => field_is(to, 2, *offset, bytes),
        }
    }
}

/// The registers of nf_tables; the first also has the verdict's number 0.
const VERDICT: u32 = 0;
const FIRST: u32 = 1;
const SECOND: u32 = 2;

fn expression(to: &mut Attributes<'_>, name: &str, fill: impl FnOnce(&mut Attributes<'_>)) {
    to.nest(1, |element| {
        element.text(1, name);
        element.nest(2, fill);
    });
}

fn meta_is(to: &mut Attributes<'_>, key: u32, value: u8) {
    expression(to, "meta", |meta| {
        meta.number(1, FIRST);
        meta.number(2, key);
    });
    equals(to, &[value]);
}

fn field_is(to: &mut Attributes<'_>, base: u32, offset: u32, value: &Bytes) {
    expression(to, "payload", |payload| {
        payload.number(1, FIRST);
        payload.number(2, base);
        payload.number(3, offset);
        payload.number(4, value.length as u32);
    });
    equals(to, &value.bytes[..value.length]);
}

fn equals(to: &mut Attributes<'_>, value: &[u8]) {
    expression(to, "cmp", |cmp| {
        cmp.number(1, FIRST);
        cmp.number(2, 0);
        cmp.nest(3, |data| data.put(1, value));
    });
}

impl Action {
    fn put(self, to: &mut Attributes<'_>) {
        match self {
            Action::Verdict(code) => expression(to, "immediate", |immediate| {
                immediate.number(1, VERDICT);
                immediate.nest(2, |data| data.nest(2, |verdict| verdict.number(1, code as u32)));
            }),
            Action::Redirect4(address) => redirect(to, number::IPV4, &address.octets()),
            Action::Redirect6(address) => redirect(to, number::IPV6, &address.octets()),
            Action::LogAndReject => {
                expression(to, "log", |log| {
                    log.put(1, &LOG_GROUP.to_be_bytes());
                    log.number(3, LOG_BYTES);
                    log.put(4, &1u16.to_be_bytes());
                });
                expression(to, "reject", |reject| {
                    const ICMPX: u32 = 2;
                    const ADMINISTRATIVELY_PROHIBITED: u8 = 3;
                    reject.number(1, ICMPX);
                    reject.put(2, &[ADMINISTRATIVELY_PROHIBITED]);
                });
            }
        }
    }
}

fn redirect(to: &mut Attributes<'_>, family: u8, address: &[u8]) {
    for (register, value) in [(FIRST, address), (SECOND, &GATEWAY_PORT.to_be_bytes())] {
        expression(to, "immediate", |immediate| {
            immediate.number(1, register);
            immediate.nest(2, |data| data.put(1, value));
        });
    }
    expression(to, "nat", |nat| {
        const DESTINATION: u32 = 1;
        nat.number(1, DESTINATION);
        nat.number(2, family.into());
        nat.number(3, FIRST);
        nat.number(5, SECOND);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a rule is only for addresses of IPv6 is read from its first test.
    #[test]
    fn the_family_is_tested_first() {
        for (_, tests, action) in rules() {
            let later = tests.iter().skip(1).any(|test| matches!(test, Test::Ip4 | Test::Ip6));
            let field = matches!(tests.first(), Some(Test::Network(..) | Test::Transport(..)));
            assert!(!later && !field);
            let six = matches!(action, Action::Redirect6(_));
            assert!(!six || tests.first().is_some_and(Test::is_ipv6));
        }
    }
}
