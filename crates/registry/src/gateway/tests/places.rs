//! Mirrors, directories, credentials, proxies, gates.

use std::sync::Arc;

use oci::Digest;
use oci::record::Verdict;

use super::upstreams::{Upstream, bytes, say};
use super::world::{World, run};
use crate::gateway::gate::Rules;
use crate::gateway::mirrors::Mirror;
use crate::gateway::options::Credential;

#[test]
fn a_mirror_stands_in_for_a_host_that_does_not_exist() {
    let (first, second) = super::world::runtime().wait(async {
        let missing = Upstream::plain(|_| bytes("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")).await;
        let there = Upstream::plain(|head| {
            assert!(head.to_lowercase().contains("authorization: basic bwu="), "{head}");
            say("", "mirrored")
        })
        .await;
        (missing, there)
    });
    let targets = [
        format!("http://one.mirror.example.net:{}/r", first.port),
        format!("http://two.mirror.example.net:{}/r", second.port),
    ];
    let login = Credential { prefix: targets[1].clone(), authorization: "Basic bWU=".to_owned() };
    let world = World::with(|options| {
        options.internal.clear();
        options.mirrors = vec![Mirror::new("http://nexus.inner:8081/repository", &targets).unwrap()];
        options.credentials = vec![login];
    });
    run(world, async |world| {
        let reply = world.get("nexus.inner", 8081, "/repository/pkg/a.bin").await;
        assert_eq!(reply.text(), "mirrored", "{reply:?}");
        assert!(second.asked()[0].starts_with("get /r/pkg/a.bin "));
        let intake = world.only();
        assert_eq!(intake.url, "http://nexus.inner:8081/repository/pkg/a.bin");
        assert_eq!(intake.from, Some(format!("{}/pkg/a.bin", targets[1])));
        assert!(!format!("{intake:?}").contains("bWU="));
    });
    drop(first);
}

#[test]
fn a_directory_stands_in_for_a_host() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data_1.0.tar.gz"), "source").unwrap();
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    let target = format!("file://{}", directory.path().display());
    let world = World::with(|options| {
        options.mirrors = vec![Mirror::new("http://cran.example.org/src/contrib", &[target]).unwrap()];
    });
    run(world, async |world| {
        let reply = world.get("cran.example.org", 80, "/src/contrib/data_1.0.tar.gz").await;
        assert_eq!((reply.text().as_str(), reply.header("content-length")), ("source", Some("6")));
        let listed = world.get("cran.example.org", 80, "/src/contrib/").await.text();
        assert!(
            listed.contains("<a href=\"data_1.0.tar.gz\">") && listed.contains("href=\"sub/\""),
            "{listed}"
        );
        let out = world.get("cran.example.org", 80, "/src/contrib/%2e%2e/secret").await;
        assert_eq!(out.status(), 502, "{out:?}");
        assert_eq!(world.get("cran.example.org", 80, "/src/contrib/none").await.status(), 404);
    });
}

#[test]
fn the_machines_proxies_are_used() {
    let proxy = super::world::runtime().wait(Upstream::plain(|head| {
        assert!(head.starts_with("GET http://far.example.com/x HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic dtpw\r\n"), "{head}");
        say("", "by proxy")
    }));
    let address = format!("http://u:p@127.0.0.1:{}", proxy.port);
    let world = World::with(|options| {
        options.internal.clear();
        options.proxy = Some(Arc::new(move |_: &str| Some(address.clone())));
    });
    run(world, async |world| {
        assert_eq!(world.get("far.example.com", 80, "/x").await.text(), "by proxy");
        assert_eq!(world.get("169.254.169.254", 80, "/x").await.status(), 403, "not by proxy either");
    });
}

#[test]
fn the_gate_has_the_first_word() {
    let rules = Rules { deny: vec!["bad.example.org".parse().unwrap()], ..Rules::default() };
    let world = World::with(|options| options.gate = Arc::new(rules));
    run(world, async |world| {
        let reply = world.get("bad.example.org", 80, "/x").await;
        assert_eq!(reply.status(), 403);
        assert!(reply.line.contains("network.deny"), "{reply:?}");
        let intake = world.only();
        assert!(
            matches!(&intake.verdict, Verdict::Refused { rule, .. } if rule == "network.deny"),
            "{intake:?}"
        );
    });
}

#[test]
fn an_index_is_without_what_is_too_young_and_the_file_is_refused() {
    let rules = Rules { cooldown: 7 * 86_400, now: 1_795_000_000, ..Rules::default() };
    let world = World::with(|options| options.gate = Arc::new(rules));
    let index = r#"{"meta":{"api-version":"1.1"},"name":"a","versions":["1.0","2.0"],"files":[
        {"filename":"a-1.0.tar.gz","url":"/packages/a-1.0.tar.gz","hashes":{},"upload-time":"2020-01-01T00:00:00Z"},
        {"filename":"a-2.0.tar.gz","url":"/packages/a-2.0.tar.gz","hashes":{},"upload-time":"2026-11-17T00:00:00Z"}]}"#;
    run(world, async |world| {
        let upstream = Upstream::plain(move |_| {
            say("Content-Type: application/vnd.pypi.simple.v1+json\r\nETag: \"x\"\r\n", index)
        })
        .await;
        let accept = "Accept: application/vnd.pypi.simple.v1+json\r\nAccept-Encoding: gzip\r\n";
        let reply = world.ask("up.example.org", upstream.port, "GET", "/simple/a/", accept).await;
        assert!(reply.text().contains("a-1.0") && !reply.text().contains("a-2.0.tar.gz"), "{reply:?}");
        assert_eq!(reply.header("etag"), None);
        let young = world.get("up.example.org", upstream.port, "/packages/a-2.0.tar.gz").await;
        assert_eq!(young.status(), 403, "{young:?}");
        assert!(young.line.contains("network.cooldown"), "{young:?}");
        let served = world.finish();
        assert_eq!(
            served.intakes[0].digest,
            Some(oci::Digest::of(index.as_bytes())),
            "the record names the upstream's"
        );
    });
}

#[test]
fn a_signed_index_tells_the_digests_of_what_it_names() {
    let deb = "/debian/pool/main/p/p_1%2b2_all.deb";
    let packages =
        format!("Package: p\nFilename: pool/main/p/p_1+2_all.deb\nSHA256: {}\n", Digest::of(b"deb").hex());
    let release =
        format!("SHA256:\n {} {} main/Packages\n", Digest::of(packages.as_bytes()).hex(), packages.len());
    let gate = Rules { require_digests: true, ..Rules::default() };
    run(World::with(|options| options.gate = Arc::new(gate)), async |world| {
        let upstream = Upstream::plain(move |head| match head.split(' ').nth(1).unwrap_or_default() {
            "/debian/dists/x/InRelease" => say("", &release),
            "/debian/dists/x/main/Packages" => say("", &packages),
            _ => say("", "deb"),
        })
        .await;
        let get = async |path: &str| world.get("up.example.org", upstream.port, path).await;
        // A list that no signed document named says nothing.
        assert_eq!(get("/debian/dists/x/main/Packages").await.status(), 200);
        assert_eq!(get(deb).await.status(), 403);
        assert_eq!(get("/debian/dists/x/InRelease").await.status(), 200);
        assert_eq!(get("/debian/dists/x/main/Packages").await.status(), 200);
        assert_eq!(get(deb).await.text(), "deb");
        assert_eq!(get("/debian/pool/main/q/q_1_all.deb").await.status(), 403);
        // A later build, in which the step that fetched the lists is cached.
        let (earlier, world) = tokio::task::block_in_place(|| {
            let gate = Rules { require_digests: true, ..Rules::default() };
            (world.settled(), world.again(|options| options.gate = Arc::new(gate)))
        });
        assert_eq!(world.get("up.example.org", upstream.port, deb).await.status(), 403);
        let world = world.after(earlier);
        assert_eq!(world.get("up.example.org", upstream.port, deb).await.text(), "deb");
    });
}
