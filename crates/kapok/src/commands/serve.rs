//! `kapok serve`: the store as a registry, and as a proxy of packages.

pub mod access;
mod log;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use build::engine::Cancel;
use oci::store::Store;
use registry::Identity;
use registry::gateway::PackageServerSettings;
use registry::server::{Challenge, Limits, Server, Settings, Storage, StoreContent};

use crate::cli::serve::{Auth, Serve};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::gateway::RunGateway;
use crate::program::Program;
use crate::{randomness, signals};
use log::Log;

/// How long requests that run may take when the server is told to end; as long as Kubernetes waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until a signal comes.
pub fn run(program: &Program, arguments: &Serve) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let store = Arc::new(program.store(&settings)?);
    let log = Arc::new(Log::new(program.terminal, arguments.quiet));

    let (ends, ended) = mpsc::channel();
    let cancel = Cancel::default();
    cancel.on_cancel(move || {
        // If nobody waits, the server ends already.
        let _ = ends.send(());
    });
    let packages = arguments.packages.as_deref();
    let packages = packages.map(|text| start_packages(program, arguments, &settings, &store, text, &log));
    let packages = packages.transpose()?;
    let registry = arguments.registry.as_deref();
    let mut watched =
        registry.map(|_| access::Watched::load(arguments, &program.environment.directory)).transpose()?;
    let registry = registry.zip(watched.as_ref());
    let registry = registry
        .map(|(text, watched)| start_registry(program, arguments, &store, text, watched, &log))
        .transpose()?;
    let terminal = program.terminal;
    signals::watch(cancel, move |note| terminal.say(&format!("{note}\n")));
    // Nothing but a signal ends it.
    while ended.recv_timeout(access::LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
        if let Some(said) = watched.as_mut().and_then(access::Watched::look) {
            program.warn(&said);
        }
    }
    std::thread::scope(|scope| {
        for server in [registry, packages].into_iter().flatten() {
            scope.spawn(|| server.shut_down(PATIENCE));
        }
    });
    Ok(Exit::Done)
}

fn start_registry(
    program: &Program,
    arguments: &Serve,
    store: &Arc<Store>,
    text: &str,
    watched: &access::Watched,
    log: &Arc<Log>,
) -> Result<Server, Failure> {
    let settings = server_settings(program, arguments, address(text)?, watched)?;
    let place = store.root().display().to_string();
    let (scheme, warning) = (scheme(settings.tls.as_ref()), warning(&settings));
    let storage = Storage::new(Arc::new(StoreContent::new(store.clone())));
    let server = Server::start(&program.runtime().get()?, settings, storage, log.clone())?;
    if let Some(warning) = warning {
        program.warn(warning);
    }
    program.say(&format!("serving `{place}` as a registry at {scheme}://{}", server.address()));
    Ok(server)
}

fn start_packages(
    program: &Program,
    arguments: &Serve,
    settings: &crate::settings::Settings,
    store: &Arc<Store>,
    text: &str,
    log: &Arc<Log>,
) -> Result<Server, Failure> {
    let repositories = settings.packages.clone();
    if repositories.is_empty() {
        return Err(Failure::usage_with(
            "the settings have no `packages`",
            "name upstreams in `kapok.yaml`: `packages: {pypi: https://packages.example.org/pypi}`",
        ));
    }
    let served = PackageServerSettings {
        address: address(text)?,
        repositories,
        open_to_all: arguments.open_to_all,
        tls: identity(program, arguments)?,
        connections: usize::from(arguments.max_connections),
    };
    let (scheme, names) = (scheme(served.tls.as_ref()), served.repositories.clone());
    let gateway =
        RunGateway::new(program.runtime().clone(), store, &program.environment, settings)?.with_stale(true);
    let server = gateway.serve(served, log.clone())?;
    for repository in names {
        program.say(&format!(
            "serving packages at {scheme}://{}/repository/{}/",
            server.address(),
            repository.name
        ));
    }
    Ok(server)
}

fn scheme(identity: Option<&Identity>) -> &'static str {
    if identity.is_some() { "https" } else { "http" }
}

/// The certificate and key that were given.
fn identity(program: &Program, arguments: &Serve) -> Result<Option<Identity>, Failure> {
    let directory = &program.environment.directory;
    let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else { return Ok(None) };
    let certificate = directory.join(certificate);
    Ok(Some(Identity {
        certificates: read(&certificate)?,
        key: read(&directory.join(key))?,
        origin: format!("`{}`", certificate.display()),
    }))
}

fn server_settings(
    program: &Program,
    arguments: &Serve,
    address: SocketAddr,
    watched: &access::Watched,
) -> Result<Settings, Failure> {
    let challenge = match arguments.auth {
        Auth::Basic => Challenge::Basic,
        Auth::Token => Challenge::Bearer { service: "kapok".to_owned(), realm: None },
    };
    let limits = Limits {
        blob: arguments.max_blob.0,
        connections: usize::from(arguments.max_connections),
        ..Limits::default()
    };
    Ok(Settings {
        address,
        access: watched.access(),
        challenge,
        open_to_all: arguments.open_to_all,
        tls: identity(program, arguments)?,
        limits,
        secret: randomness::secret().map_err(Failure::file("read", "/dev/urandom"))?,
    })
}

/// What is allowed and still deserves a word.
fn warning(settings: &Settings) -> Option<&'static str> {
    match (settings.access.current().has_credentials(), settings.tls.is_some()) {
        _ if settings.address.ip().is_loopback() => None,
        (true, true) => None,
        (true, false) => Some(
            "passwords come over the network in the clear; give `--tls-cert` and `--tls-key`, or let a proxy do TLS",
        ),
        (false, _) => Some("everybody who can reach this machine can read, write and delete everything"),
    }
}

/// `127.0.0.1:5000`, `localhost:5000`, `[::1]:5000`, `:5000`.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    let bad = || {
        Failure::usage_with(
            format!("`{text}` is not an address"),
            "it is a host and a port: `127.0.0.1:5000`, or `:5000` for all addresses of this machine",
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found: io::Result<Option<SocketAddr>> = match name {
        // Both families, where the machine has both.
        "" => Ok(Some(SocketAddr::from(([0u16; 8], port)))),
        "localhost" => Ok(Some(SocketAddr::from(([127, 0, 0, 1], port)))),
        name => (name, port).to_socket_addrs().map(|mut found| found.next()),
    };
    found.ok().flatten().ok_or_else(bad)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(Failure::file("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address =
            |text: &str| address(text).map(|found| found.to_string()).map_err(|error| error.to_string());
        assert_eq!(address("127.0.0.1:5000").as_deref(), Ok("127.0.0.1:5000"));
        assert_eq!(address("localhost:0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(address("[::1]:5000").as_deref(), Ok("[::1]:5000"));
        assert_eq!(address(":5000").as_deref(), Ok("[::]:5000"));
        for bad in ["5000", "", "127.0.0.1", "127.0.0.1:x", "http://127.0.0.1:5000/"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
