//! The words of EXPOSE: `8080`, `8000-8010/udp`, and what Docker's port mappings allow besides.

use std::net::IpAddr;

/// The ports that a word means, each as `NUMBER/PROTOCOL`. An address and a host's port are checked and dropped, as
/// BuildKit does. The error is a fragment that says what is wrong.
pub fn parse(word: &str) -> Result<Vec<String>, String> {
    let (address, host, port) = split(word);
    let (range, protocol) = port.split_once('/').unwrap_or((port, ""));
    if range.is_empty() {
        return Err(format!("no port in `{word}`"));
    }
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" => "tcp".to_owned(),
        known @ ("tcp" | "udp" | "sctp") => known.to_owned(),
        _ => return Err(format!("unknown protocol `{protocol}`")),
    };
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if !address.is_empty() && inner.parse::<IpAddr>().is_err() {
        return Err(format!("invalid address `{address}`"));
    }
    let (first, last) = parse_range(range)?;
    if !host.is_empty() {
        let (host_first, host_last) = parse_range(host)?;
        if host_last - host_first != last - first && last != first {
            return Err(format!("the ranges `{range}` and `{host}` have different lengths"));
        }
    }
    Ok((first..=last).map(|number| format!("{number}/{protocol}")).collect())
}

/// Address, host's port and port; the first two may be empty. An IPv6 address has colons of its own.
fn split(word: &str) -> (&str, &str, &str) {
    let Some((rest, port)) = word.rsplit_once(':') else { return ("", "", word) };
    let (address, host) = rest.rsplit_once(':').unwrap_or(("", rest));
    (address, host, port)
}

fn parse_range(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| -> Result<u16, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| format!("invalid port `{text}`"))
    };
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    if last < first { Err(format!("the range `{text}` ends before it begins")) } else { Ok((first, last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Result<&[&str], &str>) {
        let expected = expected.map(|ports| ports.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parse(word), expected.map_err(ToOwned::to_owned), "{word}");
    }

    #[test]
    fn ports_and_ranges() {
        check("80", Ok(&["80/tcp"]));
        check("53/UDP", Ok(&["53/udp"]));
        check("9/sctp", Ok(&["9/sctp"]));
        check("8000-8002/tcp", Ok(&["8000/tcp", "8001/tcp", "8002/tcp"]));
        check("8000-8000", Ok(&["8000/tcp"]));
        check("65535", Ok(&["65535/tcp"]));
    }

    #[test]
    fn mappings_lose_their_host_part() {
        check("8080:80", Ok(&["80/tcp"]));
        check("127.0.0.1:8080:80/udp", Ok(&["80/udp"]));
        check("127.0.0.1::80", Ok(&["80/tcp"]));
        check("[::1]:8080:80", Ok(&["80/tcp"]));
        check("8000-8009:80", Ok(&["80/tcp"]));
    }

    #[test]
    fn wrong_ones() {
        check("", Err("no port in ``"));
        check("/tcp", Err("no port in `/tcp`"));
        check("http", Err("invalid port `http`"));
        check("65536", Err("invalid port `65536`"));
        check("+80", Err("invalid port `+80`"));
        check("80/icmp", Err("unknown protocol `icmp`"));
        check("90-80", Err("the range `90-80` ends before it begins"));
        check("1-2-3", Err("invalid port `2-3`"));
        check("nowhere:1:2", Err("invalid address `nowhere`"));
        check("1-3:1-2", Err("the ranges `1-2` and `1-3` have different lengths"));
    }
}
