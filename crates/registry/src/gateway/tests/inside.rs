//! What a step must not reach through the gateway.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use oci::record::Verdict;

use super::upstreams::{Counter, Upstream, say};
use super::world::{World, run};

#[track_caller]
fn refused(host: &str, expected: &str) {
    run(World::with(|options| options.internal.clear()), async |world| {
        let reply = world.get(host, 80, "/latest/meta-data/").await;
        assert_eq!(reply.status(), 403, "{reply:?}");
        assert!(reply.line.contains("(network.internal)") && reply.text().contains(expected), "{reply:?}");
        let intake = world.only();
        assert!(
            matches!(&intake.verdict, Verdict::Refused { rule, .. } if rule == "network.internal"),
            "{intake:?}"
        );
    });
}

#[test]
fn metadata_loopback_and_private_addresses() {
    refused("169.254.169.254", "metadata");
    refused("10.1.2.3", "private");
    refused("192.168.0.1", "private");
    refused("up.example.org", "loopback");
}

#[test]
fn a_name_that_rebinds_deceives_nobody() {
    let counter = Counter::default();
    let lying = move |_: &str| {
        let inside: IpAddr = "127.0.0.1".parse().unwrap();
        let outside: IpAddr = "203.0.113.1".parse().unwrap();
        // Outside at first, inside when it counts; and both at once.
        Ok(if counter.next() % 2 == 0 { vec![outside, inside] } else { vec![inside] })
    };
    let world = World::with(|options| {
        options.internal.clear();
        options.resolver = Arc::new(lying);
    });
    run(world, async |world| {
        for _ in 0..3 {
            assert_eq!(world.get("rebind.example.org", 80, "/").await.status(), 403);
        }
    });
}

#[test]
fn what_the_settings_name_is_reached_and_nothing_beside_it() {
    run(World::with(|options| options.internal = vec!["10.9.0.0/16".parse().unwrap()]), async |world| {
        assert_eq!(world.get("10.8.0.1", 80, "/").await.status(), 403);
    });
    let counter = Counter::default();
    let told = counter.clone();
    let world = World::with(|options| {
        options.internal = vec!["named.example.org".parse().unwrap()];
        options.resolver = Arc::new(move |_| {
            told.next();
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
    });
    run(world, async |world| {
        let upstream = Upstream::plain(|_| say("", "inside")).await;
        assert_eq!(world.get("named.example.org", upstream.port, "/").await.text(), "inside");
        assert_eq!(world.get("other.example.org", upstream.port, "/").await.status(), 403);
        assert_eq!(counter.next(), 2, "names are resolved once each");
    });
}

#[test]
fn a_host_header_is_judged_not_the_address_that_was_connected_to() {
    run(World::with(|options| options.internal.clear()), async |world| {
        let request = "GET / HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n";
        assert_eq!(world.raw("innocent.example.org", 80, request).await.status(), 403);
        let request = "GET http://[::1]/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_eq!(world.raw("innocent.example.org", 80, request).await.status(), 403);
    });
}
