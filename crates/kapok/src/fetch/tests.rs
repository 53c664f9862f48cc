//! Fetching against servers on loopback that say exactly what a test tells them.

use super::*;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One answer per request, over as few connections as the client likes; an empty one closes the connection.
struct Server {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    answers: VecDeque<String>,
    requests: Vec<String>,
    connections: usize,
}

impl Server {
    /// `PORT` in an answer is the server's own port.
    fn start(answers: &[&str]) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = answers.iter().map(|answer| answer.replace("PORT", &port.to_string())).collect();
        let shared = Arc::new(Mutex::new(Shared { answers, ..Shared::default() }));
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                shared.lock().unwrap().connections += 1;
                std::thread::spawn(move || serve(&shared, &stream));
            }
        });
        Server { port, shared }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The first line of every request, and the lines that begin like one of these.
    fn requests(&self, headers: &[&str]) -> Vec<String> {
        let wanted = |line: &&str| headers.iter().any(|header| line.to_lowercase().starts_with(header));
        let shared = self.shared.lock().unwrap();
        let short = |request: &String| {
            let mut lines = request.lines();
            let first = lines.next().unwrap_or_default().to_owned();
            let rest = lines.filter(wanted).map(|line| format!(" | {line}")).collect::<String>();
            (first + &rest).replace(&self.port.to_string(), "PORT")
        };
        shared.requests.iter().map(short).collect()
    }
}

fn serve(shared: &Mutex<Shared>, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if reader.read_line(&mut request).unwrap_or(0) == 0 {
                return;
            }
        }
        let answer = {
            let mut shared = shared.lock().unwrap();
            shared.requests.push(request);
            shared.answers.pop_front().unwrap_or_default()
        };
        let mut stream = stream;
        if stream.write_all(answer.as_bytes()).is_err()
            || answer.is_empty()
            || answer.contains("Connection: close")
        {
            return;
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn fetcher(variables: &[(&str, &str)]) -> HttpFetch {
    HttpFetch { pauses: [Duration::ZERO; 3], ..HttpFetch::new(&Environment::of(variables, false)) }
}

fn get(server: &Server, path: &str, limit: u64) -> Result<(String, Fetched), FetchError> {
    let mut out = Vec::new();
    let fetched = fetcher(&[]).fetch(&server.url(path), &mut out, limit)?;
    Ok((String::from_utf8(out).unwrap(), fetched))
}

#[test]
fn a_body_comes_with_what_is_said_of_it() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"x\"\r\nContent-Type: text/plain\r\n\
        Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Disposition: attachment; filename=\"a.b\"\r\n\r\nhi";
    let server = Server::start(&[answer]);
    let (body, fetched) = get(&server, "x?y#z", 10).unwrap();
    assert_eq!(body, "hi");
    assert_eq!(fetched.size, 2);
    assert_eq!(fetched.etag.as_deref(), Some("\"x\""));
    assert_eq!(fetched.content_type.as_deref(), Some("text/plain"));
    assert_eq!(fetched.last_modified, Some(784_111_777));
    assert_eq!(fetched.file_name.as_deref(), Some("a.b"));
    assert_eq!(fetched.final_url, server.url("x?y"));
    assert_eq!(server.requests(&["accept-encoding"]), ["GET /x?y HTTP/1.1 | accept-encoding: identity"]);
}

#[test]
fn connections_stay_open() {
    let server = Server::start(&[&ok("a"), &ok("b"), &ok("c")]);
    let fetch = fetcher(&[]);
    for _ in 0..3 {
        fetch.fetch(&server.url(""), &mut Vec::new(), 10).unwrap();
    }
    assert_eq!(server.shared.lock().unwrap().connections, 1);
}

#[test]
fn redirects_are_followed_and_bounded() {
    let to = |path: &str| format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n");
    let server = Server::start(&[&to("/b"), &to("c/d"), &to("http://127.0.0.1:PORT/e"), &ok("end")]);
    let (body, fetched) = get(&server, "a", 10).unwrap();
    assert_eq!((body.as_str(), fetched.final_url), ("end", server.url("e")));

    let answers = vec![to("/a"); 30];
    let server = Server::start(&answers.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(matches!(get(&server, "a", 10), Err(FetchError::Redirects { .. })));
    assert_eq!(server.requests(&[]).len(), 21);

    let server = Server::start(&[&to("file:///etc/passwd")]);
    assert!(matches!(get(&server, "a", 10), Err(FetchError::Url { .. })));
}

#[test]
fn a_login_stays_with_its_host() {
    let other = Server::start(&[&ok("end")]);
    let answer = format!("HTTP/1.1 307 Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", other.url("b"));
    let server = Server::start(&["HTTP/1.1 301 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", &answer]);
    let url = server.url("a").replace("http://", "http://ada:pass@");
    fetcher(&[]).fetch(&url, &mut Vec::new(), 10).unwrap();
    let login = " | authorization: Basic YWRhOnBhc3M=";
    let expected = [format!("GET /a HTTP/1.1{login}"), format!("GET /x HTTP/1.1{login}")];
    assert_eq!(server.requests(&["authorization"]), expected);
    assert_eq!(other.requests(&["authorization"]), ["GET /b HTTP/1.1"]);
}

#[test]
fn a_known_login_is_sent_to_its_place_only() {
    let server = Server::start(&[&ok("a"), &ok("b"), &ok("c")]);
    let fetch = fetcher(&[]).with_logins(vec![Login::new(&server.url("deb/"), "ada", "pass").unwrap()]);
    for path in ["deb/x", "debt", "deb?q"] {
        fetch.fetch(&server.url(path), &mut Vec::new(), 10).unwrap();
    }
    let login = " | authorization: Basic YWRhOnBhc3M=";
    let lines = [("deb/x", login), ("debt", ""), ("deb?q", login)];
    let expected = lines.map(|(path, login)| format!("GET /{path} HTTP/1.1{login}"));
    assert_eq!(server.requests(&["authorization"]), expected);
}

#[test]
fn an_upstream_that_stumbles_is_asked_again() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(&[busy, &ok("there")]);
    assert_eq!(get(&server, "a", 10).unwrap().0, "there");
    // A connection that ends before the answer.
    let server = Server::start(&["", &ok("there")]);
    assert_eq!(get(&server, "a", 10).unwrap().0, "there");
}

#[test]
fn an_answer_that_is_no_is_not_asked_again() {
    let server = Server::start(&["HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nno!", &ok("")]);
    let error = get(&server, "a?secret", 10).unwrap_err();
    assert!(error.not_found() && !error.retryable());
    assert_eq!(error.to_string(), format!("`{}` answered 404", server.url("a")));
    assert_eq!(server.requests(&[]).len(), 1);
}

#[test]
fn a_long_wait_is_not_waited() {
    let busy = "HTTP/1.1 429 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(&[busy]);
    let error = get(&server, "a", 10).unwrap_err();
    assert!(error.retryable());
    assert_eq!(server.requests(&[]).len(), 1);
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let first = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n01234";
    let second = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n56789";
    let server = Server::start(&[first, second]);
    assert_eq!(get(&server, "a", 10).unwrap().0, "0123456789");
    let expected = ["GET /a HTTP/1.1", "GET /a HTTP/1.1 | range: bytes=5- | if-range: \"v1\""];
    assert_eq!(server.requests(&["range", "if-range"]), expected);
}

#[test]
fn a_transfer_that_cannot_go_on_is_the_callers_to_begin_again() {
    let broken = |header: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n{header}Connection: close\r\n\r\n01234")
    };
    // Nothing says that it would still be the same body.
    let server = Server::start(&[&broken("")]);
    assert!(get(&server, "a", 10).unwrap_err().retryable());
    assert_eq!(server.requests(&[]).len(), 1);
    // The body is another one now.
    let server = Server::start(&[&broken("ETag: \"v1\"\r\n"), &ok("abcdefghij"), &ok("abcdefghij")]);
    let error = get(&server, "a", 10).unwrap_err();
    assert!(matches!(error, FetchError::Truncated { received: 5, .. }), "{error:?}");
    assert_eq!(server.requests(&[]).len(), 2);
}

#[test]
fn a_body_has_its_limit() {
    let server = Server::start(&[&ok("0123456789"), &ok("0123456789")]);
    assert_eq!(get(&server, "a", 10).unwrap().0.len(), 10);
    assert!(matches!(get(&server, "a", 9), Err(FetchError::TooLarge { limit: 9, .. })));
    let endless =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n";
    let server = Server::start(&[endless, endless]);
    assert_eq!(get(&server, "a", 10).unwrap().0, "0123401234");
    assert!(matches!(get(&server, "a", 9), Err(FetchError::TooLarge { .. })));
}

#[test]
fn what_has_not_changed_is_not_sent() {
    let server = Server::start(&["HTTP/1.1 304 Same\r\n\r\n", &ok("new")]);
    let (fetch, mut out) = (fetcher(&[]), Vec::new());
    assert_eq!(fetch.fetch_unless(&server.url("a"), "\"v1\"", &mut out, 10).unwrap(), None);
    assert!(fetch.fetch_unless(&server.url("a"), "\"v1\"", &mut out, 10).unwrap().is_some());
    assert_eq!(out, b"new");
    assert_eq!(server.requests(&["if-none"])[0], "GET /a HTTP/1.1 | if-none-match: \"v1\"");
}

#[test]
fn a_proxy_is_asked_by_absolute_form() {
    let proxy = Server::start(&[&ok("one"), &ok("two")]);
    let address = format!("http://user:pw@127.0.0.1:{}", proxy.port);
    let fetch = fetcher(&[("http_proxy", &address), ("no_proxy", "127.0.0.1")]);
    let mut out = Vec::new();
    for path in ["a?b", "c"] {
        fetch.fetch(&format!("http://mirror.example:81/{path}"), &mut out, 10).unwrap();
    }
    assert_eq!(out, b"onetwo");
    let login = "proxy-authorization: Basic dXNlcjpwdw==";
    assert_eq!(
        proxy.requests(&["host", "proxy-"]),
        [
            format!("GET http://mirror.example:81/a?b HTTP/1.1 | host: mirror.example:81 | {login}"),
            format!("GET http://mirror.example:81/c HTTP/1.1 | host: mirror.example:81 | {login}"),
        ]
    );
    assert_eq!(proxy.shared.lock().unwrap().connections, 1);
    // An exception goes past it.
    let server = Server::start(&[&ok("direct")]);
    fetch.fetch(&server.url("a"), &mut out, 10).unwrap();
    assert_eq!(server.requests(&[]), ["GET /a HTTP/1.1"]);
}

#[test]
fn https_takes_a_tunnel() {
    let proxy = Server::start(&["HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"; 8]);
    let fetch = fetcher(&[("https_proxy", &format!("http://127.0.0.1:{}", proxy.port))]);
    assert!(fetch.fetch("https://mirror.example/a", &mut Vec::new(), 10).is_err());
    assert_eq!(proxy.requests(&[])[0], "CONNECT mirror.example:443 HTTP/1.1");
}

#[test]
fn nobody_listening_is_said() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut out = Vec::new();
    let error = fetcher(&[]).ask(&format!("http://127.0.0.1:{port}/a"), &[]).unwrap_err();
    assert!(error.retryable(), "{error:?}");
    assert!(matches!(fetcher(&[]).fetch("ftp://h/", &mut out, 1), Err(FetchError::Url { .. })));
}
