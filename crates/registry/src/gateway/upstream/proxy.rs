//! Proxies on the way to an upstream: tunnels through HTTP proxies (RFC 9110, 9.3.6) and through SOCKS (RFC 1928).

use std::fmt;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use oci::url::decoded_text;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of the answer to CONNECT.
const ANSWER_LIMIT: usize = 16 << 10;

/// A proxy that the machine names.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    pub kind: Kind,
    pub host: String,
    pub port: u16,
    user: Option<(String, String)>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    /// HTTP, but through TLS.
    Https,
    Socks,
}

impl Proxy {
    /// Reads `http://user:password@host:port`; nothing if it is of a kind that is not known.
    pub(super) fn parse(text: &str) -> Option<Proxy> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, usual) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" | "socks5h" | "socks" => (Kind::Socks, 1080),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let user = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (decoded_text(user), decoded_text(password))
        });
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => (address, rest.strip_prefix(':')),
            None => match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = port.map_or(Ok(usual), str::parse).ok()?;
        (!host.is_empty()).then(|| Proxy { kind, host: host.to_owned(), port, user })
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let (user, password) = self.user.as_ref()?;
        Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }

    /// Has the proxy connect to a host.
    pub(super) async fn tunnel<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.kind {
            Kind::Http | Kind::Https => self.connect(stream, host, port).await,
            Kind::Socks => self.socks(stream, host, port).await,
        }
    }

    async fn connect<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
        if let Some(authorization) = self.authorization() {
            request += &format!("Proxy-Authorization: {authorization}\r\n");
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the head belongs to the upstream.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= ANSWER_LIMIT {
                return Err(io::Error::other("its answer is too long"));
            }
            answer.push(stream.read_u8().await?);
        }
        let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let status = line.split(' ').nth(1).unwrap_or_default();
        if status.starts_with('2') {
            return Ok(());
        }
        let shown = crate::Redacted::foreign(line.split_once(' ').map_or(&*line, |(_, rest)| rest));
        Err(io::Error::other(format!("it answers `{shown}`")))
    }

    async fn socks<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        const VERSION: u8 = 5;
        let refused = |what| Err(io::Error::other(what));
        let method = if self.user.is_some() { 2 } else { 0 };
        stream.write_all(&[VERSION, 1, method]).await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        if answer != [VERSION, method] {
            return refused("it wants another way to log in");
        }
        if let Some((user, password)) = &self.user {
            let mut login = vec![1];
            for text in [user, password] {
                login.push(u8::try_from(text.len()).map_err(io::Error::other)?);
                login.extend(text.as_bytes());
            }
            stream.write_all(&login).await?;
            stream.read_exact(&mut answer).await?;
            if answer[1] != 0 {
                return refused("it does not accept the login");
            }
        }
        // By name: the proxy may know names that this machine does not.
        let mut request = vec![VERSION, 1, 0, 3, u8::try_from(host.len()).map_err(io::Error::other)?];
        request.extend(host.as_bytes());
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        if head[1] != 0 {
            return refused("it cannot reach the host");
        }
        let rest = match head[3] {
            1 => 4,
            4 => 16,
            _ => usize::from(stream.read_u8().await?),
        };
        let mut bound = vec![0; rest + 2];
        stream.read_exact(&mut bound).await.map(|_| ())
    }
}

/// Without the password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_curl_reads_them() {
        let read =
            |text| Proxy::parse(text).map(|proxy| (proxy.kind, proxy.to_string(), proxy.authorization()));
        let http = |place: &str| Some((Kind::Http, place.to_owned(), None));
        assert_eq!(read("http://p.example.org:3128"), http("p.example.org:3128"));
        assert_eq!(read("p.example.org"), http("p.example.org:80"));
        assert_eq!(read("http://[::1]:3128/"), http("::1:3128"));
        assert_eq!(read("https://p"), Some((Kind::Https, "p:443".to_owned(), None)));
        assert_eq!(read("socks5h://p"), Some((Kind::Socks, "p:1080".to_owned(), None)));
        assert_eq!(read("http://u:p%40@h").unwrap().2.as_deref(), Some("Basic dTpwQA=="));
        assert_eq!(read("ftp://p"), None);
        assert_eq!(read("http://"), None);
        assert_eq!(read("http://p:x"), None);
    }
}
