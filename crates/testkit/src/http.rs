//! A tiny HTTP/1.1 server on loopback that serves a directory and can be told to misbehave.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status and a short body instead of the file.
    Status(u16),
    /// The connection is closed after so many bytes of the body.
    CutAfter(usize),
    /// The body's bytes are not those of the file, but as many.
    Tampered,
    /// The connection is closed before anything is said.
    Silent,
    /// Sent to another address on the same server.
    Redirect(&'static str),
    /// A body without end (until the client leaves).
    Endless,
    /// Nothing is said for this long, then the connection is closed.
    Stall(Duration),
}

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// Per path: the faults of the next answers, one each; `None` is an honest answer.
    faults: Mutex<BTreeMap<String, Vec<Option<Fault>>>>,
    requests: Mutex<Vec<String>>,
    ends: AtomicBool,
}

impl Server {
    /// Serves the files below a directory on a free port.
    pub fn start(root: impl Into<PathBuf>) -> io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            root: root.into(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if for_acceptor.ends.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&for_acceptor);
                // A client that goes away is its own business.
                thread::spawn(move || stream.and_then(|stream| answer(&shared, &stream)).ok());
            }
        });
        Ok(Server { address, shared, acceptor: Some(acceptor) })
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a file.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Makes the next answers for a path (without a leading slash) go wrong, one entry per answer.
    pub fn misbehave(&self, path: &str, faults: impl IntoIterator<Item = Option<Fault>>) {
        let mut all = self.shared.faults.lock().unwrap_or_else(|poison| poison.into_inner());
        all.entry(path.to_owned()).or_default().extend(faults);
    }

    /// The request lines seen so far, such as `GET /file`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap_or_else(|poison| poison.into_inner()).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        // A last connection wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn answer(shared: &Shared, stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for header in lines {
        if header?.is_empty() {
            break;
        }
    }
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    shared.requests.lock().unwrap_or_else(|poison| poison.into_inner()).push(format!("{method} {target}"));
    let fault = {
        let mut faults = shared.faults.lock().unwrap_or_else(|poison| poison.into_inner());
        faults.get_mut(path).filter(|next| !next.is_empty()).and_then(|next| next.remove(0))
    };
    let inside = path.split('/').all(|part| part != "..");
    let file = if inside { std::fs::read(shared.root.join(path)).ok() } else { None };
    let (status, mut body) = match (fault, file) {
        (Some(Fault::Status(status)), _) => (status, b"told to fail\n".to_vec()),
        (Some(Fault::Redirect(_)), _) => (302, Vec::new()),
        (_, Some(file)) => (200, file),
        (_, None) => (404, b"not found\n".to_vec()),
    };
    let mut head = format!("HTTP/1.1 {status} Answer\r\nConnection: close\r\n");
    match fault {
        Some(Fault::Silent) => return Ok(()),
        Some(Fault::Stall(time)) => {
            thread::sleep(time);
            return Ok(());
        }
        Some(Fault::Redirect(to)) => head.push_str(&format!("Location: /{to}\r\n")),
        Some(Fault::Tampered) => body.iter_mut().for_each(|byte| *byte = !*byte),
        _ => {}
    }
    if fault != Some(Fault::Endless) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut stream = stream;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    match fault {
        _ if method == "HEAD" => {}
        Some(Fault::CutAfter(count)) => stream.write_all(&body[..count.min(body.len())])?,
        Some(Fault::Endless) => loop {
            stream.write_all(&[0; 4096])?;
        },
        _ => stream.write_all(&body)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn get(server: &Server, path: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_are_honest_unless_told_otherwise() {
        let directory = crate::fixture::directory("//- /file\nhello\n");
        let server = Server::start(directory.path()).unwrap();
        server.misbehave("file", [Some(Fault::CutAfter(2)), Some(Fault::Status(503)), None]);
        assert!(get(&server, "file").ends_with("\r\n\r\nhe"));
        assert!(get(&server, "file").starts_with("HTTP/1.1 503 "));
        assert!(get(&server, "file?x").ends_with("\r\n\r\nhello\n"));
        assert!(get(&server, "../file").starts_with("HTTP/1.1 404 "));
        assert_eq!(server.requests(), ["GET /file", "GET /file", "GET /file?x", "GET /../file"]);
    }
}
