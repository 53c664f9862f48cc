//! A hundred clients at once: no error, no wrong byte, and memory that stays as it is.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oci::descriptor::media_type;
use oci::store::Batch;
use oci::{Descriptor, Digest, ImageConfig, Manifest, Platform, Raw, Reference};
use registry::client::{Client, Options, Platforms, PushOptions};
use registry::server::{Access, Challenge};

/// Clients at once.
const CLIENTS: u64 = 100;

/// Bytes of a layer.
const LAYER: usize = 400_000;

/// How long they go on. Soak runs say more.
fn time() -> Duration {
    let seconds = std::env::var("KAPOK_LOAD_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(6))
}

fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Bytes of this process that are in memory and in no file.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_hundred_clients_push_and_pull_at_once() {
    let served = common::serve(Access::default(), Challenge::Basic);
    let address = served.server.address();
    let (rounds, early, late) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let config = Raw::write(ImageConfig::for_platform(&Platform::linux("amd64")));
    let shared = noise(0, LAYER);
    let (middle, until) = (Instant::now() + time() / 2, Instant::now() + time());
    let work = |number: u64| {
        // Each one is a client of its own: connections, tokens and all.
        let client = Client::new(&served.runtime, Options { parallel: 2, ..Options::default() });
        let directory = tempfile::tempdir_in(served.directory.path()).unwrap();
        let store = common::open(directory.path());
        let put = |kind: &str, bytes: &[u8]| {
            store.put_blob(bytes).unwrap();
            Descriptor::of(kind, bytes)
        };
        let mut round = 0;
        while Instant::now() < until {
            let own = noise(number * 1_000_000 + round + 1, LAYER);
            let layers =
                vec![put(media_type::OCI_LAYER_GZIP, &shared), put(media_type::OCI_LAYER_GZIP, &own)];
            let manifest = Manifest::new(put(media_type::OCI_CONFIG, config.bytes()), layers);
            let digest = put(media_type::OCI_MANIFEST, Raw::write(manifest).bytes()).digest;
            store.commit(&Batch::default()).unwrap();
            let to: Reference = format!("{address}/team{}/app:{number}", number % 7).parse().unwrap();
            client.push(&store, &digest, &to, &PushOptions::default(), &()).unwrap();
            let back = tempfile::tempdir_in(served.directory.path()).unwrap();
            let other = common::open(back.path());
            let pulled = client.pull(&to, &Platforms::All, &other, &()).unwrap();
            assert_eq!(pulled.top.digest, digest);
            assert_eq!(other.read_blob(&Digest::of(&own)).unwrap(), own);
            client.delete(&to.with_digest(digest)).unwrap();
            round += 1;
            rounds.fetch_add(1, Ordering::Relaxed);
            let half = if Instant::now() < middle { &early } else { &late };
            half.fetch_max(resident(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
    let (rounds, early, late) = (rounds.into_inner(), early.into_inner() >> 20, late.into_inner() >> 20);
    println!(
        "{rounds} rounds of {CLIENTS} clients; {early} MiB of memory in the first half, {late} in the second"
    );
    assert!(rounds >= CLIENTS, "everybody was served: {rounds}");
    // Both ends and all their stores are in this process; what grows with every blob would show.
    assert!(late < early + early / 3 + 48, "memory grew from {early} to {late} MiB");
    let report = served.store.verify(2).unwrap();
    assert_eq!(report.findings, [""; 0]);
}
