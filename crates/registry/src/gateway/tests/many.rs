//! Many and much: memory stays what it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::upstreams::{Act, Upstream, say};
use super::world::{World, run};

#[test]
fn five_hundred_requests_at_once() {
    run(World::new(), async |world| {
        let body: Arc<[u8]> = vec![3; 20_000].into();
        let sent = body.clone();
        let upstream = Upstream::plain(move |_| say("", &sent)).await;
        let world = Arc::new(world);
        let port = upstream.port;
        let clients: Vec<_> = (0..500)
            .map(|number| {
                let world = world.clone();
                tokio::spawn(async move { world.get("up.example.org", port, &format!("/{number}")).await })
            })
            .collect();
        for client in clients {
            let reply = client.await.unwrap();
            assert!(reply.whole && reply.body[..] == body[..], "{}", reply.line);
        }
        assert_eq!(Arc::into_inner(world).unwrap().finish().intakes.len(), 500);
    });
}

#[test]
fn a_body_too_large_to_be_kept_passes_through_a_window() {
    const SIZE: usize = 24 << 20;
    let world = World::with(|options| {
        options.limits.kept_body = 1 << 20;
        options.limits.window = 2 << 20;
        options.limits.silence = Duration::from_secs(20);
    });
    run(world, async |world| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
        let head = bytes.len();
        bytes.resize(head + SIZE, 9);
        let upstream = Upstream::plain(move |_| Act::Close(bytes.clone())).await;
        let reply = world.get("up.example.org", upstream.port, "/packages/a-1.0.tar.gz").await;
        assert!(
            reply.whole && reply.body.len() == SIZE && reply.body.iter().all(|byte| *byte == 9),
            "{}",
            reply.line
        );
        let again = world.get("up.example.org", upstream.port, "/packages/a-1.0.tar.gz").await;
        assert!(again.whole);
        assert_eq!(upstream.count(), 2, "it is not kept");
        let intake = world.only();
        assert_eq!(intake.size, SIZE as u64);
    });
}

#[test]
fn a_step_that_fetches_nothing_costs_little() {
    const STEPS: u32 = 10;
    let world = World::new();
    let begun = Instant::now();
    for _ in 0..STEPS {
        assert!(world.one_step().intakes.is_empty());
    }
    // A third of a millisecond on a machine with nothing else to do.
    let each = begun.elapsed() / STEPS;
    assert!(each < Duration::from_millis(20), "{each:?}");
}
