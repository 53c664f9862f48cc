//! Whole builds without a sandbox: COPY, ADD and WORKDIR over a store of the test's own.

mod distant;
mod storm;

use std::io::Write;
use std::path::Path;

use oci::layer::OverlayForm;
use oci::store::Store;
use tempfile::TempDir;

use super::*;
use crate::copy::GitError;
use crate::fetch::{Fetch, FetchError, Fetched};
use crate::plan::git::GitReference;
use crate::plan::{Network, Permissions};
use crate::sandbox::Limits;

/// A store and a context, both empty at first.
struct Lab {
    _root: TempDir,
    context: TempDir,
    store: Store,
}

impl Lab {
    fn new(files: &[(&str, &str)]) -> Lab {
        let (root, context) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, content) in files {
            let path = context.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let open = |form| Store::open(&root.path().join("store"), form);
        let store = open(OverlayForm::Trusted).or_else(|_| open(OverlayForm::User)).unwrap();
        Lab { _root: root, context, store }
    }

    fn request(&self, dockerfile: &str) -> Request {
        Request {
            id: "0123456789ab".to_owned(),
            name: "test".to_owned(),
            started: 0,
            source: Source::new("Dockerfile", dockerfile),
            context: Some(self.context.path().to_owned()),
            ignore: None,
            named_contexts: Default::default(),
            named_directories: Default::default(),
            target: None,
            platforms: Vec::new(),
            build_platform: oci::Platform::linux("amd64"),
            build_args: Default::default(),
            labels: Default::default(),
            from_override: None,
            last_from_override: None,
            stage_env: Vec::new(),
            tags: Vec::new(),
            no_cache: false,
            pull: false,
            network: Network::None,
            permissions: Permissions::default(),
            resolv_conf: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            ssh: Default::default(),
            limits: Limits::default(),
            compression: oci::layer::Compression::Gzip,
            rules: Default::default(),
            epoch: Some(1_000_000_000),
            jobs: 2,
            twice: false,
            keep: Keep::default(),
            pack_all: false,
            finishing: Default::default(),
            foresee: false,
            project: String::new(),
            empty_caches: false,
            overruled: None,
        }
    }

    fn build(&self, dockerfile: &str) -> Result<Built, BuildError> {
        self.build_request(&self.request(dockerfile), &NoEvents)
    }

    fn build_request(&self, request: &Request, events: &dyn Events) -> Result<Built, BuildError> {
        build(request, &self.doors(events, Cancel::default()))
    }

    fn doors<'a>(&'a self, events: &'a dyn Events, cancel: Cancel) -> Doors<'a> {
        Doors {
            store: &self.store,
            spawner: None,
            fetch: &Unreachable,
            git: &Unreachable,
            upstream: None,
            cache: None,
            layers: None,
            gateway: None,
            judge: None,
            materials: None,
            events,
            cancel,
        }
    }

    /// What the uppermost layer of a finished build has at a path.
    fn read(&self, built: &Built, path: &str) -> String {
        let layer = self.store.layer(built.platforms[0].layers.last().unwrap()).unwrap().unwrap();
        std::fs::read_to_string(layer.directory.join(path)).unwrap()
    }
}

/// A network without machines, whose repositories are worse.
struct Unreachable;

impl Fetch for Unreachable {
    fn fetch(&self, url: &str, _: &mut dyn Write, _: u64) -> Result<Fetched, FetchError> {
        panic!("nothing fetches {url}")
    }
}

impl Git for Unreachable {
    fn fetch(&self, reference: &GitReference, _: bool, _: &Path) -> Result<String, GitError> {
        panic!("nothing fetches {reference}")
    }
}

#[test]
fn only_layers_of_the_image_are_packed() {
    let lab = Lab::new(&[("a", "a"), ("b", "b"), ("c", "c")]);
    let built = lab
        .build("FROM scratch AS tools\nCOPY a b /\nFROM scratch AS base\nCOPY c /\nFROM base\nCOPY --from=tools /a /x\n")
        .unwrap();
    let packed = |layer: &oci::LayerId| {
        lab.store.layer_blob(layer, oci::layer::Compression::Gzip, None).unwrap().is_some()
    };
    assert_eq!(built.platforms[0].layers.len(), 2);
    assert!(built.platforms[0].layers.iter().all(packed));
    assert!(!packed(&built.report.steps[0].layer.unwrap()));
}

#[test]
fn copied_files_are_what_the_user_chose() {
    let lab = Lab::new(&[("machine-id", "of the user's choice\n"), ("dpkg.log", "a log\n")]);
    let built = lab.build("FROM scratch\nCOPY machine-id /etc/\nCOPY dpkg.log /var/log/\n").unwrap();
    assert_eq!(lab.read(&built, "var/log/dpkg.log"), "a log\n");
    let layer = lab.store.layer(&built.platforms[0].layers[0]).unwrap().unwrap();
    assert_eq!(
        std::fs::read_to_string(layer.directory.join("etc/machine-id")).unwrap(),
        "of the user's choice\n"
    );
}

#[test]
fn keys_hold_words() {
    let lab = Lab::new(&[("a", "a")]);
    let built = lab.build("FROM scratch\nCOPY --chmod=u+x --exclude=*.o a /b/\n").unwrap();
    let record = lab.store.record(&built.report.steps[0].record.unwrap()).unwrap();
    assert_eq!(record.inputs["sources"], r#"["a"]"#);
    assert_eq!(record.inputs["exclude"], r#"["*.o"]"#);
    for (name, value) in &record.inputs {
        assert!(!value.contains(" { ") && !value.contains("Some("), "{name}: {value}");
    }
}

#[test]
fn a_panic_in_a_stage_ends_the_build() {
    let lab = Lab::new(&[("a", "a")]);
    let dockerfile =
        "FROM scratch AS one\nADD https://example.org/x /\nFROM scratch\nCOPY a /\nCOPY --from=one /x /\n";
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lab.build(dockerfile).is_ok()));
    assert!(ended.is_err());
}

#[test]
fn a_failure_tells_of_every_step_that_was_not_reached() {
    struct Told(Mutex<Vec<Event>>);
    impl Events for Told {
        fn event(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }
    let lab = Lab::new(&[("a", "a")]);
    let told = Told(Mutex::default());
    let request = lab.request("FROM scratch\nCOPY a /\nCOPY missing /\nCOPY a /b\n");
    let failed = lab.build_request(&request, &told).unwrap_err();
    assert!(matches!(failed, BuildError::Step(failure) if failure.step == StepId(1)));
    let cancelled: Vec<Event> = told
        .0
        .into_inner()
        .unwrap()
        .into_iter()
        .filter(|event| matches!(event, Event::Cancelled { .. }))
        .collect();
    assert_eq!(cancelled, [Event::Cancelled { step: StepId(2) }]);
}

#[test]
fn an_ignore_file_of_a_named_context_that_is_no_text_stops_the_build() {
    let lab = Lab::new(&[("named/a", "a")]);
    std::fs::write(lab.context.path().join("named/.dockerignore"), b"\xff\xfe").unwrap();
    let mut request = lab.request("FROM scratch\nCOPY --from=named a /\n");
    request.named_contexts.insert("named".to_owned(), NamedContext::Tree);
    request.named_directories.insert("named".to_owned(), lab.context.path().join("named"));
    assert!(matches!(lab.build_request(&request, &NoEvents), Err(BuildError::Context(_))));
}

#[test]
fn there_may_be_more_stages_than_threads() {
    let lab = Lab::new(&[("a", "content")]);
    let mut text = "FROM scratch AS s0\nCOPY a /\n".to_owned();
    for number in 1..600 {
        text += &format!("FROM s{} AS s{number}\n", number - 1);
    }
    text += "FROM scratch\nCOPY --from=s599 a /b\n";
    let built = lab.build(&text).unwrap();
    assert_eq!(lab.read(&built, "b"), "content");
}

#[test]
fn images_of_the_store_have_ids() {
    let lab = Lab::new(&[("a", "content")]);
    let first = lab.build("FROM scratch\nCOPY a /\n").unwrap();
    let (manifest, config) = (first.image.digest, first.platforms[0].config);
    let ids = [
        manifest.to_string(),
        config.to_string(),
        config.hex(),
        config.hex()[..12].to_owned(),
        format!("sha256:{}", &manifest.hex()[..20]),
        format!("any/name@{manifest}"),
    ];
    for id in ids {
        let built = lab.build(&format!("FROM {id} AS base\nFROM scratch\nCOPY --from={id} a /b\n")).unwrap();
        assert_eq!(lab.read(&built, "b"), "content", "{id}");
        let config = lab.build(&format!("FROM {id}\n")).unwrap().platforms[0].config;
        assert_eq!(config, first.platforms[0].config, "{id}");
    }
    let missing = lab.build(&format!("FROM sha256:{}\n", "0".repeat(64)));
    assert!(matches!(missing, Err(BuildError::Dockerfile { images, .. }) if images.len() == 1));
}
