//! What a request asks for: its URL, out of the connection it came on, its request line and its headers.

use std::net::SocketAddr;

use http::header::{HOST, UPGRADE};
use http::request::Parts;
use http::{Method, Version};

use super::dns::Names;
use crate::packages::Address;

/// Where a connection was to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
}

impl Destination {
    /// An address that the step connected to: the name that DNS gave it, or itself.
    pub(super) fn of(address: SocketAddr, names: &Names) -> Destination {
        let ip = address.ip().to_canonical();
        Destination { host: names.name(ip).unwrap_or_else(|| ip.to_string()), port: address.port() }
    }

    /// `host:port`, as CONNECT has it.
    pub(super) fn parse(authority: &str) -> Option<Destination> {
        let address = Address::parse(&format!("https://{authority}/"))?;
        Some(Destination { host: address.host, port: address.port })
    }

    /// As in a URL.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The URL, without user, password and fragment.
    pub url: String,
    pub address: Address,
    /// It says who asks: a user and a password, a token.
    pub has_login: bool,
}

/// A request whose URL cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unclear(&'static str);

impl Asked {
    pub(super) fn of(
        destination: &Destination,
        secure: bool,
        names: &Names,
        parts: &Parts,
    ) -> Result<Asked, Unclear> {
        let uri = &parts.uri;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // Whoever speaks to a proxy writes the whole URL; HTTP/2 always does, and means the host it is connected to.
        let url = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme), Some(authority)) if parts.version < Version::HTTP_2 => {
                format!("{scheme}://{authority}{path}")
            }
            (_, authority) => {
                let named = match authority {
                    Some(authority) => Some(authority.as_str()),
                    None => match parts.headers.get(HOST).map(|host| host.to_str()) {
                        Some(Ok("")) | None => None,
                        Some(Ok(host)) => Some(host),
                        Some(Err(_)) => return Err(Unclear("the host is no text")),
                    },
                };
                let scheme = if secure { "https" } else { "http" };
                let host = match named {
                    Some(named) => host_of(named).ok_or(Unclear("the host is none"))?,
                    None => destination.host.clone(),
                };
                let path = if path.starts_with('/') { path } else { "/" };
                let place = Destination { host, port: destination.port };
                format!("{scheme}://{}{path}", place.authority())
            }
        };
        let has_login = oci::lock::names_somebody(&url);
        let mut address = Address::parse(&url).ok_or(Unclear("the URL is none of http or https"))?;
        // Somebody looked a name up and wrote its address: the name is meant.
        if let Ok(Some(name)) = address.host.parse().map(|ip| names.name(ip)) {
            address.host = name;
        }
        let query = address.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{}://{}{}{query}", address.scheme, address.authority(), address.path);
        Ok(Asked { url, address, has_login })
    }
}

/// The host in `host`, `host:port`, `[address]:port`.
fn host_of(text: &str) -> Option<String> {
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let host = Address::parse(&format!("http://{text}/"))?.host;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    let host = host.trim_end_matches('.');
    (!host.is_empty() && host.bytes().all(plain)).then(|| host.to_owned())
}

/// What a request wants to make of its connection, if that is something the gateway cannot look into. What only offers a
/// newer HTTP is answered in the old one.
pub(super) fn other_protocol(parts: &Parts) -> Option<String> {
    if parts.method == Method::CONNECT && parts.version >= Version::HTTP_2 {
        return Some("a tunnel through HTTP/2".to_owned());
    }
    let upgrade = parts.headers.get(UPGRADE)?.to_str().unwrap_or_default().to_ascii_lowercase();
    upgrade.contains("websocket").then_some("WebSocket".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[track_caller]
    fn check(target: &str, host: Option<&str>, secure: bool, port: u16, expected: &str) {
        let names = Names::new();
        names.address("a.example.org");
        let destination = Destination::of(format!("198.18.0.2:{port}").parse().unwrap(), &names);
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = match Asked::of(&destination, secure, &names, &parts) {
            Ok(asked) => asked.url,
            Err(unclear) => unclear.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_url_comes_of_connection_and_request() {
        check("/x?y=1", Some("a.example.org"), true, 443, "https://a.example.org/x?y=1");
        check("/x", Some("A.Example.org."), false, 80, "http://a.example.org/x");
        check("/x", Some("a.example.org:8080"), false, 8080, "http://a.example.org:8080/x");
        check("/x", Some("a.example.org"), false, 8080, "http://a.example.org:8080/x");
        check("/x", Some("other.example.org"), true, 443, "https://other.example.org/x");
        check("/x", None, false, 80, "http://a.example.org/x");
        check("/x", Some("198.18.0.2"), false, 80, "http://a.example.org/x");
        check("/x", Some("[2001:db8::1]:81"), false, 81, "http://[2001:db8::1]:81/x");
        check("http://b.example.org/x", Some("c"), false, 3128, "http://b.example.org/x");
        check("http://u:p@b.example.org:81/x", None, false, 3128, "http://b.example.org:81/x");
        check("/x", Some("a b"), false, 80, "the host is none");
        check("ftp://b.example.org/x", None, false, 80, "the URL is none of http or https");
        check("*", Some("a.example.org"), false, 80, "http://a.example.org/");
    }

    #[test]
    fn places_are_read() {
        let read = |text| Destination::parse(text).map(|to| to.authority());
        assert_eq!(read("example.org:8443").as_deref(), Some("example.org:8443"));
        assert_eq!(read("[::1]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(read("example.org").as_deref(), Some("example.org:443"));
        assert_eq!(read(""), None);
    }
}
