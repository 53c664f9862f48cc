//! A proxy in front of a registry that misbehaves on demand: what is on the way to a real one goes wrong here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with this header, in place of an answer.
    Status(u16, &'static str),
    /// The answer breaks off after so many bytes of its body.
    Cut(usize),
    /// A byte in the middle of the answer's body is another.
    Tamper,
    /// The connection ends without an answer.
    Silence,
}

/// The proxy; connections end with the process.
pub struct Meddler {
    /// `127.0.0.1:…`
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    registry: String,
    /// By method and a part of the path; how many times more.
    faults: Mutex<Vec<(&'static str, String, Fault, usize)>>,
    requests: Mutex<Vec<String>>,
}

impl Meddler {
    /// In front of `registry`, on a port of its own.
    pub fn start(registry: &str) -> io::Result<Meddler> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            registry: registry.to_owned(),
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        let for_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = for_thread.clone();
                // A client that goes away is its own business.
                std::thread::spawn(move || drop(relay(&shared, stream)));
            }
        });
        Ok(Meddler { address, shared })
    }

    /// `127.0.0.1:…/NAME`
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// The next `times` requests of this method with this in their paths go wrong.
    pub fn misbehave(&self, method: &'static str, path: &str, fault: Fault, times: usize) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push((method, path.to_owned(), fault, times));
    }

    /// All is well again.
    pub fn behave(&self) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The requests since this was asked last: `GET /v2/…`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request and its answer; then the connection is closed.
fn relay(shared: &Shared, client: TcpStream) -> io::Result<()> {
    let mut input = BufReader::new(client.try_clone()?);
    let (line, headers) = head(&mut input)?;
    let mut words = line.split(' ');
    let (method, target) =
        (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let asked = format!("{method} {target}");
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let fault = take_fault(shared, &method, &target);
    let mut body = vec![0; length(&headers)];
    input.read_exact(&mut body)?;
    let mut client = client;
    match fault {
        Some(Fault::Silence) => return Ok(()),
        Some(Fault::Status(status, header)) => {
            let end = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            return write!(
                client,
                "HTTP/1.1 {status} No\r\n{end}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        _ => {}
    }
    let mut server = TcpStream::connect(&shared.registry)?;
    write_head(&mut server, &line, &headers)?;
    server.write_all(&body)?;
    let mut answer = BufReader::new(server);
    let (status, headers) = head(&mut answer)?;
    write_head(&mut client, &status, &headers)?;
    let mut body = Vec::new();
    // To a HEAD, and with some statuses, there is no body whatever the length says.
    if method != "HEAD" {
        answer.read_to_end(&mut body)?;
    }
    match fault {
        Some(Fault::Cut(after)) => body.truncate(after),
        Some(Fault::Tamper) => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        _ => {}
    }
    client.write_all(&body)
}

fn take_fault(shared: &Shared, method: &str, target: &str) -> Option<Fault> {
    let mut faults = shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |(wanted, path, _, left): &&mut (&str, String, Fault, usize)| {
        *left > 0 && *wanted == method && target.contains(path.as_str())
    };
    let (_, _, fault, left) = faults.iter_mut().find(fits)?;
    *left -= 1;
    Some(fault.clone())
}

fn head(input: &mut impl BufRead) -> io::Result<(String, Vec<String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers = lines.split_off(1.min(lines.len()));
    Ok((lines.pop().unwrap_or_default(), headers))
}

/// The same, but for one exchange only.
fn write_head(out: &mut TcpStream, line: &str, headers: &[String]) -> io::Result<()> {
    let mut text = format!("{line}\r\n");
    for header in headers.iter().filter(|header| !header.to_ascii_lowercase().starts_with("connection:")) {
        text += &format!("{header}\r\n");
    }
    write!(out, "{text}Connection: close\r\n\r\n")
}

fn length(headers: &[String]) -> usize {
    let value = |header: &String| {
        let (name, value) = header.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    };
    headers.iter().find_map(value).unwrap_or(0)
}
