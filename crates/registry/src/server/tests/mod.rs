//! Tests of the server, over memory and over a store.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use oci::descriptor::media_type;
use oci::layer::OverlayForm;
use oci::store::{Batch, Store};
use oci::{Descriptor, Digest, ImageConfig, Manifest, Platform, Raw};
use reqwest::Method;

use super::access::tests::users;
use super::access::{Right, Rule, Who};
use super::*;

mod content;
mod guard;

struct Fixture {
    runtime: Runtime,
    http: reqwest::Client,
    server: Server,
    store: Option<Arc<Store>>,
    _directory: tempfile::TempDir,
}

/// An answer: status, headers, body.
struct Got(u16, http::HeaderMap, Vec<u8>);

impl Got {
    fn header(&self, name: &str) -> &str {
        self.1.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The code of the error.
    fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.2).unwrap();
        body["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

fn settings() -> Settings {
    Settings {
        address: ([127, 0, 0, 1], 0).into(),
        access: Arc::default(),
        challenge: Challenge::Basic,
        open_to_all: false,
        tls: None,
        limits: Limits::default(),
        secret: [3; 32],
    }
}

fn open(path: &Path) -> Store {
    // What we make is ours, and says who we are.
    let mine = tempfile::NamedTempFile::new().unwrap();
    let root = std::os::unix::fs::MetadataExt::uid(&mine.as_file().metadata().unwrap()) == 0;
    Store::open(path, if root { OverlayForm::Trusted } else { OverlayForm::User }).unwrap()
}

fn serve(settings: Settings, with_store: bool) -> Fixture {
    let runtime = Runtime::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = with_store.then(|| Arc::new(open(directory.path())));
    let storage = match &store {
        Some(store) => Storage::new(Arc::new(StoreContent::new(store.clone()))),
        None => Storage::new(Arc::new(Memory::new())),
    };
    let server = Server::start(&runtime, settings, storage, Arc::new(())).unwrap();
    let tls = crate::tls::client(&[], None, true).unwrap();
    let http = reqwest::Client::builder().use_preconfigured_tls(tls).no_proxy().build().unwrap();
    Fixture { runtime, http, server, store, _directory: directory }
}

/// The same over both kinds of storage.
fn both(check: impl Fn(&Fixture)) {
    for with_store in [false, true] {
        check(&serve(settings(), with_store));
    }
}

impl Fixture {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let path = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("http://{}{path}", self.server.address())
        };
        let mut request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.to_vec();
        self.runtime.wait(async move {
            let answer = request.body(body).send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Got(status, headers, answer.bytes().await.unwrap().to_vec())
        })
    }

    fn get(&self, path: &str) -> Got {
        self.ask("GET", path, &[], b"")
    }

    fn put_blob(&self, repository: &str, bytes: &[u8]) -> Descriptor {
        let begun = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        let digest = Digest::of(bytes);
        let done = self.ask("PUT", &format!("{}?digest={digest}", begun.header("location")), &[], bytes);
        assert_eq!(done.0, 201);
        Descriptor::new("application/x", digest, bytes.len() as u64)
    }

    fn put_manifest(&self, repository: &str, name: &str, kind: &str, bytes: &[u8]) -> Got {
        self.ask("PUT", &format!("/v2/{repository}/manifests/{name}"), &[("content-type", kind)], bytes)
    }

    /// An image in a repository; the digest of its manifest.
    fn put_image(&self, repository: &str, tag: &str, layer: &[u8]) -> Digest {
        let manifest = Raw::write(Manifest::new(
            self.put_blob(repository, b"{}"),
            vec![self.put_blob(repository, layer)],
        ));
        assert_eq!(self.put_manifest(repository, tag, media_type::OCI_MANIFEST, manifest.bytes()).0, 201);
        manifest.digest()
    }
}
