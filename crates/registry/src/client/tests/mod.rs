//! Tests of the client, against a registry that misbehaves on demand.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use oci::descriptor::media_type;
use oci::layer::OverlayForm;
use oci::store::{Batch, Store};
use oci::{Digest, ImageConfig, ImageIndex, Manifest, Platform, Raw};

use super::config::MirrorConfig;
use super::credentials::Credentials;
use super::*;

mod faults;
mod images;
mod login;
use crate::server::access::tests::users;
use crate::server::faults::{Fault, FaultyRegistry};
use crate::server::{Access, Challenge};

/// Notes what is waited for, and does something meanwhile; no time passes.
#[derive(Default)]
struct Meanwhile {
    waits: Mutex<Vec<Duration>>,
    then: Option<Box<dyn Fn(usize) + Send + Sync>>,
}

impl Pause for Meanwhile {
    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let count = {
            let mut waits = self.waits.lock().unwrap();
            waits.push(time);
            waits.len()
        };
        if let Some(then) = &self.then {
            then(count);
        }
        // Some time for the registry to come to its end.
        Box::pin(tokio::time::sleep(Duration::from_millis(2)))
    }
}

impl Meanwhile {
    fn seconds(&self) -> Vec<u64> {
        self.waits.lock().unwrap().iter().map(Duration::as_secs).collect()
    }
}

struct Fixture {
    runtime: Runtime,
    registry: Arc<FaultyRegistry>,
    client: Client,
    pause: Arc<Meanwhile>,
    directory: tempfile::TempDir,
    store: Store,
}

fn open(path: &Path) -> Store {
    let form = if std::fs::metadata("/proc/self").map(|it| uid(&it)).unwrap_or(1) == 0 {
        OverlayForm::Trusted
    } else {
        OverlayForm::User
    };
    Store::open(path, form).unwrap()
}

fn uid(metadata: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

fn options(pause: &Arc<Meanwhile>) -> Options {
    let retry = RetryPolicy { first: Duration::ZERO, ..RetryPolicy::default() };
    Options { pause: pause.clone(), retry, ..Options::default() }
}

fn fixture() -> Fixture {
    let runtime = Runtime::start().unwrap();
    let registry = FaultyRegistry::open(&runtime);
    with(runtime, registry, Arc::default(), |_| {})
}

fn with(
    runtime: Runtime,
    registry: Arc<FaultyRegistry>,
    pause: Arc<Meanwhile>,
    change: impl FnOnce(&mut Options),
) -> Fixture {
    let mut options = options(&pause);
    change(&mut options);
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("store"));
    Fixture { client: Client::new(&runtime, options), runtime, registry, pause, directory, store }
}

impl Fixture {
    fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.registry.address).parse().unwrap()
    }

    fn push(&self, image: &Digest, to: &str) -> Result<Pushed, PushError> {
        self.client.push(&self.store, image, &self.reference(to), &PushOptions::default(), &())
    }

    /// A store of its own, as another machine has.
    fn elsewhere(&self, name: &str) -> Store {
        open(&self.directory.path().join(name))
    }

    fn pull(&self, from: &str, store: &Store) -> Result<Pulled, PullError> {
        self.client.pull(&self.reference(from), &amd64(), store, &())
    }

    /// Nothing in the registry is anything else than it is called.
    #[track_caller]
    fn assert_unharmed(&self) {
        for (digest, bytes) in self.registry.memory.blobs() {
            assert_eq!(Digest::of_with(digest.algorithm(), &bytes), digest);
        }
        assert_eq!(self.registry.faults_left(), 0, "all faults were met: {:#?}", self.registry.requests());
    }
}

fn amd64() -> Platforms {
    Platforms::One(Platform::linux("amd64"))
}

/// Bytes that no compression and no accident makes alike.
fn noise(seed: u32, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

fn blob(store: &Store, media_type: &str, bytes: &[u8]) -> Descriptor {
    store.put_blob(bytes).unwrap();
    Descriptor::of(media_type, bytes)
}

/// An image of these layers; they need be no archives: nobody unpacks them here.
fn image(store: &Store, architecture: &str, layers: &[&[u8]]) -> Digest {
    let config = Raw::write(ImageConfig::for_platform(&Platform::linux(architecture)));
    let config = blob(store, media_type::OCI_CONFIG, config.bytes());
    let layers = layers.iter().map(|bytes| blob(store, media_type::OCI_LAYER_GZIP, bytes)).collect();
    put(store, &Raw::write(Manifest::new(config, layers)))
}

fn put<T>(store: &Store, document: &Raw<T>) -> Digest {
    let digest = store.put_blob(document.bytes()).unwrap();
    store.commit(&Batch::default()).unwrap();
    digest
}

fn index(store: &Store, images: &[(&str, Digest)]) -> Digest {
    let entries = images.iter().map(|(architecture, digest)| {
        let mut entry = Descriptor::new(media_type::OCI_MANIFEST, *digest, store.blob_size(digest).unwrap());
        entry.platform = Some(Platform::linux(architecture));
        entry
    });
    put(store, &Raw::write(ImageIndex::new(entries.collect())))
}

fn options_of(fixture: &Fixture) -> Options {
    options(&fixture.pause)
}
