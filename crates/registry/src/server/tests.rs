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
        access: Access::default(),
        challenge: Challenge::Basic,
        open_to_all: false,
        tls: None,
        limits: Limits::default(),
        secret: [3; 32],
    }
}

fn open(path: &Path) -> Store {
    // SAFETY-free way to ask who we are: what we make is ours.
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

#[test]
fn uploads_in_all_their_ways() {
    both(|fixture| {
        let digest = Digest::of(b"hello world");
        // In one request.
        let one = fixture.ask("POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], b"hello world");
        assert_eq!((one.0, one.header("location")), (201, &*format!("/v2/a/blobs/{digest}")));
        // Chunks, out of order and in order.
        let begun = fixture.ask("POST", "/v2/b/blobs/uploads/", &[], b"");
        assert_eq!((begun.0, begun.header("range")), (202, "0-0"));
        let upload = begun.header("location").to_owned();
        let patch =
            |range: &str, bytes: &[u8]| fixture.ask("PATCH", &upload, &[("content-range", range)], bytes);
        let wrong = patch("6-10", b"world");
        assert_eq!((wrong.0, wrong.code().as_str()), (416, "RANGE_INVALID"));
        assert_eq!(patch("0-9", b"hello ").0, 400, "lengths disagree");
        let right = patch("0-5", b"hello ");
        assert_eq!((right.0, right.header("range")), (202, "0-5"));
        assert_eq!(patch("0-5", b"hello ").0, 416);
        let status = fixture.get(&upload);
        assert_eq!((status.0, status.header("range"), status.2.len()), (204, "0-5", 0));
        assert_eq!(fixture.ask("PUT", &upload, &[], b"").code(), "DIGEST_INVALID");
        let done =
            fixture.ask("PUT", &format!("{upload}?digest={digest}"), &[("content-range", "6-10")], b"world");
        assert_eq!((done.0, done.header("docker-content-digest")), (201, &*digest.to_string()));
        assert_eq!(fixture.get(&upload).code(), "BLOB_UPLOAD_UNKNOWN");
        // Given up.
        let begun = fixture.ask("POST", "/v2/b/blobs/uploads/", &[], b"");
        assert_eq!(
            fixture.get(&begun.header("location").replace("/b/", "/c/")).0,
            404,
            "of another repository"
        );
        assert_eq!(fixture.ask("DELETE", begun.header("location"), &[], b"").0, 204);
        assert_eq!(fixture.get(begun.header("location")).0, 404);
        // Other bytes than announced leave nothing.
        let begun = fixture.ask("POST", "/v2/d/blobs/uploads/", &[], b"");
        let wrong =
            fixture.ask("PUT", &format!("{}?digest={digest}", begun.header("location")), &[], b"hello there");
        assert_eq!((wrong.0, wrong.code().as_str()), (400, "DIGEST_INVALID"));
        assert_eq!(fixture.get(&format!("/v2/d/blobs/{digest}")).code(), "BLOB_UNKNOWN");
        assert_eq!(fixture.get(&format!("/v2/d/blobs/{}", Digest::of(b"hello there"))).0, 404);
        // SHA-512 too.
        let long = Digest::of_with(oci::digest::Algorithm::Sha512, b"long");
        assert_eq!(fixture.ask("POST", &format!("/v2/a/blobs/uploads/?digest={long}"), &[], b"long").0, 201);
        assert_eq!(fixture.get(&format!("/v2/a/blobs/{long}")).2, b"long");
    });
}

#[test]
fn blobs_whole_and_in_parts() {
    both(|fixture| {
        let bytes: Vec<u8> = (0..600_000u32).map(|n| (n % 251) as u8).collect();
        let path = format!("/v2/a/blobs/{}", fixture.put_blob("a", &bytes).digest);
        assert_eq!(fixture.get(&path).2, bytes);
        let head = fixture.ask("HEAD", &path, &[], b"");
        assert_eq!((head.0, head.header("content-length"), head.2.len()), (200, "600000", 0));
        let part = |range: &str| fixture.ask("GET", &path, &[("range", range)], b"");
        let some = part("bytes=300000-300009");
        assert_eq!((some.0, some.header("content-range")), (206, "bytes 300000-300009/600000"));
        assert_eq!(some.2, bytes[300_000..300_010]);
        assert_eq!(part("bytes=599990-").2, bytes[599_990..]);
        let beyond = part("bytes=600000-");
        assert_eq!((beyond.0, beyond.header("content-range")), (416, "bytes */600000"));
        let known = fixture.ask("GET", &path, &[("if-none-match", head.header("etag"))], b"");
        assert_eq!((known.0, known.2.len()), (304, 0));
        // A blob is only where it was brought to, or mounted.
        let digest = Digest::of(&bytes);
        assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).0, 404);
        let mount = |query: &str| {
            fixture.ask("POST", &format!("/v2/b/blobs/uploads/?mount={digest}{query}"), &[], b"").0
        };
        assert_eq!(mount("&from=c"), 202);
        assert_eq!(mount("&from=a"), 201);
        assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).2.len(), 600_000);
        assert_eq!(fixture.ask("DELETE", &path, &[], b"").0, 202);
        assert_eq!(fixture.ask("DELETE", &path, &[], b"").0, 404);
        assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).0, 200);
    });
}

#[test]
fn manifests_tags_and_what_they_need() {
    both(|fixture| {
        let (config, layer) = (fixture.put_blob("a", b"{}"), fixture.put_blob("a", b"layer"));
        let manifest = Raw::write(Manifest::new(config.clone(), vec![layer]));
        let digest = manifest.digest();
        let put = |name: &str, bytes: &[u8]| fixture.put_manifest("a", name, media_type::OCI_MANIFEST, bytes);
        for tag in ["v1", "v2", "v3", "latest"] {
            assert_eq!(put(tag, manifest.bytes()).header("docker-content-digest"), digest.to_string());
        }
        let got = fixture.get("/v2/a/manifests/v1");
        assert_eq!((got.header("content-type"), &got.2[..]), (media_type::OCI_MANIFEST, manifest.bytes()));
        let head = fixture.ask("HEAD", &format!("/v2/a/manifests/{digest}"), &[], b"");
        assert_eq!((head.0, head.header("content-length")), (200, &*manifest.bytes().len().to_string()));
        assert_eq!(fixture.get("/v2/a/manifests/none").code(), "MANIFEST_UNKNOWN");
        assert_eq!(fixture.get("/v2/b/manifests/v1").0, 404);
        // Lists in pages.
        let tags = fixture.get("/v2/a/tags/list?n=3");
        assert_eq!(String::from_utf8(tags.2.clone()).unwrap(), r#"{"name":"a","tags":["latest","v1","v2"]}"#);
        assert_eq!(tags.header("link"), "</v2/a/tags/list?n=3&last=v2>; rel=\"next\"");
        let rest = fixture.get("/v2/a/tags/list?n=3&last=v2");
        assert_eq!(
            (String::from_utf8(rest.2.clone()).unwrap().as_str(), rest.header("link")),
            (r#"{"name":"a","tags":["v3"]}"#, "")
        );
        assert_eq!(fixture.get("/v2/none/tags/list").code(), "NAME_UNKNOWN");
        assert_eq!(fixture.get("/v2/a/tags/list?n=x").0, 400);
        assert_eq!(fixture.get("/v2/_catalog").2, br#"{"repositories":["a"]}"#);
        // What cannot be.
        assert_eq!(put(&Digest::of(b"other").to_string(), manifest.bytes()).code(), "DIGEST_INVALID");
        assert_eq!(put("sha256:bad", manifest.bytes()).0, 400);
        assert_eq!(put("v9", b"{").code(), "MANIFEST_INVALID");
        assert_eq!(put(".v9", manifest.bytes()).code(), "TAG_INVALID");
        let lacking = Raw::write(Manifest::new(config, vec![Descriptor::of("x", b"elsewhere")]));
        let refused = put("v9", lacking.bytes());
        assert_eq!((refused.0, refused.code().as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
        assert_eq!(put("v9", &vec![b' '; (4 << 20) + 1]).0, 413);
        assert_eq!(fixture.get("/v2/a/manifests/v9").0, 404);
        // Several tags at once.
        let tagged = put(&format!("{digest}?tag=x1&tag=x2"), manifest.bytes());
        assert_eq!((tagged.0, tagged.header("oci-tag")), (201, "x1, x2"));
        assert_eq!(fixture.get("/v2/a/manifests/x2").2, manifest.bytes());
        assert_eq!(put(&format!("{digest}?tag=.x"), manifest.bytes()).code(), "TAG_INVALID");
        // Deletion.
        assert_eq!(fixture.ask("DELETE", "/v2/a/manifests/v1", &[], b"").0, 202);
        assert_eq!(fixture.get("/v2/a/manifests/v1").0, 404);
        assert_eq!(fixture.ask("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"").0, 202);
        assert_eq!(fixture.get("/v2/a/manifests/latest").0, 404);
        assert_eq!(fixture.get("/v2/a/tags/list").2, br#"{"name":"a","tags":[]}"#);
    });
}

#[test]
fn referrers_and_nested_indexes() {
    both(|fixture| {
        let subject = fixture.put_image("a", "app", b"layer");
        let refer = |kind: &str| {
            let mut manifest = Manifest::new(fixture.put_blob("a", b"{}"), vec![]);
            manifest.artifact_type = Some(kind.to_owned());
            manifest.annotations.insert("k".to_owned(), kind.to_owned());
            manifest.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, subject, 1));
            let raw = Raw::write(manifest);
            let put =
                fixture.put_manifest("a", &raw.digest().to_string(), media_type::OCI_MANIFEST, raw.bytes());
            assert_eq!(put.header("oci-subject"), subject.to_string());
        };
        refer("application/x.one");
        refer("application/x.two");
        let list = |query: &str| {
            let got = fixture.get(&format!("/v2/a/referrers/{subject}{query}"));
            assert_eq!((got.0, got.header("content-type")), (200, media_type::OCI_INDEX));
            let index: serde_json::Value = serde_json::from_slice(&got.2).unwrap();
            let kinds = index["manifests"].as_array().unwrap().iter();
            let kinds: Vec<String> =
                kinds.map(|m| format!("{} {}", m["artifactType"], m["annotations"]["k"])).collect();
            (kinds.len(), got.header("oci-filters-applied").to_owned())
        };
        assert_eq!(list(""), (2, String::new()));
        assert_eq!(list("?artifactType=application/x.two"), (1, "artifactType".to_owned()));
        assert_eq!(fixture.get(&format!("/v2/a/referrers/{}", Digest::of(b"none"))).0, 200);
        assert_eq!(fixture.get("/v2/a/referrers/x").0, 400);
        // Indexes of indexes, up to a depth.
        let mut child = (subject, media_type::OCI_MANIFEST);
        for depth in 1..=5 {
            let index = Raw::write(oci::ImageIndex::new(vec![Descriptor::new(child.1, child.0, 1)]));
            let put =
                fixture.put_manifest("a", &format!("depth{depth}"), media_type::OCI_INDEX, index.bytes());
            assert_eq!(put.0, if depth <= 4 { 201 } else { 400 });
            child = (index.digest(), media_type::OCI_INDEX);
        }
        let foreign =
            Raw::write(oci::ImageIndex::new(vec![Descriptor::new(media_type::OCI_MANIFEST, subject, 1)]));
        assert_eq!(
            fixture.put_manifest("b", "x", media_type::OCI_INDEX, foreign.bytes()).code(),
            "MANIFEST_BLOB_UNKNOWN"
        );
    });
}

#[test]
fn who_may_do_what() {
    let rule = |who, repositories: &str, rights: &[Right]| Rule {
        who,
        repositories: repositories.parse().unwrap(),
        rights: rights.to_vec(),
    };
    let rules = vec![
        rule(Who::Anyone, "public/**", &[Right::Pull]),
        rule(Who::User("ali".to_owned()), "**", &[Right::Pull]),
        rule(Who::User("ali".to_owned()), "team/*", &[Right::Push]),
    ];
    let access = Access { users: users(), rules, ..Access::default() };
    let fixture = serve(Settings { access, ..settings() }, false);
    let basic = |password: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("ali:{password}")))
    };
    let with = |method: &str, path: &str, authorization: &str| {
        fixture.ask(method, path, &[("authorization", authorization)], b"")
    };
    let nobody = fixture.get("/v2/");
    assert_eq!((nobody.0, nobody.header("www-authenticate")), (401, "Basic realm=\"registry\""));
    assert_eq!(with("GET", "/v2/", &basic("open sesame")).0, 200);
    for wrong in
        [&*basic("wrong"), "Basic x", "Basic", "Digest y", "Bearer z", &format!("Basic {}", "x".repeat(5000))]
    {
        assert_eq!(with("GET", "/v2/", wrong).0, 401, "{wrong}");
    }
    let ali = basic("open sesame");
    assert_eq!(with("POST", "/v2/team/app/blobs/uploads/", &ali).0, 202);
    let denied = with("POST", "/v2/other/blobs/uploads/", &ali);
    assert_eq!((denied.0, denied.code().as_str()), (403, "DENIED"));
    assert_eq!(with("DELETE", "/v2/team/app/manifests/x", &ali).0, 403);
    assert_eq!(fixture.get("/v2/public/a/manifests/x").0, 404);
    assert_eq!(fixture.get("/v2/team/app/manifests/x").0, 401);
    assert_eq!(fixture.ask("POST", "/v2/public/a/blobs/uploads/", &[], b"").0, 401);
}

#[test]
fn nobody_listens_to_all_without_credentials() {
    let start = |settings: Settings| {
        let runtime = Runtime::start().unwrap();
        Server::start(&runtime, settings, Storage::new(Arc::new(Memory::new())), Arc::new(())).map(drop)
    };
    let all = || Settings { address: ([0, 0, 0, 0], 0).into(), ..settings() };
    assert!(matches!(start(all()), Err(StartError::OpenToAll(_))));
    start(Settings { open_to_all: true, ..all() }).unwrap();
    start(Settings { access: Access { users: users(), ..Access::default() }, ..all() }).unwrap();
    let taken = serve(settings(), false);
    let again = start(Settings { address: taken.server.address(), ..settings() });
    assert!(matches!(again, Err(StartError::Listen { .. })));
}

#[test]
fn tls_with_an_authority_of_ones_own() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = key.cert.pem().into_bytes();
    let tls = Identity {
        certificates: certificate.clone(),
        key: key.signing_key.serialize_pem().into_bytes(),
        origin: "a test".to_owned(),
    };
    let fixture = serve(Settings { tls: Some(tls), ..settings() }, false);
    let port = fixture.server.address().port();
    assert_eq!(fixture.get(&format!("https://localhost:{port}/v2/")).0, 200);
    let reference: oci::Reference = format!("localhost:{port}/a").parse().unwrap();
    let client = |options| crate::client::Client::new(&fixture.runtime, options);
    // A certificate that nobody vouches for is no reason to speak in the clear.
    let error = client(Default::default()).check_credentials(&reference).unwrap_err();
    let cause = std::error::Error::source(std::error::Error::source(&error).unwrap()).unwrap().to_string();
    assert!(cause.contains("certificate"), "{cause}");
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join(format!("localhost:{port}"));
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("ca.crt"), &certificate).unwrap();
    let options = crate::client::Options {
        certificate_directories: vec![directory.path().to_owned()],
        ..Default::default()
    };
    client(options).check_credentials(&reference).unwrap();
    let insecure = crate::client::config::RegistryConfig {
        prefix: reference.domain().to_owned(),
        insecure: true,
        ..Default::default()
    };
    let options = crate::client::Options { registries: vec![insecure], ..Default::default() };
    client(options).check_credentials(&reference).unwrap();
}

#[test]
fn slow_and_too_many_clients() {
    let limits = Limits {
        connections: 2,
        connection_idle: Duration::from_millis(200),
        head: Duration::from_millis(200),
        ..Limits::default()
    };
    let fixture = serve(Settings { limits, ..settings() }, false);
    let connect = || TcpStream::connect(fixture.server.address()).unwrap();
    // Two say nothing, or not enough; the third is served when they have been sent away.
    let (mut silent, mut slow) = (connect(), connect());
    slow.write_all(b"GET /v2/ HTT").unwrap();
    let mut third = connect();
    third.write_all(b"GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for gone in [&mut silent, &mut slow] {
        assert!(matches!(gone.read(&mut [0; 100]), Ok(_) | Err(_)));
    }
}

#[test]
fn too_large_and_too_many() {
    let limits = Limits { blob: 100, uploads: 2, ..Limits::default() };
    let fixture = serve(Settings { limits, ..settings() }, false);
    let begin = || fixture.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
    let first = begin();
    assert_eq!(fixture.ask("PATCH", first.header("location"), &[], &[0; 101]).0, 413);
    begin();
    let third = begin();
    assert_eq!((third.0, third.header("retry-after")), (429, "30"));
}

#[test]
fn what_runs_comes_to_its_end_when_the_server_goes() {
    let fixture = serve(settings(), false);
    let mut stream = TcpStream::connect(fixture.server.address()).unwrap();
    let digest = Digest::of(b"hello");
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhel"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let address = fixture.server.address();
    let mut probe = TcpStream::connect(address).unwrap();
    // Its request has been read when this one is answered: connections are accepted in order.
    probe.write_all(b"GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    probe.read_to_end(&mut Vec::new()).unwrap();
    let (server, runtime) = (fixture.server, fixture.runtime);
    let ending = std::thread::spawn(move || server.shut_down(Duration::from_secs(10)));
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(b"lo").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    ending.join().unwrap();
    drop(runtime);
}

#[test]
fn what_the_store_has_tagged_can_be_pulled_and_pushes_change_no_names() {
    let fixture = serve(settings(), true);
    let store = fixture.store.as_ref().unwrap();
    let config = Raw::write(ImageConfig::for_platform(&Platform::linux("amd64")));
    store.put_blob(config.bytes()).unwrap();
    store.put_blob(b"layer").unwrap();
    let config = config.descriptor(media_type::OCI_CONFIG);
    let manifest =
        Raw::write(Manifest::new(config, vec![Descriptor::of(media_type::OCI_LAYER_GZIP, b"layer")]));
    let digest = store.put_blob(manifest.bytes()).unwrap();
    for name in ["app:1", "ghcr.io/team/app:2"] {
        store.tag(&name.parse().unwrap(), &digest).unwrap();
    }
    for path in ["app", "library/app"] {
        assert_eq!(fixture.get(&format!("/v2/{path}/manifests/1")).2, manifest.bytes());
        assert_eq!(fixture.get(&format!("/v2/{path}/blobs/{}", Digest::of(b"layer"))).2, b"layer");
    }
    assert_eq!(
        fixture.get("/v2/ghcr.io/team/app/tags/list").2,
        br#"{"name":"ghcr.io/team/app","tags":["2"]}"#
    );
    assert_eq!(fixture.get(&format!("/v2/other/blobs/{}", Digest::of(b"layer"))).0, 404);
    assert_eq!(fixture.get("/v2/_catalog").2, br#"{"repositories":["app","ghcr.io/team/app"]}"#);
    // A push under the same name is what the registry says from then on, and nothing to the store's own names.
    let pushed = fixture.put_image("app", "1", b"pushed");
    assert_eq!(fixture.get("/v2/app/manifests/1").header("docker-content-digest"), pushed.to_string());
    assert_eq!(store.resolve("app:1").unwrap().unwrap().digest, digest);
}

#[test]
fn collection_takes_nothing_from_a_push_under_way_and_little_from_a_killed_server() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().unwrap();
    let server = |generation| {
        let content = StoreContent::with_generation(Arc::new(open(directory.path())), generation);
        Server::start(&runtime, settings(), Storage::new(Arc::new(content)), Arc::new(())).unwrap()
    };
    let http = reqwest::Client::builder()
        .use_preconfigured_tls(crate::tls::client(&[], None, true).unwrap())
        .no_proxy()
        .build()
        .unwrap();
    let fixture = |server| Fixture {
        runtime: runtime.clone(),
        http: http.clone(),
        server,
        store: None,
        _directory: tempfile::tempdir().unwrap(),
    };
    // Leases of each request end two requests later: nothing that a manifest names depends on them.
    for generation in [Duration::from_secs(3600), Duration::ZERO] {
        let fixture = fixture(server(generation));
        let collector = open(directory.path());
        let kept = fixture.put_image("kept", "1", b"kept");
        let begun = fixture.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
        assert_eq!(fixture.ask("PATCH", begun.header("location"), &[], b"half").0, 202);
        let config = fixture.put_blob("a", b"config");
        collector.gc(Some(0)).unwrap();
        let whole = Digest::of(b"halfrest");
        let done = fixture.ask("PUT", &format!("{}?digest={whole}", begun.header("location")), &[], b"rest");
        assert_eq!(done.0, 201);
        let manifest = Raw::write(Manifest::new(config, vec![Descriptor::new("x", whole, 8)]));
        let put = fixture.put_manifest("a", "1", media_type::OCI_MANIFEST, manifest.bytes());
        if generation > Duration::ZERO {
            assert_eq!(put.0, 201);
        }
        collector.gc(Some(0)).unwrap();
        assert_eq!(fixture.get(&format!("/v2/kept/manifests/{kept}")).0, 200);
        assert_eq!(fixture.get(&format!("/v2/kept/blobs/{}", Digest::of(b"kept"))).2, b"kept");
    }
    let store = open(directory.path());
    store.sync_and_commit(&Batch::default()).unwrap();
    store.gc(Some(0)).unwrap();
    let report = store.verify(2).unwrap();
    assert_eq!((report.findings, report.orphans.len()), (Vec::<String>::new(), 0));
}
