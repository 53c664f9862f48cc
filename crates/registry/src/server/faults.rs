//! A registry that misbehaves on demand: for tests of the client.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::access::{Authenticator, LiveAccess};
use super::answer::{Answer, empty};
use super::receive::RequestBody;
use super::registry::Registry;
use super::uploads::Uploads;
use super::{Access, Challenge, Limits, Memory, Storage};
use crate::Runtime;
use crate::body::Pieces;

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status in place of an answer, with these headers.
    Status(u16, Vec<(&'static str, &'static str)>),
    /// The answer breaks off after so many bytes of its body.
    CutAnswer(usize),
    /// The first byte of the answer's body is another.
    Tamper,
    /// The request's body breaks off after so many bytes, and there is no answer.
    CutRequest(usize),
    /// There is no answer.
    Silence,
    /// There never is an answer, and the connection stays.
    Stall,
    /// The answer lacks this header.
    Unsaid(&'static str),
}

/// A fault, and the requests for which it waits: by method and a part of the path.
type Waiting = (&'static str, String, Fault);

pub(crate) struct FaultyRegistry {
    pub address: SocketAddr,
    pub memory: Arc<Memory>,
    runtime: Runtime,
    access: Access,
    challenge: Challenge,
    shared: Arc<Shared>,
    acceptor: Mutex<AbortHandle>,
}

#[derive(Default)]
struct Shared {
    faults: Mutex<VecDeque<Waiting>>,
    requests: Mutex<Vec<String>>,
}

impl FaultyRegistry {
    pub(crate) fn start(runtime: &Runtime, access: Access, challenge: Challenge) -> Arc<FaultyRegistry> {
        let listener = runtime.wait(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, memory, shared) =
            (listener.local_addr().unwrap(), Arc::new(Memory::new()), Arc::default());
        let registry = registry(&memory, &access, &challenge, 0);
        let acceptor = runtime.handle().spawn(accept(listener, registry, Arc::clone(&shared))).abort_handle();
        let runtime = runtime.clone();
        Arc::new(FaultyRegistry {
            address,
            memory,
            runtime,
            access,
            challenge,
            shared,
            acceptor: Mutex::new(acceptor),
        })
    }

    /// An open one.
    pub(crate) fn open(runtime: &Runtime) -> Arc<FaultyRegistry> {
        FaultyRegistry::start(runtime, Access::default(), Challenge::Basic)
    }

    /// The next request of this method, with this in its path, goes wrong.
    pub(crate) fn misbehave(&self, method: &'static str, path: &str, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back((method, path.to_owned(), fault));
    }

    /// Faults that nothing met.
    pub(crate) fn faults_left(&self) -> usize {
        self.shared.faults.lock().unwrap().len()
    }

    /// Requests so far, as `GET /v2/`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests had this method and this in their paths.
    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        let wanted = |line: &&String| line.split(' ').next() == Some(method) && line.contains(path);
        self.requests().iter().filter(wanted).count()
    }

    /// Dies, with all connections and uploads.
    pub(crate) fn kill(&self) {
        self.acceptor.lock().unwrap().abort();
    }

    /// Returns, with what was finished. May be called where futures run.
    pub(crate) fn revive(&self) {
        let registry = registry(&self.memory, &self.access, &self.challenge, 1);
        let (address, shared) = (self.address, self.shared.clone());
        let task = async move {
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    // The dead one's socket is closed by another thread.
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            accept(listener, registry, shared).await;
        };
        *self.acceptor.lock().unwrap() = self.runtime.handle().spawn(task).abort_handle();
    }
}

impl Drop for FaultyRegistry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn registry(memory: &Arc<Memory>, access: &Access, challenge: &Challenge, generation: u8) -> Arc<Registry> {
    let limits = Limits::default();
    let secret = [generation; 32];
    Arc::new(Registry {
        storage: Storage::new(memory.clone()),
        authenticator: Authenticator::new(Arc::new(LiveAccess::new(access.clone())), &secret),
        uploads: Uploads::new(&secret, limits.upload_idle, limits.uploads),
        limits,
        challenge: challenge.clone(),
        is_tls: false,
        events: Arc::new(()),
        passwords: Registry::passwords(),
    })
}

async fn accept(listener: TcpListener, registry: Arc<Registry>, shared: Arc<Shared>) {
    // Connections end with the acceptor.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (registry, shared) = (registry.clone(), shared.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(registry.clone(), shared.clone(), request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    registry: Arc<Registry>,
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> io::Result<Answer> {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    shared.requests.lock().unwrap().push(format!("{method} {}", request.uri()));
    let fault = {
        let mut faults = shared.faults.lock().unwrap();
        let met =
            faults.iter().position(|(wanted, part, _)| *wanted == method && path.contains(part.as_str()));
        met.and_then(|index| faults.remove(index)).map(|(_, _, fault)| fault)
    };
    let mut request = request.map(RequestBody::from);
    match fault {
        None => Ok(registry.serve(request).await),
        Some(Fault::Status(status, headers)) => {
            // As servers do that do not want to close the connection.
            let _ = request.into_body().collect().await;
            let mut answer = empty(status.try_into().unwrap());
            for (name, value) in headers {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
            Ok(answer)
        }
        Some(Fault::CutRequest(after)) => {
            request.body_mut().breaks_after = Some(after);
            registry.serve(request).await;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Silence) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Fault::Unsaid(header)) => {
            let mut answer = registry.serve(request).await;
            answer.headers_mut().remove(header);
            Ok(answer)
        }
        Some(Fault::Tamper) => {
            let (head, body) = registry.serve(request).await.into_parts();
            let mut bytes = body.collect().await?.to_bytes().to_vec();
            bytes[0] ^= 1;
            Ok(Answer::from_parts(head, Pieces::Whole(bytes.into())))
        }
        Some(Fault::CutAnswer(after)) => {
            let (head, body) = registry.serve(request).await.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let (sender, body) = Pieces::channel(bytes.len() as u64);
            sender.send(Ok(bytes.slice(..after))).await.map_err(io::Error::other)?;
            tokio::spawn(async move {
                // The first part travels before the connection breaks.
                tokio::time::sleep(Duration::from_millis(20)).await;
                let _: Result<(), _> = sender.send(Err(io::ErrorKind::ConnectionReset.into())).await;
                drop::<Bytes>(bytes);
            });
            Ok(Answer::from_parts(head, body))
        }
    }
}
