//! Round trips with other people's programs: the same bytes come back.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use oci::descriptor::media_type;
use oci::store::{Batch, Store};
use oci::{Descriptor, Digest, ImageConfig, ImageIndex, Manifest, Platform, Raw, Reference};
use registry::client::credentials::Credentials;
use registry::client::{Client, Options, Platforms, PushOptions};
use registry::server::{Access, Challenge};

/// A tar with one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = vec![0u8; 512];
    archive[..name.len()].copy_from_slice(name.as_bytes());
    archive[100..107].copy_from_slice(b"0000644");
    archive[108..115].copy_from_slice(b"0000000");
    archive[116..123].copy_from_slice(b"0000000");
    archive[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    archive[136..147].copy_from_slice(b"00000000000");
    archive[156] = b'0';
    archive[257..265].copy_from_slice(b"ustar\x0000");
    archive[148..156].copy_from_slice(b"        ");
    let sum: u32 = archive.iter().map(|byte| u32::from(*byte)).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive.extend_from_slice(content);
    archive.resize(archive.len().div_ceil(512) * 512 + 1024, 0);
    archive
}

fn put(store: &Store, kind: &str, bytes: &[u8]) -> Descriptor {
    store.put_blob(bytes).unwrap();
    Descriptor::of(kind, bytes)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image with a file per layer.
fn image(store: &Store, architecture: &str, contents: &[&[u8]]) -> Descriptor {
    let mut config = ImageConfig::for_platform(&Platform::linux(architecture));
    let mut layers = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let tar = tar(&format!("file{number}"), content);
        config.rootfs.diff_ids.push(oci::DiffId(Digest::of(&tar)));
        layers.push(put(store, media_type::OCI_LAYER_GZIP, &gzip(&tar)));
    }
    let config = put(store, media_type::OCI_CONFIG, Raw::write(config).bytes());
    let mut manifest =
        put(store, media_type::OCI_MANIFEST, Raw::write(Manifest::new(config, layers)).bytes());
    manifest.platform = Some(Platform::linux(architecture));
    manifest
}

/// An index of two images, one with a layer of some size.
fn index(store: &Store) -> Digest {
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let images = vec![image(store, "amd64", &[b"one", &large]), image(store, "arm64", &[b"one", b"arm"])];
    let index = put(store, media_type::OCI_INDEX, Raw::write(ImageIndex::new(images)).bytes());
    store.commit(&Batch::default()).unwrap();
    index.digest
}

fn reference(address: SocketAddr, rest: &str) -> Reference {
    format!("{address}/{rest}").parse().unwrap()
}

fn ali(address: SocketAddr) -> Options {
    let credentials = Credentials::Password { user: "ali".to_owned(), password: "sesame".to_owned() };
    Options { credentials: Arc::new((address.to_string(), credentials)), ..Options::default() }
}

#[test]
fn skopeo_reads_and_writes() {
    let Some(skopeo) = common::program("skopeo") else { return };
    for challenge in [Challenge::Basic, Challenge::Bearer { service: "registry".to_owned(), realm: None }] {
        let served = common::serve(common::users().0, challenge);
        let address = served.server.address();
        let client = Client::new(&served.runtime, ali(address));
        let source = common::open(&served.directory.path().join("source"));
        let digest = index(&source);
        client.push(&source, &digest, &reference(address, "ours:1"), &PushOptions::default(), &()).unwrap();
        let (layout, here) = (served.directory.path().join("layout"), format!("docker://{address}"));
        let copy = |from: &str, to: &str, tls: &[&str]| {
            let mut command = Command::new(&skopeo);
            command
                .args(["--insecure-policy", "copy", "--all", "--preserve-digests"])
                .args(tls)
                .args([from, to]);
            common::run(&mut command);
        };
        let layout = format!("oci:{}:x", layout.display());
        let from = ["--src-tls-verify=false", "--src-creds=ali:sesame"];
        let to = ["--dest-tls-verify=false", "--dest-creds=ali:sesame"];
        copy(&format!("{here}/ours:1"), &layout, &from);
        copy(&layout, &format!("{here}/theirs:2"), &to);
        let back = common::open(&served.directory.path().join("back"));
        let pulled = client.pull(&reference(address, "theirs:2"), &Platforms::All, &back, &()).unwrap();
        assert_eq!(pulled.top.digest, digest);
        for manifest in &pulled.manifests {
            for layer in &manifest_of(&back, &manifest.digest).layers {
                assert_eq!(back.read_blob(&layer.digest).unwrap(), source.read_blob(&layer.digest).unwrap());
            }
        }
    }
}

fn manifest_of(store: &Store, digest: &Digest) -> Manifest {
    Raw::<Manifest>::parse(store.read_blob(digest).unwrap()).unwrap().into_parts().1
}

#[test]
fn crane_reads_writes_and_validates() {
    let directory = tempfile::tempdir().unwrap();
    let crane = directory.path().join("crane");
    let Some(()) = common::go(&["build"], "github.com/google/go-containerregistry/cmd/crane", &crane) else {
        return;
    };
    let served = common::serve(Access::default(), Challenge::Basic);
    let address = served.server.address();
    let client = Client::new(&served.runtime, Options::default());
    let digest = index(&served.store);
    client.push(&served.store, &digest, &reference(address, "a/b:1"), &PushOptions::default(), &()).unwrap();
    let home = directory.path().join("home");
    let crane = |arguments: &[&str]| {
        common::run(Command::new(&crane).args(arguments).arg("--insecure").env("DOCKER_CONFIG", &home))
    };
    let image = |rest: &str| format!("{address}/{rest}");
    assert_eq!(crane(&["digest", &image("a/b:1")]), digest.to_string());
    crane(&["validate", "--remote", &image("a/b:1"), "--platform", "linux/amd64"]);
    crane(&["copy", &image("a/b:1"), &image("copied:2")]);
    crane(&["tag", &image("copied:2"), "3"]);
    assert_eq!(crane(&["ls", &image("copied")]), "2\n3");
    assert_eq!(crane(&["catalog", &address.to_string()]), "a/b\ncopied");
    let layer = directory.path().join("layer.tar");
    fs::write(&layer, tar("new", b"by crane")).unwrap();
    crane(&["append", "-f", &layer.display().to_string(), "-t", &image("new:1"), "--oci-empty-base"]);
    let pulled = client.manifest(&reference(address, "new:1")).unwrap();
    assert_eq!(crane(&["digest", &image("new:1")]), pulled.descriptor.digest.to_string());
    crane(&["delete", &image("copied:3")]);
    assert_eq!(client.tags(&reference(address, "copied")).unwrap(), ["2"]);
}

/// Debian's registry, on a port of its own.
struct DockerRegistry {
    process: Child,
    address: SocketAddr,
}

impl DockerRegistry {
    fn start(program: &Path, directory: &Path, auth: &str) -> DockerRegistry {
        // Nobody else is likely to take the port between the two.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = directory.join("registry.yml");
        let storage = directory.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{address}', secret: x}}\n{auth}",
            storage.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        while TcpStream::connect(address).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "the registry ended");
            std::thread::yield_now();
        }
        DockerRegistry { process, address }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Pushes to, pulls from and deletes in a registry that is not ours.
fn round_trip(registry: &DockerRegistry, directory: &Path) {
    let runtime = registry::Runtime::start().unwrap();
    let client = Client::new(&runtime, ali(registry.address));
    let source = common::open(&directory.join("source"));
    let digest = index(&source);
    let to = reference(registry.address, "team/app:1");
    client.push(&source, &digest, &to, &PushOptions::default(), &()).unwrap();
    let again = client.push(
        &source,
        &digest,
        &reference(registry.address, "team/app:2"),
        &PushOptions::default(),
        &(),
    );
    assert_eq!(again.unwrap().sent, 0);
    let options = PushOptions { mount_from: vec!["team/app".parse().unwrap()], ..PushOptions::default() };
    let mounted =
        client.push(&source, &digest, &reference(registry.address, "other"), &options, &()).unwrap();
    assert_eq!(mounted.sent, 0);
    let mut tags = client.tags(&to).unwrap();
    tags.sort();
    assert_eq!(tags, ["1", "2"]);
    let back = common::open(&directory.join("back"));
    let pulled = client.pull(&to, &Platforms::All, &back, &()).unwrap();
    assert_eq!(pulled.top.digest, digest);
    assert_eq!(back.verify(2).unwrap().findings, [""; 0]);
    // It knows no referrers: they are found by the tag that stands in for the list.
    let mut artifact = Manifest::new(put(&source, "application/x.sbom", b"{}"), vec![]);
    artifact.subject =
        Some(Descriptor::new(media_type::OCI_INDEX, digest, source.blob_size(&digest).unwrap()));
    let artifact = put(&source, media_type::OCI_MANIFEST, Raw::write(artifact).bytes()).digest;
    client.push_referrer(&source, &artifact, &to, &()).unwrap();
    let found = client.referrers(&to, None).unwrap();
    assert_eq!(found.iter().map(|entry| entry.digest).collect::<Vec<_>>(), [artifact]);
    client.delete(&to.with_digest(digest)).unwrap();
    assert!(client.resolve(&to).is_err());
}

#[test]
fn debians_registry_with_passwords() {
    let Some(program) = common::program("docker-registry") else { return };
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("htpasswd");
    fs::write(&users, common::users().1).unwrap();
    let auth = format!("auth: {{htpasswd: {{realm: x, path: {}}}}}\n", users.display());
    let registry = DockerRegistry::start(&program, directory.path(), &auth);
    round_trip(&registry, directory.path());
    let runtime = registry::Runtime::start().unwrap();
    let stranger = Client::new(&runtime, Options::default());
    assert!(stranger.resolve(&reference(registry.address, "other")).is_err());
}

#[test]
fn dockers_daemon_pulls_what_was_pushed() {
    let Some(docker) = common::program("docker") else { return };
    let lives = Command::new(&docker).arg("info").output().is_ok_and(|output| output.status.success());
    if !lives {
        eprintln!("SKIPPED: there is no docker daemon to speak to");
        return;
    }
    let served = common::serve(Access::default(), Challenge::Basic);
    let address = served.server.address();
    let client = Client::new(&served.runtime, Options::default());
    let digest = index(&served.store);
    let name = format!("{address}/team/app:1");
    client.push(&served.store, &digest, &name.parse().unwrap(), &PushOptions::default(), &()).unwrap();
    common::run(Command::new(&docker).args(["pull", "--platform", "linux/amd64", &name]));
    let pushed = format!("{address}/team/again:1");
    common::run(Command::new(&docker).args(["tag", &name, &pushed]));
    common::run(Command::new(&docker).args(["push", &pushed]));
    let seen =
        common::run(Command::new(&docker).args(["image", "inspect", "--format", "{{.RepoDigests}}", &name]));
    assert!(seen.contains(&digest.to_string()), "{seen}");
    let back = common::open(&served.directory.path().join("back"));
    let pulled = client.pull(&pushed.parse().unwrap(), &Platforms::One(Platform::linux("amd64")), &back, &());
    assert_eq!(manifest_of(&back, &pulled.unwrap().manifests[0].digest).layers.len(), 2);
    common::run(Command::new(&docker).args(["image", "rm", &name, &pushed]));
}

/// A token server: whoever shows ali's password gets what they ask for.
struct TokenServer {
    address: SocketAddr,
    certificate: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    fn start() -> TokenServer {
        let key = rcgen::generate_simple_self_signed(vec!["tokens".to_owned()]).unwrap();
        let random = ring::rand::SystemRandom::new();
        let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let signer =
            ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, &key.signing_key.serialize_der(), &random)
                .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, chain) = (asked.clone(), STANDARD.encode(key.cert.der()));
        // Ends with the process: the last accept is never answered.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &log, &chain, |message| {
                    signer.sign(&random, message).unwrap().as_ref().to_vec()
                });
            }
        });
        TokenServer { address, certificate: key.cert.pem(), asked }
    }
}

fn answer(
    stream: TcpStream,
    log: &Mutex<Vec<String>>,
    chain: &str,
    sign: impl Fn(&[u8]) -> Vec<u8>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let line = lines.next().transpose()?.unwrap_or_default();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let ali = format!("basic {}", STANDARD.encode("ali:sesame"));
    let known = headers.iter().any(|header| {
        header.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value.eq_ignore_ascii_case(&ali)
        })
    });
    log.lock().unwrap().push(line.clone());
    let query = line.split(' ').nth(1).and_then(|target| target.split_once('?')).unwrap_or_default().1;
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let access: Vec<serde_json::Value> = scopes
        .map(|scope| scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ","))
        .filter_map(|scope| {
            let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
            let actions: Vec<&str> = actions.split(',').collect();
            Some(serde_json::json!({"type": "repository", "name": name, "actions": actions}))
        })
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let header = serde_json::json!({"typ": "JWT", "alg": "ES256", "x5c": [chain]});
    let claims = serde_json::json!({
        "iss": "tests", "sub": "ali", "aud": "test registry", "exp": now + 300, "nbf": now - 10, "iat": now - 10,
        "jti": "1", "access": access,
    });
    let encode = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
    let message =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let token = format!("{message}.{}", encode(&sign(message.as_bytes())));
    let (status, body) = match known {
        true => ("200 OK", serde_json::json!({"token": token, "expires_in": 300}).to_string()),
        false => ("401 Unauthorized", "{}".to_owned()),
    };
    let mut stream = stream;
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn debians_registry_with_a_token_server() {
    let Some(program) = common::program("docker-registry") else { return };
    let directory = tempfile::tempdir().unwrap();
    let tokens = TokenServer::start();
    let bundle = directory.path().join("tokens.pem");
    fs::write(&bundle, &tokens.certificate).unwrap();
    let auth = format!(
        "auth: {{token: {{realm: 'http://{}/token', service: test registry, issuer: tests, rootcertbundle: {}}}}}\n",
        tokens.address,
        bundle.display()
    );
    let registry = DockerRegistry::start(&program, directory.path(), &auth);
    round_trip(&registry, directory.path());
    let asked = tokens.asked.lock().unwrap().clone();
    // One for each thing that is done: push, mount, pull, delete; not one for each request.
    assert!((4..=12).contains(&asked.len()), "{asked:#?}");
    assert!(asked.iter().all(|line| line.contains("service=test") && line.contains("account=ali")));
}
