//! Upstreams that say what a test wants, byte for byte.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::world::World;

/// An upstream that answers each request as a test says, byte for byte.
pub struct Upstream {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

/// The task that takes connections, and those of each.
type Tasks = Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>;

/// What an upstream does with a request.
pub enum Act {
    /// Sends this and goes on.
    Say(Vec<u8>),
    /// Sends this and closes.
    Close(Vec<u8>),
    /// Sends this, and then nothing for ever.
    Stall(Vec<u8>),
}

/// A plain answer.
pub fn say(head: &str, body: impl AsRef<[u8]>) -> Act {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{head}\r\n", body.len()).into_bytes();
    bytes.extend(body);
    Act::Say(bytes)
}

/// An answer as it stands.
pub fn bytes(text: &str) -> Act {
    Act::Say(text.as_bytes().to_vec())
}

impl Upstream {
    /// Over plain HTTP/1.1.
    pub async fn plain(handler: impl Fn(&str) -> Act + Send + Sync + 'static) -> Upstream {
        Upstream::start(None, handler).await
    }

    /// Through TLS that a world's options trust.
    pub async fn tls(
        world: &World,
        name: &str,
        handler: impl Fn(&str) -> Act + Send + Sync + 'static,
    ) -> Upstream {
        let mut config = rustls::ServerConfig::clone(&world.authority.config(name).unwrap());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Upstream::start(Some(TlsAcceptor::from(Arc::new(config))), handler).await
    }

    async fn start(
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&str) -> Act + Send + Sync + 'static,
    ) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, handler) = (Arc::new(Mutex::new(Vec::new())), Arc::new(handler));
        let (log, tasks) = (asked.clone(), Tasks::default());
        let connections = tasks.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, handler, tls) = (log.clone(), handler.clone(), tls.clone());
                let connection = tokio::spawn(async move {
                    match tls {
                        None => speak(stream, &log, handler.as_ref()).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                speak(stream, &log, handler.as_ref()).await;
                            }
                        }
                    }
                });
                connections.lock().unwrap().push(connection);
            }
        });
        tasks.lock().unwrap().push(task);
        Upstream { port, asked, tasks }
    }

    /// Heads of requests that came, in lower case.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.asked().len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.tasks.lock().unwrap().iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    log: &Mutex<Vec<String>>,
    handler: &(dyn Fn(&str) -> Act + Send + Sync),
) {
    let mut read = Vec::new();
    loop {
        while !read.windows(4).any(|four| four == b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut read).await, Ok(count) if count > 0) {
                return;
            }
        }
        let end = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while read.len() < end + length {
            if !matches!(stream.read_buf(&mut read).await, Ok(count) if count > 0) {
                return;
            }
        }
        read.drain(..end + length);
        log.lock().unwrap().push(lower);
        match handler(&head) {
            Act::Say(bytes) => drop(stream.write_all(&bytes).await),
            Act::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Act::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Counts calls.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}
