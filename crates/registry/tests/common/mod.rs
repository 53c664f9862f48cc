//! What the tests with real programs share.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use oci::layer::OverlayForm;
use oci::store::Store;
use registry::Runtime;
use registry::server::access::Htpasswd;
use registry::server::{Access, Challenge, Limits, LiveAccess, Server, Settings, Storage, StoreContent};

/// A server over a store of its own.
pub struct Served {
    pub runtime: Runtime,
    pub server: Server,
    pub store: Arc<Store>,
    pub directory: tempfile::TempDir,
}

/// Opens the store at `path` in the form that this user may.
pub fn open(path: &Path) -> Store {
    let own = tempfile::NamedTempFile::new().unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&own.as_file().metadata().unwrap()) == 0;
    Store::open(path, if is_root { OverlayForm::Trusted } else { OverlayForm::User })
        .or_else(|_| Store::open(path, OverlayForm::User))
        .unwrap()
}

/// Serves a new store on loopback.
pub fn serve(access: Access, challenge: Challenge) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&directory.path().join("store")));
    let runtime = Runtime::start().unwrap();
    let settings = Settings {
        address: ([127, 0, 0, 1], 0).into(),
        access: Arc::new(LiveAccess::new(access)),
        challenge,
        open_to_all: false,
        tls: None,
        limits: Limits::default(),
        secret: [7; 32],
    };
    let storage = Storage::new(Arc::new(StoreContent::new(store.clone())));
    let server = Server::start(&runtime, settings, storage, Arc::new(())).unwrap();
    Served { runtime, server, store, directory }
}

/// The user `ali` with the password `sesame`.
pub fn users() -> (Access, String) {
    let password = bcrypt::hash_with_result("sesame", 5).unwrap().format_for_version(bcrypt::Version::TwoY);
    let text = format!("ali:{password}\n");
    (Access { users: Htpasswd::parse(&text).unwrap(), ..Access::default() }, text)
}

/// A program by its name; `None`, said aloud, if the machine lacks it.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: there is no `{name}` on this machine");
    }
    found
}

/// Builds a Go program out of `programs/go.mod`; `None`, said aloud, if that cannot be done here.
pub fn go(arguments: &[&str], package: &str, out: &Path) -> Option<()> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    let built =
        Command::new("go").args(arguments).arg("-o").arg(out).arg(package).current_dir(sources).output();
    match built {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            eprintln!("SKIPPED: `{package}` cannot be built: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            eprintln!("SKIPPED: there is no Go to build `{package}` with: {error}");
            None
        }
    }
}

/// Runs a command that must succeed; what it wrote.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out.trim().to_owned()
}
