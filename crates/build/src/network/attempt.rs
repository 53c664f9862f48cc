//! What a step tried to send that is neither TCP nor a question for a name: the kernel refuses it, and tells us by NFLOG.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use oci::record::{Intake, Verdict};

/// One packet that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The protocol's number (IANA).
    pub protocol: u8,
    /// Where it was to go.
    pub address: IpAddr,
    /// To which port, for protocols that have some.
    pub port: Option<u16>,
}

/// Extension headers of IPv6 that are skipped; more are nobody's good faith.
const MOST_EXTENSIONS: usize = 8;

const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMP6: u8 = 58;

/// Where resolvers listen.
const DNS: u16 = 53;

impl Attempt {
    /// The protocol's name, or its number.
    pub fn protocol_name(&self) -> String {
        match self.protocol {
            ICMP | ICMP6 => "icmp".to_owned(),
            UDP => "udp".to_owned(),
            33 => "dccp".to_owned(),
            132 => "sctp".to_owned(),
            136 => "udplite".to_owned(),
            other => format!("ip-{other}"),
        }
    }

    /// As an intake. `name` is what the step had asked DNS for to get this address.
    pub fn intake(&self, name: Option<&str>) -> Intake {
        let address = match (name, self.address) {
            (Some(name), _) => name.to_owned(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let protocol = self.protocol_name();
        let reason = match (self.protocol, self.port) {
            (UDP, Some(DNS)) => {
                "only the resolver of /etc/resolv.conf is asked for names, not one elsewhere".to_owned()
            }
            _ => format!("{protocol} cannot leave a step: only http and https do"),
        };
        Intake {
            url: format!("{protocol}://{address}{port}"),
            method: "CONNECT".to_owned(),
            verdict: Verdict::Failed { reason },
            ..Intake::default()
        }
    }
}

/// The packets in one message of the kernel's log (NFLOG over netlink). What cannot be read is left out.
pub fn attempts(datagram: &[u8]) -> Vec<Attempt> {
    messages(datagram).filter_map(|message| packet(payload(message)?)).collect()
}

/// For the fuzzer.
#[doc(hidden)]
pub fn fuzz_attempts(data: &[u8]) {
    for attempt in attempts(data) {
        let _ = attempt.intake(None);
    }
    let _ = packet(data);
}

/// Netlink messages of the log's kind (subsystem 4, message 0), without their headers.
fn messages(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    const HEADER: usize = 16;
    const PACKET: u16 = 4 << 8;
    let mut rest = datagram;
    std::iter::from_fn(move || {
        loop {
            let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
            let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
            let message = rest.get(HEADER..length)?;
            rest = rest.get(aligned(length)..).unwrap_or_default();
            if kind == PACKET {
                return Some(message);
            }
        }
    })
}

/// The packet itself, among a message's attributes.
fn payload(message: &[u8]) -> Option<&[u8]> {
    const HEADER: usize = 4;
    const PAYLOAD: u16 = 9;
    let mut rest = message.get(4..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(HEADER..length)?;
        if kind == PAYLOAD {
            return Some(value);
        }
        rest = rest.get(aligned(length)..)?;
    }
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn packet(bytes: &[u8]) -> Option<Attempt> {
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes[0] & 15) * 4;
            let address = Ipv4Addr::from(*bytes.get(16..)?.first_chunk::<4>()?);
            // Only the first piece of a packet has its ports.
            let first_piece = u16::from_be_bytes(*bytes.get(6..)?.first_chunk()?) & 0x1fff == 0;
            let body = if first_piece { bytes.get(header..) } else { None };
            Some(attempt(*bytes.get(9)?, address.into(), body))
        }
        6 => {
            let address = Ipv6Addr::from(*bytes.get(24..)?.first_chunk::<16>()?);
            let (mut next, mut body) = (*bytes.get(6)?, bytes.get(40..));
            for _ in 0..MOST_EXTENSIONS {
                // Hop by hop, routing, destination options: each says what follows and how long it is.
                if !matches!(next, 0 | 43 | 60) {
                    break;
                }
                let header = body?;
                let length = (usize::from(*header.get(1)?) + 1) * 8;
                (next, body) = (*header.first()?, header.get(length..));
            }
            Some(attempt(next, address.into(), body))
        }
        _ => None,
    }
}

fn attempt(protocol: u8, address: IpAddr, body: Option<&[u8]>) -> Attempt {
    let has_ports = matches!(protocol, UDP | 33 | 132 | 136);
    let port = body.filter(|_| has_ports).and_then(|body| body.get(2..)?.first_chunk());
    Attempt { protocol, address, port: port.map(|port| u16::from_be_bytes(*port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log message as the kernel sends it, around a packet.
    fn log(packet: &[u8]) -> Vec<u8> {
        let attribute = |kind: u16, value: &[u8]| {
            let mut bytes = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
            bytes.extend(value);
            bytes.resize(aligned(bytes.len()), 0);
            bytes
        };
        let body = [&[2, 0, 0, 7][..], &attribute(10, b"x\0"), &attribute(9, packet)].concat();
        let length = (16 + body.len()) as u32;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend((4u16 << 8).to_ne_bytes());
        message.resize(16, 0);
        message.extend(body);
        message
    }

    fn ip4(protocol: u8, address: [u8; 4], body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1];
        packet.extend(address);
        packet.extend(body);
        packet
    }

    fn check(datagram: &[u8], expected: &str) {
        let found: Vec<String> = attempts(datagram).iter().map(|attempt| attempt.intake(None).url).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn names_protocol_address_and_port() {
        let udp = ip4(17, [8, 8, 8, 8], &[0xc0, 0, 0, 123, 0, 8, 0, 0]);
        check(&log(&udp), "udp://8.8.8.8:123");
        check(&log(&ip4(1, [9, 9, 9, 9], &[8, 0, 0, 0])), "icmp://9.9.9.9");
        check(&log(&ip4(47, [9, 9, 9, 9], &[])), "ip-47://9.9.9.9");
        check(&[log(&udp), log(&udp)].concat(), "udp://8.8.8.8:123 udp://8.8.8.8:123");
        let mut later_piece = udp.clone();
        later_piece[7] = 9;
        check(&log(&later_piece), "udp://8.8.8.8");
    }

    #[test]
    fn skips_what_stands_before_the_ports_of_ipv6() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 16, 0, 64];
        packet.extend([0; 16]);
        packet.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5).octets());
        packet.extend([17, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend([0xc0, 0, 0, 53, 0, 8, 0, 0]);
        check(&log(&packet), "udp://[2001:db8::5]:53");
    }

    #[test]
    fn what_is_cut_short_is_left_out() {
        let whole = log(&ip4(17, [8, 8, 8, 8], &[0xc0, 0, 0, 123, 0, 8, 0, 0]));
        for length in 0..whole.len() {
            check(&whole[..length], "");
        }
        let mut endless = whole.clone();
        endless[..4].fill(0);
        check(&endless, "");
        check(&log(&[0x45]), "");
    }

    #[test]
    fn a_question_to_another_resolver_is_told_of_the_right_one() {
        let to =
            |port| Attempt { protocol: 17, address: Ipv4Addr::new(192, 0, 2, 53).into(), port: Some(port) };
        let reason = |port| format!("{:?}", to(port).intake(None).verdict);
        assert!(reason(53).contains("/etc/resolv.conf") && !reason(123).contains("resolv"));
    }

    #[test]
    fn a_name_takes_the_place_of_its_address() {
        let attempt = Attempt { protocol: 17, address: Ipv4Addr::new(198, 18, 1, 1).into(), port: Some(123) };
        assert_eq!(attempt.intake(Some("time.example.org")).url, "udp://time.example.org:123");
    }
}
