//! Which addresses a step may reach. The gateway connects from the host's own network, where services trust their
//! neighbours: a step must not be able to talk to them in its name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Why an address is not for steps, if it is not. What a rule allows by name is asked for before this.
pub(super) fn forbidden(address: IpAddr) -> Option<&'static str> {
    match inner(address) {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
    .or_else(|| is_own(address).then_some("an address of this machine"))
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, ..] = address.octets();
    match (a, b) {
        (0, _) => Some("an address that means this machine"),
        (127, _) => Some("a loopback address"),
        (169, 254) => Some("a link-local address, as those of cloud metadata"),
        (10, _) | (172, 16..=31) | (192, 168) => Some("a private address"),
        (100, 64..=127) => Some("an address of a carrier's or cloud's inside"),
        (198, 18..=19) => Some("an address that stands for a name inside a step"),
        (224..=239, _) => Some("a multicast address"),
        (240.., _) => Some("a reserved address"),
        // The addresses of documentation are let through: nobody is there, or a test network.
        _ => None,
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, ..] = address.segments();
    match first {
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_unspecified() => Some("an address that means this machine"),
        0xfe80..=0xfebf => Some("a link-local address"),
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Some("a private address"),
        0xff00..=0xffff => Some("a multicast address"),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 address wraps, for whom it is delivered: mapped, compatible, translated (RFC 6052) and
/// 6to4 (RFC 3056).
fn inner(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    let segments = six.segments();
    let four = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] => four(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => four(high, low),
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => address,
        [0, 0, 0, 0, 0, 0, high, low] => four(high, low),
        [0x2002, high, low, ..] => four(high, low),
        _ => address,
    }
}

/// Whether packets to an address stay on this machine: then its own address is the one they come from. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Option<&str>) {
        let found = forbidden(address.parse().unwrap());
        assert_eq!(found.is_some(), expected.is_some(), "{address}: {found:?}");
        assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{address}: {found:?}");
    }

    #[test]
    fn what_is_inside_is_not_for_steps() {
        check("169.254.169.254", Some("metadata"));
        check("127.8.9.1", Some("loopback"));
        check("::1", Some("loopback"));
        check("0.0.0.0", Some("this machine"));
        check("::", Some("this machine"));
        check("10.1.2.3", Some("private"));
        check("172.31.0.1", Some("private"));
        check("172.32.0.1", None);
        check("100.127.1.1", Some("inside"));
        check("198.19.0.1", Some("inside a step"));
        check("224.0.0.1", Some("multicast"));
        check("255.255.255.255", Some("reserved"));
        check("fd00:ec2::254", Some("private"));
        check("fe80::1", Some("link-local"));
        check("ff02::1", Some("multicast"));
        check("::ffff:127.0.0.1", Some("loopback"));
        check("::127.0.0.1", Some("loopback"));
        check("64:ff9b::a9fe:a9fe", Some("metadata"));
        check("2002:7f00:1::", Some("loopback"));
        check("203.0.113.9", None);
        check("2001:db8::1", None);
    }

    #[test]
    fn this_machine_is_known_without_asking_anybody() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own("203.0.113.9".parse().unwrap()));
    }
}
