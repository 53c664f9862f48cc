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
    store.sync_and_commit(&Batch::default()).unwrap();
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

#[test]
fn an_image_goes_out_and_comes_back_the_same() {
    let fixture = fixture();
    let layers = [noise(1, 700_000), noise(2, 10), Vec::new()];
    let digest = image(&fixture.store, "amd64", &[&layers[0], &layers[1], &layers[2]]);
    let pushed = fixture.push(&digest, "team/app:1").unwrap();
    assert_eq!(pushed.top.digest, digest);
    let store = fixture.elsewhere("other");
    assert_eq!(fixture.pull("team/app:1", &store).unwrap().top, pushed.top);
    for layer in &layers {
        assert_eq!(store.read_blob(&Digest::of(layer)).unwrap(), *layer);
    }
    assert!(store.document(&digest).is_ok());
    assert_eq!(fixture.client.resolve(&fixture.reference("team/app:1")).unwrap(), pushed.top);
    assert_eq!(fixture.client.tags(&fixture.reference("team/app")).unwrap(), ["1"]);
    // What is there is not sent again.
    assert_eq!(fixture.push(&digest, "team/app:2").unwrap().sent, 0);
    assert_eq!(fixture.registry.count("GET", "/tags/list"), 1);
    let gone = fixture.pull("team/app:3", &store).unwrap_err();
    assert!(std::error::Error::source(&gone).unwrap().to_string().ends_with("has no tag `3` in `team/app`"));
    fixture.assert_unharmed();
}

#[test]
fn one_platform_or_all_of_an_index() {
    let fixture = fixture();
    let (one, two) = (image(&fixture.store, "amd64", &[b"amd"]), image(&fixture.store, "arm64", &[b"arm"]));
    let both = index(&fixture.store, &[("amd64", one), ("arm64", two)]);
    assert_eq!(fixture.push(&both, "multi").unwrap().top.digest, both);
    let store = fixture.elsewhere("one");
    let pulled = fixture.pull("multi", &store).unwrap();
    assert_eq!((pulled.top.digest, pulled.manifests[0].digest), (both, one));
    assert!(!store.has_blob(&Digest::of(b"arm")).unwrap());
    let store = fixture.elsewhere("all");
    let pulled = fixture.client.pull(&fixture.reference("multi"), &Platforms::All, &store, &()).unwrap();
    assert_eq!((pulled.top.digest, pulled.manifests.len()), (both, 2));
    assert!(store.has_blob(&Digest::of(b"arm")).unwrap());
    let s390x = Platforms::One(Platform::linux("s390x"));
    let missing =
        fixture.client.pull(&fixture.reference("multi"), &s390x, &store, &()).unwrap_err().to_string();
    assert!(
        missing.ends_with("has no image for linux/s390x, only for linux/amd64, linux/arm64"),
        "{missing}"
    );
    // Only half of it is here.
    let half = fixture.elsewhere("half");
    let index_bytes = fixture.store.read_blob(&both).unwrap();
    half.put_blob(&index_bytes).unwrap();
    let refused = fixture.client.push(&half, &both, &fixture.reference("x"), &PushOptions::default(), &());
    assert!(matches!(refused, Err(PushError::Incomplete { missing, .. }) if missing == one));
}

#[test]
fn downloads_go_on_where_they_broke_off_and_damage_is_found() {
    let fixture = fixture();
    let layer = noise(3, 600_000);
    let digest = image(&fixture.store, "amd64", &[&layer]);
    fixture.push(&digest, "app").unwrap();
    let path = format!("/blobs/{}", Digest::of(&layer));
    fixture.registry.misbehave("GET", &path, Fault::CutAnswer(200_000));
    fixture.registry.misbehave("GET", &path, Fault::Status(503, vec![]));
    fixture.registry.misbehave("GET", &path, Fault::CutAnswer(100_000));
    let store = fixture.elsewhere("resumed");
    fixture.pull("app", &store).unwrap();
    assert_eq!(store.read_blob(&Digest::of(&layer)).unwrap(), layer);
    assert_eq!(fixture.registry.count("GET", &path), 4);

    fixture.registry.misbehave("GET", &path, Fault::Tamper);
    let store = fixture.elsewhere("damaged");
    let error = fixture.pull("app", &store).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("sends content with the digest"), "{cause}");
    assert!(!store.has_blob(&Digest::of(&layer)).unwrap() && !store.has_blob(&digest).unwrap());
    assert_eq!(store.verify(1).unwrap().findings, [""; 0]);

    // A manifest that was damaged once is asked for again.
    fixture.registry.misbehave("GET", "/manifests/", Fault::Tamper);
    fixture.pull("app", &store).unwrap();
    fixture.registry.misbehave("GET", "/manifests/", Fault::Tamper);
    fixture.registry.misbehave("GET", "/manifests/", Fault::Tamper);
    assert!(fixture.pull("app", &fixture.elsewhere("never")).is_err());
    fixture.assert_unharmed();
}

#[test]
fn a_registry_that_asks_for_time_gets_it() {
    let fixture = fixture();
    let digest = image(&fixture.store, "amd64", &[b"layer"]);
    fixture.registry.misbehave("POST", "/uploads/", Fault::Status(429, vec![("retry-after", "7")]));
    fixture.registry.misbehave("PUT", "/manifests/", Fault::Status(503, vec![]));
    fixture.push(&digest, "app").unwrap();
    let mut waited = fixture.pause.seconds();
    waited.sort_unstable();
    assert_eq!(waited, [0, 7]);
    // More than anybody waits for.
    fixture.registry.misbehave("GET", "/manifests/", Fault::Status(429, vec![("retry-after", "86400")]));
    assert!(fixture.pull("app", &fixture.elsewhere("x")).is_err());
    for _ in 0..6 {
        fixture.registry.misbehave("GET", "/manifests/", Fault::Silence);
    }
    let error = fixture.pull("app", &fixture.elsewhere("x")).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "gave up after 6 attempts");
    fixture.assert_unharmed();
}

#[test]
fn uploads_go_on_where_the_registry_says() {
    let fixture = fixture();
    let layer = noise(4, 2_000_000);
    let digest = image(&fixture.store, "amd64", &[&layer]);
    let put = || {
        fixture.registry.count("PUT", "/blobs/uploads/") + fixture.registry.count("PATCH", "/blobs/uploads/")
    };
    // The configuration is small: only the layer is long enough to break at this place.
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::Status(500, vec![]));
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::CutRequest(900_000));
    fixture.push(&digest, "app").unwrap();
    assert!(put() >= 4, "{:#?}", fixture.registry.requests());
    let store = fixture.elsewhere("back");
    fixture.pull("app", &store).unwrap();
    assert_eq!(store.read_blob(&Digest::of(&layer)).unwrap(), layer);
    // One that does not like large requests gets small ones.
    let other = image(&fixture.store, "amd64", &[&noise(5, 3_000_000)]);
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::Status(413, vec![]));
    fixture.push(&other, "other").unwrap();
    assert!(fixture.registry.count("PATCH", "/other/blobs/uploads/") >= 1);
    fixture.assert_unharmed();
}

#[test]
fn a_registry_dies_in_mid_push_and_returns() {
    let runtime = Runtime::start().unwrap();
    let registry = FaultyRegistry::open(&runtime);
    let revived = registry.clone();
    let then = move |count: usize| match count {
        1 => revived.kill(),
        3 => revived.revive(),
        _ => {}
    };
    let pause = Arc::new(Meanwhile { then: Some(Box::new(then)), ..Meanwhile::default() });
    let retry = RetryPolicy { attempts: 50, first: Duration::ZERO, ..RetryPolicy::default() };
    let fixture = with(runtime, registry, pause, |options| options.retry = retry);
    let layers = [noise(6, 900_000), noise(7, 800_000)];
    let digest = image(&fixture.store, "amd64", &[&layers[0], &layers[1]]);
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::CutRequest(500_000));
    fixture.push(&digest, "app:1").unwrap();
    let store = fixture.elsewhere("back");
    assert_eq!(fixture.pull("app:1", &store).unwrap().top.digest, digest);
    assert_eq!(store.read_blob(&Digest::of(&layers[1])).unwrap(), layers[1]);
    fixture.assert_unharmed();
}

fn closed() -> Access {
    Access { users: users(), ..Access::default() }
}

fn ali(registry: &FaultyRegistry, password: &str) -> Arc<dyn CredentialSource> {
    let credentials = Credentials::Password { user: "ali".to_owned(), password: password.to_owned() };
    Arc::new((registry.address.to_string(), credentials))
}

#[test]
fn passwords_and_tokens() {
    let bearer = Challenge::Bearer { service: "test".to_owned(), realm: None };
    for challenge in [Challenge::Basic, bearer] {
        let runtime = Runtime::start().unwrap();
        let registry = FaultyRegistry::start(&runtime, closed(), challenge);
        let right = ali(&registry, "open sesame");
        let fixture = with(runtime, registry, Arc::default(), |options| options.credentials = right);
        let digest = image(&fixture.store, "amd64", &[&noise(8, 100)]);
        fixture.push(&digest, "team/app").unwrap();
        fixture.client.check_credentials(&fixture.reference("x")).unwrap();
        fixture.pull("team/app", &fixture.elsewhere("x")).unwrap();
        // The same from another repository: nothing is sent.
        let options = PushOptions { mount_from: vec!["team/app".parse().unwrap()], ..PushOptions::default() };
        let to = fixture.reference("team/other");
        assert_eq!(fixture.client.push(&fixture.store, &digest, &to, &options, &()).unwrap().sent, 0);
        for source in [ali(&fixture.registry, "wrong"), Arc::new(())] {
            let mut options = options_of(&fixture);
            options.credentials = source;
            let stranger = Client::new(&fixture.runtime, options);
            let refused =
                stranger.pull(&fixture.reference("team/app"), &amd64(), &fixture.store, &()).unwrap_err();
            let cause = std::error::Error::source(&refused).unwrap().to_string();
            assert!(cause.contains("does not let us"), "{cause}");
        }
        let mut options = options_of(&fixture);
        options.credentials = ali(&fixture.registry, "wrong");
        let stranger = Client::new(&fixture.runtime, options);
        assert!(stranger.check_credentials(&fixture.reference("x")).is_err());
        fixture.assert_unharmed();
    }
}

fn options_of(fixture: &Fixture) -> Options {
    options(&fixture.pause)
}

#[test]
fn a_token_that_ends_in_mid_push_is_renewed() {
    let runtime = Runtime::start().unwrap();
    let bearer = Challenge::Bearer { service: "test".to_owned(), realm: None };
    let registry = FaultyRegistry::start(&runtime, closed(), bearer);
    let right = ali(&registry, "open sesame");
    let fixture = with(runtime, registry, Arc::default(), |options| {
        options.credentials = right;
        options.parallel = 1;
    });
    let challenge = || {
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"test\"", fixture.registry.address);
        Fault::Status(401, vec![("www-authenticate", Box::leak(realm.into_boxed_str()))])
    };
    let layers = [noise(9, 400_000), noise(10, 300_000)];
    let digest = image(&fixture.store, "amd64", &[&layers[0], &layers[1]]);
    fixture.registry.misbehave("PUT", "/blobs/uploads/", challenge());
    fixture.registry.misbehave("PUT", "/manifests/", challenge());
    fixture.push(&digest, "app").unwrap();
    assert_eq!(fixture.registry.count("GET", "/token"), 3);
    // One that does not let us in even then.
    fixture.registry.misbehave("PUT", "/manifests/", challenge());
    fixture.registry.misbehave("PUT", "/manifests/", challenge());
    assert!(fixture.push(&digest, "app").unwrap_err().to_string().contains("cannot push"));
    fixture.pull("app", &fixture.elsewhere("x")).unwrap();
    fixture.assert_unharmed();
}

#[test]
fn a_mirror_stands_in_for_a_registry_that_nobody_reaches() {
    let plain = fixture();
    let digest = image(&plain.store, "amd64", &[b"ubi"]);
    plain.push(&digest, "mirror/ubi9/ubi").unwrap();
    let mirror = |location: String| MirrorConfig { location, ..MirrorConfig::default() };
    let mut options = options_of(&plain);
    options.registries = vec![RegistryConfig {
        prefix: "registry.access.redhat.com".to_owned(),
        location: format!("{}/mirror", plain.registry.address),
        mirrors: vec![mirror(format!("{}/empty", plain.registry.address))],
        ..RegistryConfig::default()
    }];
    let client = Client::new(&plain.runtime, options);
    let ubi: Reference = "registry.access.redhat.com/ubi9/ubi".parse().unwrap();
    let store = plain.elsewhere("x");
    let pulled = client.pull(&ubi, &amd64(), &store, &()).unwrap();
    assert_eq!(pulled.top.digest, digest);
    let missing: Reference = "registry.access.redhat.com/ubi9/none".parse().unwrap();
    let error = client.resolve(&missing).unwrap_err().to_string();
    assert!(error.starts_with("cannot pull `registry.access.redhat.com/ubi9/none:latest`; `"), "{error}");
}

#[test]
fn copies_go_from_one_registry_to_another() {
    let (from, to) = (fixture(), fixture());
    let (one, two) =
        (image(&from.store, "amd64", &[&noise(11, 700_000)]), image(&from.store, "arm64", &[b"arm"]));
    let both = index(&from.store, &[("amd64", one), ("arm64", two)]);
    from.push(&both, "multi:1").unwrap();
    let mut artifact = Manifest::new(blob(&from.store, "application/x.sbom", b"{}"), vec![]);
    artifact.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, one, 1));
    artifact.artifact_type = Some("application/x.sbom".to_owned());
    let artifact = put(&from.store, &Raw::write(artifact));
    from.client.push_referrer(&from.store, &artifact, &from.reference("multi"), &()).unwrap();

    let path = format!("/blobs/{}", Digest::of(&noise(11, 700_000)));
    from.registry.misbehave("GET", &path, Fault::CutAnswer(300_000));
    to.registry.misbehave("PUT", "/blobs/uploads/", Fault::CutRequest(100_000));
    let options = PushOptions { with_referrers: true, ..PushOptions::default() };
    let (source, target) = (from.reference("multi:1"), to.reference("copied:2"));
    let pushed = from.client.copy(&source, &target, &Platforms::All, &options, &()).unwrap();
    assert_eq!(pushed.top.digest, both);
    let pulled = to.client.pull(&target, &Platforms::All, &to.store, &()).unwrap();
    assert_eq!(pulled.manifests.len(), 2);
    let found = to.client.referrers(&target.with_digest(one), Some("application/x.sbom")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].digest, found[0].platform.as_ref()), (artifact, None));
    // Within one registry nothing is sent.
    let within =
        from.client.copy(&source, &from.reference("elsewhere"), &amd64(), &PushOptions::default(), &());
    assert_eq!((within.as_ref().unwrap().sent, within.unwrap().top.digest), (0, one));
    from.assert_unharmed();
    to.assert_unharmed();
}

#[test]
fn old_registries_list_referrers_by_tag() {
    let fixture = fixture();
    let subject = image(&fixture.store, "amd64", &[b"x"]);
    fixture.push(&subject, "app").unwrap();
    let artifacts = [1, 2].map(|n: u8| {
        let mut manifest = Manifest::new(blob(&fixture.store, "application/x.sbom", &[n]), vec![]);
        manifest.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, subject, 1));
        put(&fixture.store, &Raw::write(manifest))
    });
    for artifact in artifacts.iter().chain(&artifacts[..1]) {
        fixture.registry.misbehave("PUT", "/manifests/sha256:", Fault::Unsaid("oci-subject"));
        fixture.client.push_referrer(&fixture.store, artifact, &fixture.reference("app"), &()).unwrap();
    }
    fixture.registry.misbehave("GET", "/referrers/", Fault::Status(404, vec![]));
    let found = fixture.client.referrers(&fixture.reference("app"), None).unwrap();
    assert_eq!(found.iter().map(|entry| entry.digest).collect::<Vec<_>>(), artifacts);
    assert!(found.iter().all(|entry| entry.platform.is_none()));
    assert_eq!(found[0].artifact_type.as_deref(), Some("application/x.sbom"));
    let tags = fixture.client.tags(&fixture.reference("app")).unwrap();
    assert_eq!(tags, ["latest".to_owned(), subject.to_string().replace(':', "-")]);
    fixture.assert_unharmed();
}

#[test]
fn deletion() {
    let fixture = fixture();
    let digest = image(&fixture.store, "amd64", &[b"x"]);
    fixture.push(&digest, "app:1").unwrap();
    fixture.push(&digest, "app:2").unwrap();
    fixture.client.delete(&fixture.reference("app:1")).unwrap();
    assert_eq!(fixture.client.tags(&fixture.reference("app")).unwrap(), ["2"]);
    fixture.client.delete(&fixture.reference(&format!("app@{digest}"))).unwrap();
    assert!(fixture.client.resolve(&fixture.reference("app:2")).is_err());
    fixture.client.delete_blob_of(&fixture.reference("app"), &Digest::of(b"x")).unwrap();
    assert!(fixture.client.delete(&fixture.reference("app:1")).is_err());
}
