//! What goes wrong on the way.

use super::*;

#[test]
fn downloads_go_on_where_they_broke_off_and_damage_is_found() {
    let fixture = fixture();
    let layer = noise(3, 600_000);
    let digest = image(&fixture.store, "amd64", &[&layer]);
    fixture.push(&digest, "app").unwrap();
    let path = format!("/blobs/{}", Digest::of(&layer));
    fixture.registry.misbehave("GET", &path, Fault::CutAnswer(200_000));
    fixture.registry.misbehave("GET", &path, Fault::Status(503, vec![]));
    fixture.registry.misbehave("GET", &path, Fault::CutAnswer(100_000));
    let store = fixture.elsewhere("resumed");
    fixture.pull("app", &store).unwrap();
    assert_eq!(store.read_blob(&Digest::of(&layer)).unwrap(), layer);
    assert_eq!(fixture.registry.count("GET", &path), 4);

    fixture.registry.misbehave("GET", &path, Fault::Tamper);
    let store = fixture.elsewhere("damaged");
    let error = fixture.pull("app", &store).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("sends content with the digest"), "{cause}");
    assert!(!store.has_blob(&Digest::of(&layer)).unwrap() && !store.has_blob(&digest).unwrap());
    assert_eq!(store.verify(1).unwrap().findings, [""; 0]);

    // A manifest that was damaged once is asked for again.
    fixture.registry.misbehave("GET", "/manifests/", Fault::Tamper);
    fixture.pull("app", &store).unwrap();
    fixture.registry.misbehave("GET", "/manifests/", Fault::Tamper);
    fixture.registry.misbehave("GET", "/manifests/", Fault::Tamper);
    assert!(fixture.pull("app", &fixture.elsewhere("never")).is_err());
    fixture.assert_unharmed();
}

#[test]
fn a_registry_that_asks_for_time_gets_it() {
    let fixture = fixture();
    let digest = image(&fixture.store, "amd64", &[b"layer"]);
    fixture.registry.misbehave("POST", "/uploads/", Fault::Status(429, vec![("retry-after", "7")]));
    fixture.registry.misbehave("PUT", "/manifests/", Fault::Status(503, vec![]));
    fixture.push(&digest, "app").unwrap();
    let mut waited = fixture.pause.seconds();
    waited.sort_unstable();
    assert_eq!(waited, [0, 7]);
    // More than anybody waits for.
    fixture.registry.misbehave("GET", "/manifests/", Fault::Status(429, vec![("retry-after", "86400")]));
    assert!(fixture.pull("app", &fixture.elsewhere("x")).is_err());
    for _ in 0..6 {
        fixture.registry.misbehave("GET", "/manifests/", Fault::Silence);
    }
    let error = fixture.pull("app", &fixture.elsewhere("x")).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "gave up after 6 attempts");
    fixture.assert_unharmed();
}

#[test]
fn uploads_go_on_where_the_registry_says() {
    let fixture = fixture();
    let layer = noise(4, 2_000_000);
    let digest = image(&fixture.store, "amd64", &[&layer]);
    let put = || {
        fixture.registry.count("PUT", "/blobs/uploads/") + fixture.registry.count("PATCH", "/blobs/uploads/")
    };
    // The configuration is small: only the layer is long enough to break at this place.
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::Status(500, vec![]));
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::CutRequest(900_000));
    fixture.push(&digest, "app").unwrap();
    assert!(put() >= 4, "{:#?}", fixture.registry.requests());
    let store = fixture.elsewhere("back");
    fixture.pull("app", &store).unwrap();
    assert_eq!(store.read_blob(&Digest::of(&layer)).unwrap(), layer);
    // One that does not like large requests gets small ones.
    let other = image(&fixture.store, "amd64", &[&noise(5, 3_000_000)]);
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::Status(413, vec![]));
    fixture.push(&other, "other").unwrap();
    assert!(fixture.registry.count("PATCH", "/other/blobs/uploads/") >= 1);
    fixture.assert_unharmed();
}

#[test]
fn a_registry_dies_in_mid_push_and_returns() {
    let runtime = Runtime::start().unwrap();
    let registry = FaultyRegistry::open(&runtime);
    let revived = registry.clone();
    let then = move |count: usize| match count {
        1 => revived.kill(),
        3 => revived.revive(),
        _ => {}
    };
    let pause = Arc::new(Meanwhile { then: Some(Box::new(then)), ..Meanwhile::default() });
    let retry = RetryPolicy { attempts: 50, first: Duration::ZERO, ..RetryPolicy::default() };
    let fixture = with(runtime, registry, pause, |options| options.retry = retry);
    let layers = [noise(6, 900_000), noise(7, 800_000)];
    let digest = image(&fixture.store, "amd64", &[&layers[0], &layers[1]]);
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::CutRequest(500_000));
    fixture.push(&digest, "app:1").unwrap();
    let store = fixture.elsewhere("back");
    assert_eq!(fixture.pull("app:1", &store).unwrap().top.digest, digest);
    assert_eq!(store.read_blob(&Digest::of(&layers[1])).unwrap(), layers[1]);
    fixture.assert_unharmed();
}

#[test]
fn a_registry_that_falls_silent_is_not_waited_for() {
    let runtime = Runtime::start().unwrap();
    let registry = FaultyRegistry::open(&runtime);
    let short = Duration::from_millis(100);
    let fixture = with(runtime, registry, Arc::default(), |options| {
        options.timeouts = Timeouts { connect: short, silence: short, answer: short };
    });
    let layer = noise(12, 2_000_000);
    let digest = image(&fixture.store, "amd64", &[&layer]);
    // It takes no bytes; it takes them and says nothing; it stops in the middle.
    fixture.registry.misbehave("PUT", "/blobs/uploads/", Fault::Stall);
    fixture.registry.misbehave("PUT", "/manifests/", Fault::Stall);
    fixture.push(&digest, "app").unwrap();
    fixture.registry.misbehave("GET", "/manifests/", Fault::Stall);
    fixture.registry.misbehave("GET", &format!("/blobs/{}", Digest::of(&layer)), Fault::Stall);
    let store = fixture.elsewhere("back");
    fixture.pull("app", &store).unwrap();
    assert_eq!(store.read_blob(&Digest::of(&layer)).unwrap(), layer);
    fixture.assert_unharmed();
}
