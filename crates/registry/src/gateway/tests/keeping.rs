//! What is kept, asked again, shared.

use std::sync::Arc;

use oci::Digest;

use super::upstreams::{Act, Counter, Upstream, bytes, say};
use super::world::{World, run};

const WHEEL: &str = "/packages/idna-3.7-py3-none-any.whl";

#[test]
fn what_never_changes_is_fetched_once() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "wheel")).await;
        for _ in 0..2 {
            assert_eq!(world.get("up.example.org", upstream.port, WHEEL).await.text(), "wheel");
        }
        let part = world.ask("up.example.org", upstream.port, "GET", WHEEL, "Range: bytes=1-2\r\n").await;
        assert_eq!((part.status(), part.text().as_str()), (206, "he"));
        assert_eq!(part.header("content-range"), Some("bytes 1-2/5"));
        let head = world.ask("up.example.org", upstream.port, "HEAD", WHEEL, "").await;
        assert_eq!(head.header("content-length"), Some("5"));
        assert_eq!(upstream.count(), 2, "HEAD asks for itself");
        let served = world.finish();
        assert_eq!(served.intakes[0].purl.as_deref(), Some("pkg:pypi/idna@3.7"));
        assert!(served.intakes.iter().any(|intake| intake.digest == Some(Digest::of(b"wheel"))));
    });
}

#[test]
fn a_part_of_what_never_changes_is_cut_from_the_whole() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            assert!(!head.to_lowercase().contains("range:"), "{head}");
            say("", "wheel")
        })
        .await;
        let part = world.ask("up.example.org", upstream.port, "GET", WHEEL, "Range: bytes=-2\r\n").await;
        assert_eq!((part.status(), part.text().as_str()), (206, "el"));
        let intake = world.only();
        assert_eq!((intake.digest, intake.status), (Some(Digest::of(b"wheel")), Some(200)));
    });
}

#[test]
fn what_may_change_is_asked_for_again() {
    run(World::new(), async |world| {
        let counter = Counter::default();
        let upstream = Upstream::plain(move |head| {
            let first = counter.next() == 0;
            assert_eq!(first, !head.to_lowercase().contains("if-none-match: \"v1\""), "{head}");
            if first {
                say("ETag: \"v1\"\r\n", "index")
            } else {
                bytes("HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n")
            }
        })
        .await;
        for _ in 0..3 {
            assert_eq!(world.get("up.example.org", upstream.port, "/index").await.text(), "index");
        }
        let same =
            world.ask("up.example.org", upstream.port, "GET", "/index", "If-None-Match: \"v1\"\r\n").await;
        assert_eq!((same.status(), same.body.len()), (304, 0));
        assert_eq!(upstream.count(), 4);
        let served = world.finish();
        assert_eq!(
            served.intakes.len(),
            1,
            "the same answer to the same request is recorded once: {served:?}"
        );
        assert_eq!(served.intakes[0].digest, Some(Digest::of(b"index")));
    });
}

#[test]
fn an_upstream_that_is_down_leaves_its_last_copy() {
    let world = run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "old")).await;
        let port = upstream.port;
        assert_eq!(world.get("up.example.org", port, "/index").await.text(), "old");
        drop(upstream);
        let reply = world.get("up.example.org", port, "/index").await;
        assert_eq!((reply.status(), reply.text().as_str()), (200, "old"));
        (world, port)
    });
    let (world, port) = world;
    assert!(world.lines.lock().unwrap()[0].contains("is the copy of 2026-11-"), "{:?}", world.lines);
    let strict = world.again(|options| options.no_stale = true);
    run(strict, async |world| {
        let reply = world.get("up.example.org", port, "/index").await;
        assert_eq!(reply.status(), 502);
        assert!(reply.line.contains("Kapok: `up.example.org` at 127.0.0.1 cannot be reached"), "{reply:?}");
    });
}

#[test]
fn answers_depend_on_what_clients_can_read() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|head| {
            let json = head.to_lowercase().contains("accept: application/json");
            say("", if json { "{}" } else { "<html>" })
        })
        .await;
        let json = world
            .ask("up.example.org", upstream.port, "GET", "/simple/a/", "Accept: application/json\r\n")
            .await;
        let html = world.get("up.example.org", upstream.port, "/simple/a/").await;
        assert_eq!((json.text().as_str(), html.text().as_str()), ("{}", "<html>"));
        let served = world.finish();
        assert_ne!(served.intakes[0].request, served.intakes[1].request);
    });
}

#[test]
fn one_download_serves_all_who_ask_meanwhile() {
    run(World::new(), async |world| {
        let body: Arc<[u8]> = vec![7; 3 << 20].into();
        let sent = body.clone();
        let upstream = Upstream::plain(move |_| say("", &sent)).await;
        let world = Arc::new(world);
        let port = upstream.port;
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.get("up.example.org", port, WHEEL).await })
            })
            .collect();
        for client in clients {
            let reply = client.await.unwrap();
            assert!(reply.whole && reply.body[..] == body[..]);
        }
        assert_eq!(upstream.count(), 1);
        let intake = Arc::into_inner(world).unwrap().only();
        assert_eq!(intake.size, 3 << 20);
    });
}

#[test]
fn a_later_build_finds_what_an_earlier_one_fetched() {
    let (world, upstream) = run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("Content-Type: application/zip\r\n", "wheel")).await;
        world.get("up.example.org", upstream.port, WHEEL).await;
        (world, upstream)
    });
    let port = upstream.port;
    let _ = world.lines.lock().map(|lines| lines.len());
    run(world.again(|_| ()), async |world| {
        let reply = world.get("up.example.org", port, WHEEL).await;
        assert_eq!((reply.text().as_str(), reply.header("content-type")), ("wheel", Some("application/zip")));
        assert_eq!(upstream.count(), 1);
    });
}

#[test]
fn bytes_that_their_address_does_not_promise_reach_nobody() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "something else")).await;
        let path =
            format!("/debian/dists/x/main/binary-amd64/by-hash/SHA256/{}", Digest::of(b"the index").hex());
        let reply = world.get("up.example.org", upstream.port, &path).await;
        assert_eq!(reply.status(), 502, "{reply:?}");
        assert!(reply.line.contains("the bytes are not those that its address promises"), "{reply:?}");
        let again = world.get("up.example.org", upstream.port, &path).await;
        assert_eq!(again.status(), 502, "it was not kept");
        assert_eq!(upstream.count(), 2);
    });
}

#[test]
fn an_overloaded_upstream_is_asked_again() {
    run(World::new(), async |world| {
        let counter = Counter::default();
        let upstream = Upstream::plain(move |_| match counter.next() {
            0 => Act::Say(b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n".to_vec()),
            _ => say("", "at last"),
        })
        .await;
        assert_eq!(world.get("up.example.org", upstream.port, "/x").await.text(), "at last");
    });
}

#[test]
fn a_part_of_something_large_is_only_that() {
    let world = World::with(|options| options.limits.whole_for_part = 1000);
    run(world, async |world| {
        let upstream = Upstream::plain(|head| {
            if head.to_lowercase().contains("range: bytes=0-2") {
                return bytes("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2/9000\r\nContent-Length: 3\r\n\r\nabc");
            }
            Act::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nabc".to_vec())
        })
        .await;
        let part = world.ask("up.example.org", upstream.port, "GET", WHEEL, "Range: bytes=0-2\r\n").await;
        assert_eq!((part.status(), part.text().as_str()), (206, "abc"), "{part:?}");
        assert_eq!(part.header("content-range"), Some("bytes 0-2/9000"));
        let intake = world.only();
        assert_eq!((intake.status, intake.request), (Some(206), Some(Digest::of(b"range=bytes=0-2\n"))));
    });
}

#[test]
fn a_branch_that_moved_is_noticed_and_others_may_move() {
    let (a, b, c) = ("1".repeat(40), "2".repeat(40), "3".repeat(40));
    let refs = |main: &str, other: &str| {
        let packet = |line: String| format!("{:04x}{line}", line.len() + 4);
        packet(format!("{main} refs/heads/main\n")) + &packet(format!("{other} refs/heads/other\n")) + "0000"
    };
    let answers = [refs(&a, &b), refs(&a, &b), refs(&a, &c), refs(&c, &b)];
    run(World::new(), async |world| {
        let counter = Counter::default();
        let upstream = Upstream::plain(move |_| say("", &answers[counter.next()])).await;
        let body = "0014command=ls-refs\n0000";
        let request = format!(
            "POST /r.git/git-upload-pack HTTP/1.1\r\nHost: up.example.org\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        world.raw("up.example.org", upstream.port, &request).await;
        let shared = world.step.step().shared.clone();
        let intakes = tokio::task::block_in_place(|| world.settled());
        let wanted = [a.clone()];
        for moved in [false, false, true] {
            assert_eq!(shared.refs_moved(&intakes[0], &wanted).await, Ok(moved));
        }
    });
}
