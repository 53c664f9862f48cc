//! What clients ask for, and get.

use oci::Digest;
use oci::record::Verdict;

use super::world::{Act, Counter, Upstream, World, bytes, say};

#[test]
fn a_plain_request_is_answered_and_recorded() {
    let world = World::new();
    let runtime = world.runtime.clone();
    runtime.wait(async {
        let upstream = Upstream::plain(|_| say("ETag: \"v1\"\r\n", "hello")).await;
        let reply = world.get("up.example.org", upstream.port, "/file?x=1").await;
        assert_eq!((reply.status(), reply.text().as_str(), reply.whole), (200, "hello", true), "{reply:?}");
        let asked = upstream.asked();
        assert!(asked[0].starts_with("get /file?x=1 http/1.1\r\n"), "{asked:?}");
        assert!(asked[0].contains(&format!("host: up.example.org:{}\r\n", upstream.port)));
        let url = format!("http://up.example.org:{}/file?x=1", upstream.port);
        let intake = tokio::task::block_in_place(|| world.only());
        assert_eq!((intake.url.as_str(), intake.method.as_str()), (url.as_str(), "GET"));
        assert_eq!((intake.digest, intake.size, intake.status), (Some(Digest::of(b"hello")), 5, Some(200)));
        assert_eq!((intake.verdict, intake.etag.as_deref()), (Verdict::Allowed, Some("\"v1\"")));
    });
}
