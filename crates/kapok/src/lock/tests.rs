//! Locks and builds, without a network.

use std::io::Write;

use build::copy::GitError;
use build::engine::{Git, Materials};
use build::fetch::{Fetch, FetchError, Fetched};
use build::plan::git::GitReference;
use oci::layer::OverlayForm;
use oci::lock::{Content, Lock, Source};
use oci::store::Store;
use oci::{Digest, Platform, Reference};

use super::*;

/// An upstream with one body.
struct Upstream(&'static str);

impl Fetch for Upstream {
    fn fetch(&self, _: &str, out: &mut dyn Write, _: u64) -> Result<Fetched, FetchError> {
        out.write_all(self.0.as_bytes()).unwrap();
        Ok(Fetched { size: self.0.len() as u64, last_modified: Some(7), ..Fetched::default() })
    }
}

struct Lab {
    directory: tempfile::TempDir,
    store: Store,
}

impl Lab {
    fn new() -> Lab {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("app")).unwrap();
        std::fs::write(directory.path().join("app/Dockerfile"), "FROM scratch").unwrap();
        let store = Store::open(&directory.path().join("store"), OverlayForm::User).unwrap();
        Lab { directory, store }
    }

    fn place(&self) -> Place {
        Place::of(self.directory.path(), &self.directory.path().join("app"), "app/Dockerfile", None)
    }

    fn open(&self, mode: LockMode, lock: &Lock) -> Result<Locking, Failure> {
        std::fs::write(self.place().path, lock.to_string()).unwrap();
        Locking::open(mode, self.place(), None)
    }

    fn fetch(&self, locking: &Locking, upstream: &Upstream) -> Result<(String, Fetched), String> {
        let mut out = Vec::new();
        let fetch = LockedFetch { locking, fetch: upstream, store: &self.store, now: 1 };
        match fetch.fetch("https://example.org/a", &mut out, 100) {
            Ok(fetched) => Ok((String::from_utf8(out).unwrap(), fetched)),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn lock_of(body: &str) -> Lock {
    let content = Content { digest: Digest::of(body.as_bytes()), size: body.len() as u64 };
    let mut image = ImageLock::default();
    image.source("https://example.org/a", Source { content, modified: Some(7), name: None });
    image.base("docker.io/library/debian:12", &Platform::host(), Digest::of(b"base"));
    Lock { images: [("Dockerfile".to_owned(), image)].into() }
}

#[test]
fn a_lock_stands_beside_settings_or_dockerfile() {
    let lab = Lab::new();
    let root = lab.directory.path().canonicalize().unwrap();
    assert_eq!(lab.place(), Place { path: root.join("app/kapok.lock"), name: "Dockerfile".to_owned() });
    std::fs::write(root.join("kapok.yaml"), "").unwrap();
    let place = Place::of(&root, &root.join("app"), "app/Dockerfile", Some("test"));
    assert_eq!(place, Place { path: root.join("kapok.lock"), name: "app/Dockerfile#test".to_owned() });
    let place = Place::of(&root, &root.join("app"), "<standard input>", Some(""));
    assert_eq!(place, Place { path: root.join("kapok.lock"), name: "<standard input>".to_owned() });
}

#[test]
fn what_is_written_is_what_was_taken() {
    let lab = Lab::new();
    let locking = Locking::open(LockMode::Write, lab.place(), None).unwrap();
    assert_eq!(lab.fetch(&locking, &Upstream("body")).unwrap().0, "body");
    let base: Reference = "debian:12".parse().unwrap();
    assert_eq!(locking.base(&base, &Platform::host()), Ok(None));
    Materials::took(&locking, &base, &Platform::host(), Digest::of(b"base"));
    assert_eq!(*Locking::took(&locking), lock_of("body").images["Dockerfile"]);
    // The body stayed: an offline build has it.
    let offline = lab.open(LockMode::Offline, &lock_of("body")).unwrap();
    let (body, fetched) = lab.fetch(&offline, &Upstream("nobody is asked")).unwrap();
    assert_eq!((body.as_str(), fetched.last_modified), ("body", Some(7)));
    assert_eq!(offline.base(&base, &Platform::host()), Ok(Some(Digest::of(b"base"))));
    let other = offline.base(&"debian:13".parse().unwrap(), &Platform::host()).unwrap_err();
    assert!(other.contains("does not have this image") && other.contains("kapok build --lock"), "{other}");
}

#[test]
fn nothing_else_is_taken() {
    let lab = Lab::new();
    let locked = lab.open(LockMode::Locked, &lock_of("body")).unwrap();
    let error = lab.fetch(&locked, &Upstream("changed")).unwrap_err();
    assert!(error.contains("other bytes") && error.contains(&Digest::of(b"body").to_string()), "{error}");
    assert_eq!(lab.fetch(&locked, &Upstream("body")).unwrap().0, "body");
    let lab = Lab::new();
    let offline = lab.open(LockMode::Offline, &lock_of("body")).unwrap();
    assert!(lab.fetch(&offline, &Upstream("body")).unwrap_err().contains("no copy"));
    let empty = Lock { images: [("Dockerfile".to_owned(), ImageLock::default())].into() };
    let locked = lab.open(LockMode::Locked, &empty).unwrap();
    assert!(lab.fetch(&locked, &Upstream("body")).unwrap_err().contains("does not have it"));
}

#[test]
fn git_is_pinned_by_its_request_where_upstreams_are_asked() {
    let lab = Lab::new();
    let mut image = ImageLock::default();
    for url in ["https://example.org/r.git/git-upload-pack", "https://example.org/file"] {
        let digest = Some(Digest::of(b"pack"));
        let intake = oci::record::Intake { url: url.to_owned(), digest, size: 4, ..Default::default() };
        image.download(&intake).unwrap();
    }
    let (image, store) = (Arc::new(image), Arc::new(lab.store));
    let digest = |online: Option<&Arc<Store>>, path: &str| {
        let pinned = Pinned { image: image.clone(), online: online.cloned() };
        pinned.pin("GET", &format!("https://example.org/{path}"), None).unwrap().digest
    };
    assert_eq!(digest(Some(&store), "r.git/git-upload-pack"), None);
    assert!(digest(Some(&store), "file").is_some() && digest(None, "r.git/git-upload-pack").is_some());
    store.put_blob(b"pack").unwrap();
    assert!(digest(Some(&store), "r.git/git-upload-pack").is_some());
}

#[test]
fn a_lock_that_is_not_there_or_none() {
    let lab = Lab::new();
    assert!(Locking::open(LockMode::Locked, lab.place(), None).is_err());
    assert!(Locking::open(LockMode::Locked, lab.place(), Some(lock_of("x"))).is_ok());
    std::fs::write(lab.place().path, "# kapok.lock 1\nimage other\n").unwrap();
    assert!(Locking::open(LockMode::Locked, lab.place(), None).is_err());
    assert!(Locking::open(LockMode::Write, lab.place(), None).is_ok());
    std::fs::write(lab.place().path, "nonsense").unwrap();
    assert!(Locking::open(LockMode::Write, lab.place(), None).is_err());
}

/// A repository with a commit, or nobody who answers.
struct Remote(Option<&'static str>);

impl Git for Remote {
    fn fetch(&self, reference: &GitReference, _: bool, directory: &Path) -> Result<String, GitError> {
        let Some(content) = self.0 else {
            let message = "nobody is there".to_owned();
            return Err(GitError::Failed { action: "fetch", remote: reference.remote.clone(), message });
        };
        std::fs::create_dir(directory.join("bin")).unwrap();
        std::fs::write(directory.join("bin/tool"), content).unwrap();
        std::os::unix::fs::symlink("bin/tool", directory.join("tool")).unwrap();
        Ok("3f1c".repeat(10))
    }
}

#[test]
fn a_repository_is_built_offline_from_the_tree_that_stayed() {
    let lab = Lab::new();
    let reference = GitReference::parse("https://example.org/tool.git#main").unwrap().unwrap();
    let fetch = |locking: &Locking, remote: Remote, to: &str| {
        let directory = lab.directory.path().join(to);
        std::fs::create_dir(&directory).unwrap();
        let git = LockedGit { locking, git: &remote, store: &lab.store, now: 1 };
        git.fetch(&reference, false, &directory).map(|commit| (commit, directory)).map_err(|e| e.to_string())
    };
    let writing = Locking::open(LockMode::Write, lab.place(), None).unwrap();
    fetch(&writing, Remote(Some("one")), "a").unwrap();
    let image = Locking::took(&writing).clone();
    fetch(&writing, Remote(Some("one")), "b").unwrap();
    assert_eq!(*Locking::took(&writing), image, "the same tree is the same tar");
    let lock = Lock { images: [("Dockerfile".to_owned(), image)].into() };
    let offline = lab.open(LockMode::Offline, &lock).unwrap();
    let (commit, directory) = fetch(&offline, Remote(None), "c").unwrap();
    assert_eq!(commit, "3f1c".repeat(10));
    assert_eq!(std::fs::read_to_string(directory.join("tool")).unwrap(), "one");
    let empty = Lab::new();
    let offline = empty.open(LockMode::Offline, &lock).unwrap();
    let git = LockedGit { locking: &offline, git: &Remote(None), store: &empty.store, now: 1 };
    let error = git.fetch(&reference, false, &empty.directory.path().join("d")).unwrap_err().to_string();
    assert!(error.contains("no copy of commit 3f1c"), "{error}");
}
