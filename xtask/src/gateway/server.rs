//! An https server on this machine whose authority nobody knows: files of a directory, and git's own backend.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Below this path, `git http-backend` answers.
const GIT: &str = "/git/";

/// No test sends more.
const LARGEST_BODY: u64 = 64 << 20;

/// The server; its connections end with the process.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate of its authority, PEM.
    pub ca: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves what is below `root` at a port of its own of this address.
    pub fn start(address: IpAddr, root: &Path) -> io::Result<Server> {
        let (config, ca) = identity(address).map_err(io::Error::other)?;
        let listener = TcpListener::bind((address, 0))?;
        let server = Server { address: listener.local_addr()?, ca, requests: Arc::default() };
        let (root, requests) = (root.to_owned(), server.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, root, requests) = (config.clone(), root.clone(), requests.clone());
                // A client that goes away is its own business.
                std::thread::spawn(move || drop(serve(config, stream, &root, &requests)));
            }
        });
        Ok(server)
    }

    /// `https://ADDRESS:PORT/PATH`
    pub fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.address)
    }

    /// The requests since this was asked last: `GET /file`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An authority, and a certificate of the address by it.
fn identity(address: IpAddr) -> Result<(Arc<ServerConfig>, String), Failure> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "An authority that nobody knows");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let ca = authority.self_signed(&key)?.pem();
    let leaf_key = KeyPair::generate()?;
    let leaf =
        CertificateParams::new([address.to_string()])?.signed_by(&leaf_key, &Issuer::new(authority, key))?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)?;
    Ok((Arc::new(config), ca))
}

/// What is asked.
struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// One request and its answer; then the connection is closed.
fn serve(
    config: Arc<ServerConfig>,
    stream: TcpStream,
    root: &Path,
    requests: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let request = read(&mut stream)?;
    let line = format!("{} {}", request.method, request.path);
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let answer = if request.path.starts_with(GIT) { git(root, &request)? } else { file(root, &request)? };
    let output = stream.get_mut();
    output.write_all(&answer)?;
    output.conn.send_close_notify();
    output.flush()
}

fn read(input: &mut impl BufRead) -> io::Result<Request> {
    let mut head = Vec::new();
    loop {
        let line = line(input)?;
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let pairs = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    let headers = pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut request = Request { method, path, query, headers, body: Vec::new() };
    if let Some(length) = request.header("content-length").and_then(|text| text.parse::<u64>().ok()) {
        input.take(length.min(LARGEST_BODY)).read_to_end(&mut request.body)?;
    } else if request.header("transfer-encoding").is_some() {
        loop {
            let size = u64::from_str_radix(&line(input)?, 16).map_err(io::Error::other)?;
            input.by_ref().take(size.min(LARGEST_BODY)).read_to_end(&mut request.body)?;
            line(input)?;
            if size == 0 {
                break;
            }
        }
    }
    Ok(request)
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn file(root: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let path = root.join(request.path.trim_start_matches('/'));
    if request.path.contains("..") || !path.is_file() {
        return Ok(answer("404 Not Found", "", b"there is no such file\n"));
    }
    let body = fs::read(path)?;
    let mut whole = answer("200 OK", "Content-Type: application/octet-stream\r\n", &body);
    if request.method == "HEAD" {
        whole.truncate(whole.len() - body.len());
    }
    Ok(whole)
}

/// A CGI program, as git describes it.
fn git(root: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let mut backend = Command::new("git");
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", &request.path)
        .env("REQUEST_METHOD", &request.method)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or_default());
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&request.body)?;
    }
    let output = child.wait_with_output()?.stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").map_or(output.len(), |at| at + 4);
    let (head, body) = output.split_at(end);
    let head = String::from_utf8_lossy(head);
    let (mut status, mut headers) = ("200 OK".to_owned(), String::new());
    for line in head.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("Status: ") {
            Some(other) => status = other.to_owned(),
            None => headers += &format!("{line}\r\n"),
        }
    }
    Ok(answer(&status, &headers, body))
}

/// An address of this machine that is not loopback, if it has one.
pub fn own_address() -> Option<IpAddr> {
    // Nothing is sent: the system says from where it would be.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// A bare repository `git/NAME.git` below `root` with one commit; the commit's id.
pub fn repository(root: &Path, name: &str) -> io::Result<String> {
    let work = tempfile::tempdir()?;
    fs::write(work.path().join("file"), "kept in git\n")?;
    let to: PathBuf = root.join(format!("git/{name}.git"));
    let git = |words: &[&str]| run_git(work.path(), words);
    git(&["init", "--quiet"])?;
    git(&["add", "file"])?;
    git(&["commit", "--quiet", "--message", "one"])?;
    git(&["clone", "--quiet", "--bare", ".", &to.to_string_lossy()])?;
    Ok(git(&["rev-parse", "HEAD"])?.stdout.trim().to_owned())
}

/// One more commit on the branch of such a repository.
pub fn commit(root: &Path, name: &str) -> io::Result<()> {
    let bare = root.join(format!("git/{name}.git"));
    let words = ["commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "two"];
    let commit = run_git(&bare, &words)?.stdout.trim().to_owned();
    run_git(&bare, &["update-ref", "HEAD", &commit]).map(drop)
}

fn run_git(directory: &Path, words: &[&str]) -> io::Result<crate::command::Outcome> {
    let mut git = Command::new("git");
    let who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
    git.arg("-C").arg(directory).args(who).args(words);
    crate::command::must(&mut git, std::time::Duration::from_secs(60))
}
