//! What a connection begins with: the first bytes say which protocol it speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// How long a client may be silent at first. One of HTTP or TLS speaks at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes that are looked at: a greeting of TLS with all its extensions, a request line with the longest URL.
const LIMIT: usize = 64 << 10;

/// Bytes of a stranger's greeting that are shown.
const SHOWN: usize = 40;

/// Ports on which the server speaks first, so that waiting for the client is waiting for nothing: ftp, ssh, smtp, pop3,
/// imap, submission, mysql.
const SERVER_SPEAKS_FIRST: [u16; 7] = [21, 22, 25, 110, 143, 587, 3306];

/// What a client speaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP without TLS, of whatever version.
    Http,
    /// TLS, and the name that the client greeted.
    Tls { name: Option<String> },
    /// Nothing that the gateway understands, in words.
    Other(String),
    /// The client went away before it had said anything.
    Nothing,
}

/// What a few first bytes may be.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    More,
    Http,
    Tls,
    Other,
}

/// Reads until it is clear what the client speaks, and gives the stream back as if nothing had been read.
pub(super) async fn sniff<S: AsyncRead + Unpin>(mut stream: S, port: u16) -> (Protocol, Prefixed<S>) {
    let mut read = Vec::with_capacity(1024);
    let protocol = if SERVER_SPEAKS_FIRST.contains(&port) {
        Protocol::Other(format!("port {port} is none of HTTP"))
    } else {
        match timeout(PATIENCE, listen(&mut stream, &mut read)).await {
            Ok(Ok(protocol)) => protocol,
            Ok(Err(_)) if read.is_empty() => Protocol::Nothing,
            Ok(Err(_)) => Protocol::Other(describe(&read)),
            Err(_) if read.is_empty() => {
                Protocol::Other("the client waits for the server to speak".to_owned())
            }
            Err(_) => Protocol::Other(describe(&read)),
        }
    };
    (protocol, Prefixed { prefix: read, given: 0, stream })
}

async fn listen<S: AsyncRead + Unpin>(stream: &mut S, read: &mut Vec<u8>) -> io::Result<Protocol> {
    loop {
        match look(read) {
            Look::Http => return Ok(Protocol::Http),
            Look::Other => return Ok(Protocol::Other(describe(read))),
            Look::Tls => match greeting(read) {
                Some(Ok(name)) => return Ok(Protocol::Tls { name }),
                Some(Err(why)) => return Ok(Protocol::Other(why)),
                None => {}
            },
            Look::More => {}
        }
        if read.len() >= LIMIT {
            return Ok(Protocol::Other(describe(read)));
        }
        if stream.take((LIMIT - read.len()) as u64).read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A request line ends in the protocol's name; that alone tells it from all the others that begin with a word.
fn look(bytes: &[u8]) -> Look {
    const HANDSHAKE: [u8; 2] = [22, 3];
    if bytes.len() < 2 {
        return Look::More;
    }
    if bytes[..2] == HANDSHAKE {
        return Look::Tls;
    }
    let line = bytes.iter().position(|byte| *byte == b'\n').map(|end| bytes[..end].trim_ascii_end());
    let method = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    let is_method =
        bytes[..method].iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-') && method > 0;
    match line {
        _ if !is_method || method > 32 => Look::Other,
        None => Look::More,
        Some(line) if line.len() > method => {
            let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            if version.starts_with(b"HTTP/") { Look::Http } else { Look::Other }
        }
        Some(_) => Look::Other,
    }
}

/// The name in a client's greeting; nothing as long as it is not whole.
fn greeting(bytes: &[u8]) -> Option<Result<Option<String>, String>> {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        if acceptor.read_tls(&mut rest).is_err() {
            return Some(Err("a greeting of TLS that is none".to_owned()));
        }
    }
    match acceptor.accept() {
        Ok(None) => None,
        Ok(Some(accepted)) => Some(Ok(accepted.client_hello().server_name().map(str::to_ascii_lowercase))),
        Err((error, _)) => Some(Err(format!("a greeting of TLS that cannot be answered: {error}"))),
    }
}

/// Bytes for people.
fn describe(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let shown = &line[..line.len().min(SHOWN)];
    if !shown.is_empty() && shown.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        format!("it begins with `{}`", String::from_utf8_lossy(shown))
    } else {
        "it is neither HTTP nor TLS".to_owned()
    }
}

/// A stream with some bytes in front of it.
pub(super) struct Prefixed<S> {
    prefix: Vec<u8>,
    given: usize,
    stream: S,
}

impl<S> Prefixed<S> {
    /// The stream behind.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given == this.prefix.len() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let rest = &this.prefix[this.given..];
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        this.given += count;
        if this.given == this.prefix.len() {
            (this.prefix, this.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Any bytes are something.
pub(super) fn fuzz(data: &[u8]) {
    if look(data) == Look::Tls {
        greeting(data);
    }
    describe(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Look) {
        assert_eq!(look(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn the_first_bytes_tell() {
        check(b"", Look::More);
        check(b"G", Look::More);
        check(b"GET /a/very/long", Look::More);
        check(b"GET / HTTP/1.1\r\n", Look::Http);
        check(b"GET / HTTP/1.0\n", Look::Http);
        check(b"CONNECT example.org:443 HTTP/1.1\r\nHost:", Look::Http);
        check(b"VERSION-CONTROL /x HTTP/1.1\r\n", Look::Http);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Look::Http);
        check(b"\x16\x03\x01\x02", Look::Tls);
        check(b"SSH-2.0-OpenSSH_9.2\r\n", Look::Other);
        check(b"EHLO example.org\r\n", Look::Other);
        check(b"NICK somebody\r\n", Look::Other);
        check(b"QUIT\r\n", Look::Other);
        check(b"\x00\x00", Look::Other);
        check(b" GET / HTTP/1.1\r\n", Look::Other);
        check(&[b'A'; 40], Look::Other);
        assert_eq!(describe(b"SSH-2.0-x\r\n"), "it begins with `SSH-2.0-x`");
        assert_eq!(describe(b"\x80\x00"), "it is neither HTTP nor TLS");
    }

    #[test]
    fn nothing_is_lost_by_looking() {
        let runtime = crate::Runtime::start().unwrap();
        runtime.wait(async {
            let (protocol, mut stream) = sniff(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 80).await;
            assert_eq!(protocol, Protocol::Http);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let (protocol, _) = sniff(&b"GET"[..], 80).await;
            assert_eq!(protocol, Protocol::Other("it begins with `GET`".to_owned()));
            let (protocol, _) = sniff(&b""[..], 80).await;
            assert_eq!(protocol, Protocol::Nothing);
            let (protocol, _) = sniff(&b"GET / HTTP/1.1\r\n"[..], 22).await;
            assert!(matches!(protocol, Protocol::Other(_)));
        });
    }
}
