//! A gateway, and clients of one step.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use oci::layer::OverlayForm;
use oci::record::Intake;
use oci::store::Store;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::Runtime;
use crate::gateway::authority::Authority;
use crate::gateway::gate::Open;
use crate::gateway::options::{GatewayOptions, Limits, Mode};
use crate::gateway::step::{Sockets, StepGateway};
use crate::gateway::{Gateway, Served};

/// What clients connect to and where they meant to go, by the client's address.
type Meant = Arc<Mutex<HashMap<SocketAddr, SocketAddr>>>;

/// A store, a gateway and one step.
pub struct World {
    _directory: tempfile::TempDir,
    pub store: Arc<Store>,
    pub runtime: Runtime,
    pub step: StepGateway,
    pub lines: Arc<Mutex<Vec<String>>>,
    meant: Meant,
    address: SocketAddr,
    /// What upstreams of TLS show.
    pub authority: Arc<Authority>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status line.
    pub line: String,
    pub headers: String,
    pub body: Vec<u8>,
    /// Its end was where it said.
    pub whole: bool,
}

impl World {
    pub fn new() -> World {
        World::with(|_| ())
    }

    /// A world whose options somebody changed.
    pub fn with(change: impl FnOnce(&mut GatewayOptions)) -> World {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path(), OverlayForm::User).unwrap());
        World::over(directory, store, change)
    }

    fn over(
        directory: tempfile::TempDir,
        store: Arc<Store>,
        change: impl FnOnce(&mut GatewayOptions),
    ) -> World {
        let runtime = runtime();
        let authority = Arc::new(Authority::new().unwrap());
        let mut options = GatewayOptions {
            runtime: runtime.clone(),
            store: store.clone(),
            authorities: crate::tls::certificates(authority.pem(), "test").unwrap(),
            proxy: None,
            mirrors: Vec::new(),
            internal: vec!["*.example.org".parse().unwrap()],
            passthrough: Vec::new(),
            credentials: Vec::new(),
            gate: Arc::new(Open),
            mode: Mode::Online,
            no_stale: false,
            clock: Arc::new(|| 1_795_000_000),
            resolver: Arc::new(|_| Ok(vec![Ipv4Addr::LOCALHOST.into()])),
            limits: Limits {
                answer: Duration::from_secs(5),
                silence: Duration::from_millis(300),
                connect: Duration::from_secs(5),
                ..Limits::default()
            },
        };
        change(&mut options);
        let gateway = Gateway::new(options).unwrap();
        let (meant, lines) = (Meant::default(), Arc::new(Mutex::new(Vec::new())));
        let (step, address) = step(&gateway, &meant, &lines);
        World { _directory: directory, store, runtime, step, lines, meant, address, authority }
    }

    /// A step that does nothing.
    pub fn one_step(&self) -> Served {
        let gateway = Gateway(self.step.step().shared.clone());
        step(&gateway, &self.meant, &self.lines).0.finish()
    }

    /// The same world under other options: what was kept stays.
    pub fn again(self, change: impl FnOnce(&mut GatewayOptions)) -> World {
        let World { _directory, store, authority, .. } = self;
        let authorities = crate::tls::certificates(authority.pem(), "test").unwrap();
        let mut world = World::over(_directory, store, |options| {
            options.authorities = authorities;
            change(options);
        });
        world.authority = authority;
        world
    }

    /// The same, after steps that fetched this.
    pub fn after(mut self, intakes: Vec<Intake>) -> World {
        self.step = self.step.after(intakes);
        self
    }

    /// Ends the step; what it did.
    pub fn finish(self) -> Served {
        tokio::task::block_in_place(|| self.step.finish())
    }

    /// What was done so far, when nothing runs any more.
    pub fn settled(&self) -> Vec<Intake> {
        self.runtime.wait(self.step.step().ledger.quiet());
        self.store.commit_downloads().unwrap();
        self.step.step().ledger.close().intakes
    }

    /// Waits for the first line.
    pub async fn until_heard(&self) {
        while self.lines.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// A connection to the gateway itself.
    pub async fn connect_astray(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.address).await
    }

    /// A connection of the step to a name and port.
    pub async fn connect(&self, name: &str, port: u16) -> TcpStream {
        self.try_connect(name, port).await.unwrap()
    }

    /// The same, for one that may be refused at once.
    pub async fn try_connect(&self, name: &str, port: u16) -> io::Result<TcpStream> {
        let ip = match name.parse::<IpAddr>() {
            Ok(ip) => ip,
            Err(_) => self.step.step().names.address(name).unwrap().into(),
        };
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        self.meant.lock().unwrap().insert(own, SocketAddr::new(ip, port));
        socket.connect(self.address).await
    }

    /// The same, with TLS that trusts the step's authority alone.
    pub async fn connect_tls(
        &self,
        name: &str,
        port: u16,
        alpn: &[&str],
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let roots = crate::tls::certificates(self.step.authority(), "step").unwrap();
        let mut config = crate::tls::client(&roots, None, false).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = self.connect(name, port).await;
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from(name.to_owned()).unwrap(), stream)
            .await
    }

    /// A request as it stands, and its answer.
    pub async fn raw(&self, name: &str, port: u16, request: &str) -> Reply {
        let mut stream = self.connect(name, port).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_reply(&mut stream).await
    }

    pub async fn get(&self, name: &str, port: u16, path: &str) -> Reply {
        self.ask(name, port, "GET", path, "").await
    }

    /// A request with headers, each with its line end.
    pub async fn ask(&self, name: &str, port: u16, method: &str, path: &str, headers: &str) -> Reply {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{headers}\r\n");
        self.raw(name, port, &request).await
    }

    /// The only request that was recorded.
    pub fn only(self) -> Intake {
        let served = self.finish();
        assert_eq!(served.intakes.len(), 1, "{served:?}");
        served.intakes.into_iter().next().unwrap()
    }
}

/// One for all tests: upstreams outlive worlds.
pub fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::start().unwrap()).clone()
}

fn step(gateway: &Gateway, meant: &Meant, lines: &Arc<Mutex<Vec<String>>>) -> (StepGateway, SocketAddr) {
    let (heard, meant) = (lines.clone(), meant.clone());
    let mut step = StepGateway::new(
        gateway.0.clone(),
        Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned())),
        Arc::new(move |stream| {
            let found = meant.lock().unwrap().get(&stream.peer_addr()?).copied();
            found.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
        }),
    )
    .unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    step.serve(Sockets {
        tcp4: tcp.into(),
        tcp6: None,
        dns_udp: OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()),
        dns_tcp: std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
    })
    .unwrap();
    (step, address)
}

/// Reads an answer until its end, or until the connection's.
pub async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) -> Reply {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(all.len());
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let headers = headers.to_ascii_lowercase();
    let rest = all.get(end + 4..).unwrap_or_default();
    let header = |name: &str| {
        headers.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    };
    let (body, whole) = if header("transfer-encoding").as_deref() == Some("chunked") {
        unchunk(rest)
    } else {
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        (rest.to_vec(), length.is_none_or(|length| length == rest.len()))
    };
    Reply { line: line.to_owned(), headers, body, whole }
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { return (body, false) };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(piece) = rest.get(end + 2..end + 2 + size) else { return (body, false) };
        body.extend(piece);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Runs a test's exchanges in its world. The world is for threads that may wait, so the test is given a copy of none.
pub fn run<T>(world: World, test: impl AsyncFnOnce(World) -> T) -> T {
    let runtime = world.runtime.clone();
    runtime.wait(test(world))
}

/// Sends a request and reads whatever comes first, as far as it comes at once.
pub async fn converse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0).min(1000) {
                return text;
            }
        }
        if stream.read_buf(&mut all).await.unwrap() == 0 {
            return String::from_utf8_lossy(&all).into_owned();
        }
    }
}

/// Whether the other end breaks a connection off.
pub async fn is_reset(stream: io::Result<TcpStream>) -> bool {
    match stream {
        Ok(mut stream) => stream.read(&mut [0; 1]).await.is_err(),
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// TLS that trusts these.
pub async fn secure(
    stream: TcpStream,
    name: &str,
    roots: Vec<CertificateDer<'static>>,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let config = crate::tls::client(&roots, None, false).unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// For upstreams of other shapes.
pub fn roots(world: &World) -> Vec<CertificateDer<'static>> {
    crate::tls::certificates(world.authority.pem(), "test").unwrap()
}
