//! Proxies: which one a URL takes, and how it is spoken to.
//!
//! An `https` URL takes a tunnel (CONNECT), which the HTTP library knows. A plain `http` URL is asked for by its absolute
//! form (RFC 9112, section 3.2.2), because many proxies refuse tunnels to port 80; the library does not know that, so
//! the request line is rewritten on its way out. That uses interfaces of the library that may change between its minor
//! versions, and nothing else here does.

use super::resolve::Remembering;
use super::url::{Url, basic};
use crate::environment::Environment;
use std::fmt;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, Either, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Proxy};

/// The proxies that the environment names.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Server>,
    https: Option<Server>,
    exceptions: Vec<String>,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As the variable has it, with a scheme.
    text: String,
    login: Option<String>,
}

/// The way a URL takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// No proxy.
    Direct,
    /// By absolute form.
    Http(&'a Server),
    /// Through a tunnel.
    Connect(&'a Server),
}

impl Proxies {
    /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, as curl reads them.
    pub fn of(environment: &Environment) -> Self {
        let server =
            |name| environment.proxy(name).or_else(|| environment.proxy("ALL_PROXY")).and_then(Server::parse);
        let exceptions = environment.proxy("NO_PROXY").unwrap_or_default();
        let exceptions = exceptions.split([',', ' ']).map(|one| one.trim().to_ascii_lowercase());
        Self {
            http: server("HTTP_PROXY"),
            https: server("HTTPS_PROXY"),
            exceptions: exceptions.filter(|one| !one.is_empty()).collect(),
        }
    }

    /// The way that a URL takes.
    pub fn route(&self, url: &Url) -> Route<'_> {
        if self.is_exception(&url.host().to_ascii_lowercase(), url.port()) {
            return Route::Direct;
        }
        match (url.is_secure(), &self.http, &self.https) {
            (true, _, Some(server)) => Route::Connect(server),
            (false, Some(server), _) if server.is_socks() => Route::Connect(server),
            (false, Some(server), _) => Route::Http(server),
            _ => Route::Direct,
        }
    }

    fn is_exception(&self, host: &str, port: u16) -> bool {
        self.exceptions.iter().any(|exception| {
            let (name, only) = match exception.rsplit_once(':') {
                // An IPv6 address has more colons than one.
                Some((name, only)) if !name.contains(':') => (name, only.parse::<u16>().ok()),
                _ => (exception.as_str(), None),
            };
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let name = name.trim_start_matches('*').trim_start_matches('.');
            let below = |name| {
                host.strip_suffix(name).is_some_and(|rest: &str| rest.is_empty() || rest.ends_with('.'))
            };
            (exception == "*" || (!name.is_empty() && below(name)) || in_network(host, name))
                && only.is_none_or(|only| only == port)
        })
    }
}

/// `10.1.2.3` in `10.0.0.0/8`.
fn in_network(host: &str, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else { return false };
    let bits = |text: &str| {
        let address: std::net::IpAddr = text.parse().ok()?;
        Some(match address {
            std::net::IpAddr::V4(four) => (u128::from(u32::from(four)) << 96, 32),
            std::net::IpAddr::V6(six) => (u128::from(six), 128),
        })
    };
    match (bits(host), bits(base), length.parse::<u32>()) {
        (Some((host, kind)), Some((base, same)), Ok(length)) if kind == same && length <= kind => {
            length == 0 || (host ^ base) >> (128 - length) == 0
        }
        _ => false,
    }
}

impl Server {
    fn parse(text: &str) -> Option<Self> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let (_, rest) = text.split_once("://")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let login = authority.rsplit_once('@').map(|(login, _)| basic(login));
        (!authority.is_empty()).then_some(Self { text, login })
    }

    /// The value of its `Proxy-Authorization` header.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Its URL with its login, if it is spoken to by HTTP.
    pub fn http_url(&self) -> Option<&str> {
        let http = self.text.starts_with("http://") || self.text.starts_with("https://");
        http.then_some(&self.text)
    }

    fn is_socks(&self) -> bool {
        self.text.starts_with("socks")
    }

    /// Its address, without login and with its port, as something to resolve.
    fn address(&self) -> Option<Uri> {
        let (scheme, rest) = self.text.split_once("://")?;
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        format!("{scheme}://{host}/").parse().ok()
    }
}

/// An agent that connects to hosts themselves.
pub fn direct(config: ConfigBuilder<AgentScope>) -> Agent {
    Agent::with_parts(config.build(), DefaultConnector::default(), Remembering::default())
}

/// An agent that goes through tunnels. A proxy of a kind that is not known leaves no way: the connection then fails,
/// rather than going past the proxy.
pub fn by_connect(config: ConfigBuilder<AgentScope>, server: &Server) -> Agent {
    match Proxy::new(&server.text) {
        Ok(proxy) => {
            let config = config.proxy(Some(proxy)).build();
            Agent::with_parts(config, DefaultConnector::default(), Remembering::default())
        }
        Err(_) => Agent::with_parts(config.build(), DefaultConnector::default(), Nowhere),
    }
}

/// An agent that asks a proxy by absolute form.
pub fn by_http(config: ConfigBuilder<AgentScope>, server: &Server) -> Agent {
    let config = config.build();
    match server.address() {
        Some(address) if address.scheme_str() == Some("http") => {
            let connector = ().chain(TcpConnector::default()).chain(AbsoluteForm);
            Agent::with_parts(config, connector, Towards { address, resolver: Remembering::default() })
        }
        _ => Agent::with_parts(config, DefaultConnector::default(), Nowhere),
    }
}

/// Resolves every name to the proxy.
#[derive(Debug)]
struct Towards {
    address: Uri,
    resolver: Remembering,
}

impl Resolver for Towards {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.resolver.resolve(&self.address, config, timeout)
    }
}

/// Resolves nothing.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Err(ureq::Error::InvalidProxyUrl)
    }
}

#[derive(Debug)]
struct AbsoluteForm;

impl<In: Transport> Connector<In> for AbsoluteForm {
    type Out = Either<Rewriting<In>, In>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let authority = details.uri.authority().map(|authority| format!("http://{authority}"));
        Ok(chained.map(|inner| match authority {
            Some(prefix) => Either::A(Rewriting { inner, prefix: prefix.into_bytes() }),
            None => Either::B(inner),
        }))
    }
}

/// Puts scheme and host in front of the path of every request line. Requests have no body and are written in one go.
struct Rewriting<In> {
    inner: In,
    prefix: Vec<u8>,
}

impl<In> fmt::Debug for Rewriting<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewriting").finish_non_exhaustive()
    }
}

impl<In: Transport> Transport for Rewriting<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        const METHOD: &[u8] = b"GET ";
        let added = self.prefix.len();
        let buffer = self.inner.buffers().output();
        let begins = buffer[..amount].starts_with(METHOD) && buffer.get(METHOD.len()) == Some(&b'/');
        if !begins {
            return self.inner.transmit_output(amount, timeout);
        }
        if buffer.len() < amount + added {
            return Err(ureq::Error::BadUri("the URL is too long for a proxy".to_owned()));
        }
        buffer.copy_within(METHOD.len()..amount, METHOD.len() + added);
        buffer[METHOD.len()..METHOD.len() + added].copy_from_slice(&self.prefix);
        self.inner.transmit_output(amount + added, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(variables: &[(&str, &str)], url: &str) -> String {
        let proxies = Proxies::of(&Environment::of(variables, true));
        match proxies.route(&Url::parse(url).unwrap()) {
            Route::Direct => "direct".to_owned(),
            Route::Http(server) => format!("http {}", server.text),
            Route::Connect(server) => format!("connect {}", server.text),
        }
    }

    #[test]
    fn routes_are_chosen_by_scheme() {
        let both = [("http_proxy", "p:3128"), ("HTTPS_PROXY", "http://q:1")];
        assert_eq!(route(&both, "http://h/"), "http http://p:3128");
        assert_eq!(route(&both, "https://h/"), "connect http://q:1");
        assert_eq!(route(&[("ALL_PROXY", "socks5://s:1")], "http://h/"), "connect socks5://s:1");
        assert_eq!(route(&[("http_proxy", "")], "http://h/"), "direct");
        assert_eq!(route(&both[..1], "https://h/"), "direct");
    }

    #[test]
    fn exceptions_go_past_the_proxy() {
        let with = |exceptions: &str, url: &str| route(&[("http_proxy", "p"), ("no_proxy", exceptions)], url);
        for (exceptions, url) in [
            ("example.org", "http://example.org/"),
            ("example.org", "http://a.example.org/"),
            (".example.org", "http://A.Example.org/"),
            ("*.example.org,x", "http://a.example.org/"),
            ("x, 127.0.0.1", "http://127.0.0.1:8080/"),
            ("example.org:81", "http://example.org:81/"),
            ("10.0.0.0/8", "http://10.9.8.7/"),
            ("::1", "http://[::1]/"),
            ("*", "http://h/"),
        ] {
            assert_eq!(with(exceptions, url), "direct", "{exceptions} {url}");
        }
        for (exceptions, url) in [
            ("example.org", "http://badexample.org/"),
            ("example.org:81", "http://example.org/"),
            ("10.0.0.0/8", "http://11.0.0.1/"),
            ("10.0.0.0/8", "http://h/"),
            (",", "http://h/"),
        ] {
            assert_eq!(with(exceptions, url), "http http://p", "{exceptions} {url}");
        }
    }
}
