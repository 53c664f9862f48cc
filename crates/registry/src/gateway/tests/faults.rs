//! Upstreams that fail in the middle: a client must never take half a body for a whole one.

use oci::record::Verdict;

use super::upstreams::{Act, Upstream};
use super::world::{World, run};

const WHEEL: &str = "/packages/idna-3.7-py3-none-any.whl";

/// What an upstream does, and how it reads in the record.
#[track_caller]
fn check(act: impl Fn() -> Act + Send + Sync + 'static, expected: &str) {
    check_asked(move |_| act(), expected);
}

/// The same for one that looks at what is asked.
#[track_caller]
fn check_asked(act: impl Fn(&str) -> Act + Send + Sync + 'static, expected: &str) {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(act).await;
        let reply = world.get("up.example.org", upstream.port, WHEEL).await;
        assert!(reply.status() == 502 || !reply.whole, "{reply:?}");
        assert!(
            world
                .store
                .latest_download(&format!("GET http://up.example.org:{}{WHEEL}\n", upstream.port))
                .unwrap()
                .is_none()
        );
        let heard = world.lines.clone();
        let intake = world.only();
        let Verdict::Failed { reason } = intake.verdict else { panic!("{intake:?}") };
        assert!(reason.contains(expected), "{reason}");
        let heard = heard.lock().unwrap();
        assert!(heard[0].starts_with("failed: http://up.example.org:"), "{heard:?}");
    });
}

#[test]
fn a_body_that_breaks_off() {
    check(
        || Act::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf".to_vec()),
        "it broke off after 4 bytes",
    );
    check(
        || Act::Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()),
        "it broke off after 4 bytes",
    );
}

#[test]
fn a_large_body_that_breaks_off() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n".to_vec();
    bytes.resize(3_000_000, 1);
    check(move || Act::Close(bytes.clone()), "it broke off after");
}

/// What an upstream that gives at most 300 000 bytes at once says of a million; `head`: to the whole, `part`: to parts.
fn in_pieces(head: &'static str, part: &'static str) -> impl Fn(&str) -> Act + Send + Sync {
    move |asked| {
        let whole: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
        let lower = asked.to_lowercase();
        let range = lower.split("range: bytes=").nth(1).and_then(|range| range.split('-').next());
        let (head, start) = match range.map(|start| start.parse::<usize>().unwrap()) {
            None => (format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 1000000\r\n\r\n"), 0),
            Some(start) => {
                let length = 1_000_000 - start;
                let range = format!("Content-Range: bytes {start}-999999/1000000\r\n");
                (format!("HTTP/1.1 206 Part\r\n{part}{range}Content-Length: {length}\r\n\r\n"), start)
            }
        };
        let end = whole.len().min(start + 300_000);
        let mut bytes = head.into_bytes();
        bytes.extend(&whole[start..end]);
        Act::Close(bytes)
    }
}

#[test]
fn what_broke_off_goes_on_where_it_ended() {
    run(World::new(), async |world| {
        let tag = "ETag: \"1\"\r\n";
        let upstream = Upstream::plain(in_pieces(tag, tag)).await;
        let reply = world.get("up.example.org", upstream.port, WHEEL).await;
        assert!(reply.whole && reply.body.len() == 1_000_000, "{}", reply.line);
        assert!(reply.body.iter().zip(0_u32..).all(|(byte, number)| u32::from(*byte) == number % 251));
        let asked = upstream.asked();
        assert_eq!(asked.len(), 4);
        assert!(
            asked[1].contains("range: bytes=300000-") && asked[1].contains("if-range: \"1\""),
            "{asked:?}"
        );
        // It is whole, so it is kept.
        assert!(world.get("up.example.org", upstream.port, WHEEL).await.whole);
        assert_eq!(upstream.count(), 4);
        let served = world.finish();
        assert_eq!(served.intakes[0].size, 1_000_000);
    });
}

#[test]
fn what_may_be_something_else_by_now_does_not_go_on() {
    // Nothing tells states apart; it has another state; the upstream gives no parts.
    check_asked(in_pieces("", ""), "it broke off after 300000 bytes");
    check_asked(in_pieces("ETag: \"1\"\r\n", "ETag: \"2\"\r\n"), "it broke off after 300000 bytes");
    check_asked(in_pieces("ETag: W/\"1\"\r\n", ""), "it broke off after 300000 bytes");
    check_asked(in_pieces("ETag: \"1\"\r\nAccept-Ranges: none\r\n", ""), "it broke off after 300000 bytes");
}

#[test]
fn an_upstream_that_stalls() {
    check(|| Act::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal".to_vec()), "nothing came for");
}

#[test]
fn an_upstream_that_says_no_http() {
    check(|| Act::Close(b"SSH-2.0-x\r\n".to_vec()), "");
    check(|| Act::Close(Vec::new()), "");
}

#[test]
fn a_body_whose_end_nobody_announced_is_not_given_to_others() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| Act::Close(b"HTTP/1.0 200 OK\r\n\r\nall, or half".to_vec())).await;
        for _ in 0..2 {
            assert_eq!(world.get("up.example.org", upstream.port, WHEEL).await.text(), "all, or half");
        }
        assert_eq!(upstream.count(), 2);
    });
}

#[test]
fn more_than_was_announced_is_cut() {
    run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| {
            Act::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyandmore".to_vec())
        })
        .await;
        assert_eq!(world.get("up.example.org", upstream.port, "/x").await.text(), "body");
        assert_eq!(world.only().size, 4);
    });
}

#[test]
fn a_client_that_goes_away_ends_the_download() {
    run(World::new(), async |world| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n".to_vec();
        bytes.resize(200_000, 1);
        let upstream = Upstream::plain(move |_| Act::Stall(bytes.clone())).await;
        let mut stream = world.connect("up.example.org", upstream.port).await;
        let request = format!("GET {WHEEL} HTTP/1.1\r\nHost: up.example.org\r\n\r\n");
        super::world::converse(&mut stream, &request).await;
        drop(stream);
        let intake = world.only();
        assert!(matches!(intake.verdict, Verdict::Failed { .. }), "{intake:?}");
    });
}
