//! Hosts as settings name them: names, names below one, addresses, networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Some hosts: `example.org`, `*.example.org` (all below it), `192.0.2.7`, `10.0.0.0/8`, `[2001:db8::]/32`, each with a
/// port if only that is meant: `example.org:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Name(String),
    Below(String),
    Network(IpAddr, u32),
}

/// Text that names no hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host, no address and no network")]
pub struct HostPatternError(String);

impl HostPattern {
    /// Whether a host is meant: by its name, in lower case, or as an address.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let fits = match &self.hosts {
            Hosts::All => true,
            Hosts::Name(name) => name == host,
            Hosts::Below(name) => host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Hosts::Network(..) => host.parse().is_ok_and(|address| self.contains(address)),
        };
        fits && self.has_port(port)
    }

    /// Whether an address lies in the network that is meant.
    pub fn matches_address(&self, address: IpAddr, port: u16) -> bool {
        self.contains(address) && self.has_port(port)
    }

    fn has_port(&self, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let Hosts::Network(network, length) = self.hosts else { return false };
        let bits = |address| match address {
            IpAddr::V4(four) => (u128::from(u32::from(four)) << 96, 32),
            IpAddr::V6(six) => (u128::from(six), 128),
        };
        let ((ours, kind), (theirs, other)) = (bits(network), bits(address.to_canonical()));
        kind == other && (length == 0 || (ours ^ theirs) >> (128 - length) == 0)
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<HostPattern, HostPatternError> {
        let bad = || HostPatternError(text.to_owned());
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        if text == "*" {
            return Ok(HostPattern { hosts: Hosts::All, port: None });
        }
        if let Some(hosts) = network(&text) {
            return Ok(HostPattern { hosts, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| bad())?)),
            None => (text.as_str(), None),
        };
        if let Some(hosts) = network(host) {
            return Ok(HostPattern { hosts, port });
        }
        let (name, below) = match host.strip_prefix('*').unwrap_or(host).strip_prefix('.') {
            Some(name) => (name, true),
            None => (host, false),
        };
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if !name.split('.').all(label) {
            return Err(bad());
        }
        let name = name.to_owned();
        Ok(HostPattern { hosts: if below { Hosts::Below(name) } else { Hosts::Name(name) }, port })
    }
}

fn network(text: &str) -> Option<Hosts> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(most);
    (length <= most).then_some(Hosts::Network(address, length))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::All => f.write_str("*")?,
            Hosts::Name(name) => f.write_str(name)?,
            Hosts::Below(name) => write!(f, "*.{name}")?,
            Hosts::Network(IpAddr::V4(address), length) => write!(f, "{address}/{length}")?,
            Hosts::Network(IpAddr::V6(address), length) => write!(f, "[{address}]/{length}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, host: &str, port: u16, expected: bool) {
        let pattern: HostPattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(host, port), expected, "{pattern} {host}:{port}");
        assert_eq!(pattern.to_string().parse::<HostPattern>().unwrap(), pattern);
    }

    #[test]
    fn patterns_name_hosts() {
        check("example.org", "example.org", 80, true);
        check("Example.org:8443", "example.org", 80, false);
        check("Example.org:8443", "example.org", 8443, true);
        check("*.example.org", "a.b.example.org", 80, true);
        check(".example.org", "example.org", 80, false);
        check("*.example.org", "badexample.org", 80, false);
        check("10.0.0.0/8", "10.200.0.1", 80, true);
        check("10.0.0.0/8", "11.0.0.1", 80, false);
        check("10.0.0.0/8:81", "10.0.0.1", 80, false);
        check("192.0.2.7", "192.0.2.7", 80, true);
        check("0.0.0.0/0", "192.0.2.7", 80, true);
        check("[2001:db8::]/32", "2001:db8::5", 80, true);
        check("[::1]:80", "::1", 80, true);
        check("::1", "::1", 80, true);
        check("*", "anything", 1, true);
        for bad in ["", "a b", "10.0.0.0/33", "a:b", "http://a", "a/b", "..", "a:99999"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}
