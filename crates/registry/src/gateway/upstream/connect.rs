//! Connections to upstreams. Names are resolved here, the address is judged, and that address is connected to: a name
//! that means something else a moment later deceives nobody.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::forbidden;
use super::proxy::{self, Proxy};
use super::resolve::Remembering;
use crate::client::ProxyChooser;
use crate::gateway::hosts::HostPattern;

/// Of several addresses, how long one is tried before the next.
const ONE_ADDRESS: Duration = Duration::from_secs(6);

/// Connects to upstreams; clones are the same one.
#[derive(Clone)]
pub(in crate::gateway) struct Connector(Arc<Inner>);

struct Inner {
    resolver: Remembering,
    /// Hosts that may be inside.
    internal: Vec<HostPattern>,
    proxy: Option<ProxyChooser>,
    tls: Arc<ClientConfig>,
    patience: Duration,
}

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum ConnectError {
    #[error("{}", inside(host, *address, why))]
    Forbidden { host: String, address: IpAddr, why: &'static str },
    #[error("the name `{host}` cannot be resolved")]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("`{host}` at {address} cannot be reached")]
    Tcp {
        host: String,
        address: IpAddr,
        #[source]
        source: io::Error,
    },
    #[error("`{host}` cannot be trusted, or does not speak TLS")]
    Tls {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("the proxy {proxy} does not lead there")]
    Proxy {
        proxy: String,
        #[source]
        source: io::Error,
    },
    #[error("`{host}` takes too long to answer a connection")]
    Slow { host: String },
    #[error("`{0}` names no host")]
    NoHost(String),
}

impl ConnectError {
    /// Whether another try may help.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, ConnectError::Forbidden { .. } | ConnectError::Tls { .. } | ConnectError::NoHost(_))
    }
}

fn inside(host: &str, address: IpAddr, why: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V4(_) | IpAddr::V6(_)) => format!("`{host}` is {why}"),
        Err(_) => format!("`{host}` is {address}, {why}"),
    }
}

impl Connector {
    pub(super) fn new(
        resolver: Remembering,
        internal: Vec<HostPattern>,
        proxy: Option<ProxyChooser>,
        mut tls: ClientConfig,
        patience: Duration,
    ) -> Connector {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Connector(Arc::new(Inner { resolver, internal, proxy, tls: Arc::new(tls), patience }))
    }

    /// Knows an address that the user gave, which may be anywhere.
    pub(super) fn know(&self, name: &str, address: IpAddr) {
        self.0.resolver.know(name, address);
    }

    /// The proxy for a URL. One of a kind that is not known leaves no way, rather than being gone past.
    pub(super) fn proxy(&self, secure: bool, host: &str, port: u16) -> Result<Option<Proxy>, ConnectError> {
        let scheme = if secure { "https" } else { "http" };
        let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let chosen = self.0.proxy.as_ref().and_then(|choose| choose(&format!("{scheme}://{shown}:{port}/")));
        let Some(text) = chosen.filter(|text| !text.is_empty()) else { return Ok(None) };
        match Proxy::parse(&text) {
            Some(proxy) => Ok(Some(proxy)),
            None => Err(ConnectError::Proxy {
                proxy: crate::Redacted::url(&text).to_string(),
                source: io::Error::other("its kind is not known"),
            }),
        }
    }

    /// A connection on which nothing was said yet, through a proxy's tunnel if there must be one.
    pub(in crate::gateway) async fn raw(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let connecting = async {
            match self.proxy(true, host, port)? {
                Some(proxy) => self.through(&proxy, host, port).await,
                None => Ok(Box::new(self.direct(host, port).await?) as Box<dyn Stream>),
            }
        };
        self.in_time(host, connecting).await
    }

    async fn http(&self, uri: Uri) -> Result<Wire, ConnectError> {
        let host = uri.host().ok_or_else(|| ConnectError::NoHost(uri.to_string()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let connecting = async {
            let proxy = self.proxy(secure, &host, port)?;
            if secure {
                let stream = match proxy {
                    Some(proxy) => self.through(&proxy, &host, port).await?,
                    None => Box::new(self.direct(&host, port).await?),
                };
                return self.secure(stream, &host).await;
            }
            let (stream, proxied): (Box<dyn Stream>, bool) = match proxy {
                Some(proxy) if proxy.kind == proxy::Kind::Socks => {
                    (self.through(&proxy, &host, port).await?, false)
                }
                // Plain requests are the proxy's to forward.
                Some(proxy) => {
                    self.judge_unresolved(&host, port)?;
                    (self.to_proxy(&proxy).await?, true)
                }
                None => (Box::new(self.direct(&host, port).await?), false),
            };
            Ok(Wire { stream: TokioIo::new(stream), h2: false, proxied })
        };
        self.in_time(&host, connecting).await
    }

    async fn in_time<T>(
        &self,
        host: &str,
        connecting: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let slow = |_| ConnectError::Slow { host: host.to_owned() };
        timeout(self.0.patience, connecting).await.map_err(slow)?
    }

    /// Connects to a host's address, if it may be that one.
    async fn direct(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let resolved = self.0.resolver.resolve(host).await;
        let resolved = resolved.map_err(|source| ConnectError::Resolve { host: host.to_owned(), source })?;
        for address in &resolved {
            // One of them is enough to refuse: a name that is partly inside is there to deceive.
            self.judge(host, *address, port)?;
        }
        self.any_of(host, &resolved, port).await
    }

    async fn any_of(&self, host: &str, addresses: &[IpAddr], port: u16) -> Result<TcpStream, ConnectError> {
        let mut failed = ConnectError::NoHost(host.to_owned());
        for address in addresses {
            let connecting = TcpStream::connect(SocketAddr::new(*address, port));
            let result = match timeout(ONE_ADDRESS, connecting).await {
                Ok(result) => result,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            match result {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(source) => {
                    failed = ConnectError::Tcp { host: host.to_owned(), address: *address, source };
                }
            }
        }
        Err(failed)
    }

    fn judge(&self, host: &str, address: IpAddr, port: u16) -> Result<(), ConnectError> {
        let named =
            |pattern: &HostPattern| pattern.matches(host, port) || pattern.matches_address(address, port);
        match forbidden(address) {
            Some(why) if !self.0.internal.iter().any(named) && !self.0.resolver.is_told(host, address) => {
                Err(ConnectError::Forbidden { host: host.to_owned(), address, why })
            }
            _ => Ok(()),
        }
    }

    /// Judges what can be judged of a host that a proxy resolves.
    fn judge_unresolved(&self, host: &str, port: u16) -> Result<(), ConnectError> {
        let address = if host == "localhost" || host.ends_with(".localhost") {
            Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
        } else {
            host.parse().ok()
        };
        address.map_or(Ok(()), |address| self.judge(host, address, port))
    }

    /// A connection to a proxy, which is the machine's choice and may be anywhere.
    async fn to_proxy(&self, proxy: &Proxy) -> Result<Box<dyn Stream>, ConnectError> {
        let resolved = self.0.resolver.resolve(&proxy.host).await;
        let resolved =
            resolved.map_err(|source| ConnectError::Resolve { host: proxy.host.clone(), source })?;
        let stream = self.any_of(&proxy.host, &resolved, proxy.port).await?;
        if proxy.kind != proxy::Kind::Https {
            return Ok(Box::new(stream));
        }
        let mut config = ClientConfig::clone(&self.0.tls);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Box::new(handshake(Arc::new(config), stream, &proxy.host).await?))
    }

    async fn through(&self, proxy: &Proxy, host: &str, port: u16) -> Result<Box<dyn Stream>, ConnectError> {
        self.judge_unresolved(host, port)?;
        let mut stream = self.to_proxy(proxy).await?;
        let failed = |source| ConnectError::Proxy { proxy: proxy.to_string(), source };
        proxy.tunnel(&mut stream, host, port).await.map_err(failed)?;
        Ok(stream)
    }

    async fn secure(&self, stream: Box<dyn Stream>, host: &str) -> Result<Wire, ConnectError> {
        let stream = handshake(self.0.tls.clone(), stream, host).await?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Wire { stream: TokioIo::new(Box::new(stream)), h2, proxied: false })
    }
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<ClientConfig>,
    stream: S,
    host: &str,
) -> Result<tokio_rustls::client::TlsStream<S>, ConnectError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::NoHost(host.to_owned()))?;
    let failed = |source| ConnectError::Tls { host: host.to_owned(), source };
    TlsConnector::from(config).connect(name, stream).await.map_err(failed)
}

/// Bytes both ways, wherever they go.
pub(in crate::gateway) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection as the HTTP library wants it.
pub(in crate::gateway) struct Wire {
    stream: TokioIo<Box<dyn Stream>>,
    h2: bool,
    proxied: bool,
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.proxied);
        if self.h2 { connected.negotiated_h2() } else { connected }
    }
}

impl hyper::rt::Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Wire;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.http(uri).await })
    }
}
