//! Who may do what, and what nobody may exceed.

use super::*;

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
    let fixture = serve(Settings { access: Arc::new(LiveAccess::new(access)), ..settings() }, false);
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
    let access = Access { users: users(), ..Access::default() };
    start(Settings { access: Arc::new(LiveAccess::new(access)), ..all() }).unwrap();
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
fn a_refused_body_that_is_short_costs_no_connection_and_one_that_is_long_ends_it_aloud() {
    let fixture = serve(settings(), false);
    let put = |body: usize, more: &str| {
        let mut stream = TcpStream::connect(fixture.server.address()).unwrap();
        let head = format!(
            "PUT /v2/a/manifests/sha256:wrong HTTP/1.1\r\nhost: x\r\ncontent-length: {body}\r\n{more}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    // The body comes in two parts, so that the second cannot have been there when the answer was made.
    let mut stream = put(6, "");
    stream.write_all(b"one").unwrap();
    stream.write_all(b"two").unwrap();
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert!(answers.starts_with("HTTP/1.1 400 ") && answers.contains("HTTP/1.1 200 OK\r\n"), "{answers}");

    // Whoever waits to be told to send is not told.
    let mut waiting = put(1 << 30, "expect: 100-continue\r\n");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close\r\n"), "{answer}");
}
