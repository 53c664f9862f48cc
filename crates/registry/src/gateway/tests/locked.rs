//! Under a lock, with and without a network.

use std::sync::Arc;

use oci::lock::ImageLock;
use oci::record::Verdict;

use super::upstreams::{Counter, Upstream, bytes, say};
use super::world::{World, run};
use crate::gateway::options::Mode;

fn lock_of(intakes: &[oci::record::Intake]) -> Arc<ImageLock> {
    let mut lock = ImageLock::default();
    for intake in intakes {
        lock.download(intake).unwrap();
    }
    Arc::new(lock)
}

/// Records some requests against an upstream; the lock, and the world to go on in.
fn record(paths: &'static [&'static str]) -> (World, Upstream, Arc<ImageLock>) {
    let counter = Counter::default();
    let (world, upstream) = run(World::new(), async |world| {
        let upstream = Upstream::plain(move |head| {
            if head.starts_with("GET /missing") {
                return bytes("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            }
            // What it says is never the same twice.
            say("Content-Type: text/x-index\r\n", format!("answer {}", counter.next()))
        })
        .await;
        for path in paths {
            world.get("up.example.org", upstream.port, path).await;
        }
        (world, upstream)
    });
    let intakes = world.settled();
    (world, upstream, lock_of(&intakes))
}

#[test]
fn offline_answers_as_when_it_was_locked() {
    let (world, upstream, lock) = record(&["/index", "/missing", "/packages/a-1.0.tar.gz"]);
    let (port, asked) = (upstream.port, upstream.count());
    run(world.again(|options| options.mode = Mode::Offline(lock)), async |world| {
        let reply = world.get("up.example.org", port, "/index").await;
        assert_eq!((reply.text().as_str(), reply.header("content-type")), ("answer 0", Some("text/x-index")));
        assert_eq!(world.get("up.example.org", port, "/missing").await.status(), 404);
        let head = world.ask("up.example.org", port, "HEAD", "/index", "").await;
        assert_eq!(head.header("content-length"), Some("8"));
        let part = world.ask("up.example.org", port, "GET", "/index", "Range: bytes=0-5\r\n").await;
        assert_eq!((part.status(), part.text().as_str()), (206, "answer"));
        assert_eq!(upstream.count(), asked, "nobody was asked");
        let reply = world.get("up.example.org", port, "/new").await;
        assert_eq!(reply.status(), 403);
        assert!(reply.line.contains("Kapok: the lock has no GET of http://up.example.org"), "{reply:?}");
        let served = world.finish();
        assert!(served.intakes.iter().any(|intake| intake.verdict.is_refused()), "{served:?}");
    });
}

#[test]
fn locked_takes_the_locked_bytes_from_the_store_or_from_upstream() {
    let (world, upstream, lock) = record(&["/index"]);
    let port = upstream.port;
    let same = lock.clone();
    let world = world.again(|options| options.mode = Mode::Locked(same));
    run(world, async |world| {
        assert_eq!(world.get("up.example.org", port, "/index").await.text(), "answer 0");
    });
    // Another machine: the store is empty, and the upstream has changed.
    let empty = World::with(|options| options.mode = Mode::Locked(lock));
    run(empty, async |world| {
        let reply = world.get("up.example.org", port, "/index").await;
        assert_eq!(reply.status(), 403, "{reply:?}");
        let intake = world.only();
        let Verdict::Refused { rule, reason } = intake.verdict else { panic!("{intake:?}") };
        assert_eq!(rule, "locked");
        assert!(reason.contains("has other bytes than the lock says"), "{reason}");
    });
}

#[test]
fn questions_with_a_body_are_pinned_by_it() {
    let post = |body: &str| {
        format!(
            "POST /q HTTP/1.1\r\nHost: up.example.org\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let (world, port) = run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "yes")).await;
        assert_eq!(world.raw("up.example.org", upstream.port, &post("a?")).await.text(), "yes");
        (world, upstream.port)
    });
    let lock = lock_of(&world.settled());
    run(world.again(|options| options.mode = Mode::Offline(lock)), async |world| {
        assert_eq!(world.raw("up.example.org", port, &post("a?")).await.text(), "yes");
        assert_eq!(world.raw("up.example.org", port, &post("b?")).await.status(), 403);
    });
}

#[test]
fn another_version_of_git_asks_the_same_thing() {
    let commit = "1111111111111111111111111111111111111111";
    let post = |agent: &str, depth: &str| {
        let lines = [
            "command=fetch".to_owned(),
            format!("agent={agent}"),
            format!("want {commit}\n"),
            depth.to_owned(),
        ];
        let body: String = lines.iter().map(|line| format!("{:04x}{line}", line.len() + 4)).collect();
        format!(
            "POST /r.git/git-upload-pack HTTP/1.1\r\nHost: up.example.org\r\nGit-Protocol: version=2\r\n\
             Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let (world, port) = run(World::new(), async |world| {
        let upstream = Upstream::plain(|_| say("", "PACK")).await;
        let reply = world.raw("up.example.org", upstream.port, &post("git/2.39.5", "deepen 1")).await;
        assert_eq!(reply.text(), "PACK");
        (world, upstream.port)
    });
    let intakes = world.settled();
    assert!(intakes[0].purl.as_deref().is_some_and(|purl| purl.contains(commit)), "{intakes:?}");
    let lock = lock_of(&intakes);
    run(world.again(|options| options.mode = Mode::Offline(lock)), async |world| {
        let reply = world.raw("up.example.org", port, &post("git/2.51.0-Linux", "deepen 1")).await;
        assert_eq!(reply.text(), "PACK", "{reply:?}");
        let other = world.raw("up.example.org", port, &post("git/2.39.5", "deepen 2")).await;
        assert_eq!(other.status(), 403, "{other:?}");
    });
}
