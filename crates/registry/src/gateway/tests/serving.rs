//! The same store for people's tools.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::upstreams::{Upstream, bytes, say};
use super::world::{Reply, World, read_reply, run};
use crate::gateway::{PackageRepository, PackageServerSettings, serve_packages};
use crate::server::{Server, StartError};

/// A server with these repositories in a world.
fn serve(world: &World, repositories: &[(&str, String)]) -> Server {
    let new = |(name, upstream): &(&str, String)| PackageRepository::new(name, upstream).unwrap();
    start(world, repositories.iter().map(new).collect(), "127.0.0.1:0").unwrap()
}

fn start(world: &World, repositories: Vec<PackageRepository>, address: &str) -> Result<Server, StartError> {
    let address: SocketAddr = address.parse().unwrap();
    let settings =
        PackageServerSettings { address, repositories, open_to_all: false, tls: None, connections: 8 };
    let options = world.step.step().shared.options.clone();
    tokio::task::block_in_place(|| serve_packages(options, settings, Arc::new(())))
}

async fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Reply {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_reply(&mut stream).await
}

#[test]
fn an_index_leads_here_and_files_of_other_hosts_come_through_once() {
    run(World::new(), async |world| {
        let files = Upstream::plain(|head| {
            assert!(!head.to_lowercase().contains("authorization"), "{head}");
            say("", "wheel")
        })
        .await;
        let port = files.port;
        let index = Upstream::plain(move |head| {
            assert!(head.starts_with("GET /py/simple/idna/ "), "{head}");
            let link = format!("http://files.example.org:{port}/p/idna-3.7-py3-none-any.whl#sha256=0");
            say("Content-Type: text/html\r\n", format!("<a href=\"{link}\">idna</a>"))
        })
        .await;
        let server = serve(&world, &[("pypi", format!("http://up.example.org:{}/py/", index.port))]);
        let wheel = format!("/repository/pypi/-/http/files.example.org:{port}/p/idna-3.7-py3-none-any.whl");
        assert_eq!(ask(&server, "GET", &wheel, "").await.status(), 404, "nobody named that host");
        let page = ask(&server, "GET", "/repository/pypi/simple/idna/", "Accept-Encoding: gzip\r\n").await;
        assert_eq!(page.text(), format!("<a href=\"{wheel}#sha256=0\">idna</a>"));
        for _ in 0..2 {
            let got = ask(&server, "GET", &wheel, "Authorization: Basic eDp5\r\n").await;
            assert_eq!((got.status(), got.text().as_str()), (200, "wheel"));
        }
        assert_eq!(files.count(), 1);
        // A step gets it from the same place.
        let again = world.get("files.example.org", port, "/p/idna-3.7-py3-none-any.whl").await;
        assert_eq!((again.text().as_str(), files.count()), ("wheel", 1));
        let metrics = ask(&server, "GET", "/metrics", "").await.text();
        for line in [
            "kapok_packages_requests_total{repository=\"pypi\",status=\"200\"} 3",
            "kapok_packages_requests_total{repository=\"pypi\",status=\"404\"} 1",
            "kapok_packages_upstream_requests_total 2",
        ] {
            assert!(metrics.contains(line), "{line} is not in\n{metrics}");
        }
        assert_eq!(ask(&server, "GET", "/health", "").await.text(), "ok\n");
        assert!(ask(&server, "GET", "/", "").await.text().contains("/repository/pypi/"));
    });
}

#[test]
fn directories_are_served_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a b.txt"), "file").unwrap();
    let upstream = format!("file://{}", directory.path().display());
    run(World::new(), async |world| {
        let server = serve(&world, &[("files", upstream)]);
        let file = ask(&server, "GET", "/repository/files/a%20b.txt", "Range: bytes=1-2\r\n").await;
        assert_eq!((file.status(), file.text().as_str()), (206, "il"));
        let page = ask(&server, "GET", "/repository/files/", "").await;
        assert!(page.text().contains("href=\"a%20b.txt\""), "{page:?}");
        for path in ["/repository/files/none", "/repository/other/x", "/repository/files/%2e%2e/x"] {
            assert_eq!(ask(&server, "GET", path, "").await.status(), 404, "{path}");
        }
        let put = ask(&server, "PUT", "/repository/files/new", "Content-Length: 0\r\n").await;
        assert_eq!((put.status(), put.header("allow")), (405, Some("get, head")));
    });
}

#[test]
fn redirections_are_followed_here() {
    run(World::new(), async |world| {
        let elsewhere = Upstream::plain(|_| say("", "jar")).await;
        let port = elsewhere.port;
        let upstream = Upstream::plain(move |head| {
            let to = if head.starts_with("GET /ring") {
                "/ring".to_owned()
            } else {
                format!("http://cdn.example.org:{port}/a")
            };
            bytes(&format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
        })
        .await;
        let server = serve(&world, &[("maven", format!("http://up.example.org:{}", upstream.port))]);
        assert_eq!(ask(&server, "GET", "/repository/maven/a.jar", "").await.text(), "jar");
        assert_eq!(ask(&server, "GET", "/repository/maven/ring", "").await.status(), 302);
    });
}

#[test]
fn nobody_else_is_served_without_a_word() {
    run(World::new(), async |world| {
        assert!(matches!(start(&world, Vec::new(), "0.0.0.0:0"), Err(StartError::PackagesToAll(_))));
    });
}
