//! Images go out, come back, are copied and deleted.

use super::*;

#[test]
fn an_image_goes_out_and_comes_back_the_same() {
    let fixture = fixture();
    let layers = [noise(1, 700_000), noise(2, 10), Vec::new()];
    let digest = image(&fixture.store, "amd64", &[&layers[0], &layers[1], &layers[2]]);
    let pushed = fixture.push(&digest, "team/app:1").unwrap();
    assert_eq!(pushed.top.digest, digest);
    let store = fixture.elsewhere("other");
    assert_eq!(fixture.pull("team/app:1", &store).unwrap().top, pushed.top);
    for layer in &layers {
        assert_eq!(store.read_blob(&Digest::of(layer)).unwrap(), *layer);
    }
    assert!(store.document(&digest).is_ok());
    assert_eq!(fixture.client.resolve(&fixture.reference("team/app:1")).unwrap(), pushed.top);
    assert_eq!(fixture.client.tags(&fixture.reference("team/app")).unwrap(), ["1"]);
    // What is there is not sent again.
    assert_eq!(fixture.push(&digest, "team/app:2").unwrap().sent, 0);
    assert_eq!(fixture.registry.count("GET", "/tags/list"), 1);
    let gone = fixture.pull("team/app:3", &store).unwrap_err();
    assert!(std::error::Error::source(&gone).unwrap().to_string().ends_with("has no tag `3` in `team/app`"));
    fixture.assert_unharmed();
}

#[test]
fn one_platform_or_all_of_an_index() {
    let fixture = fixture();
    let (one, two) = (image(&fixture.store, "amd64", &[b"amd"]), image(&fixture.store, "arm64", &[b"arm"]));
    let both = index(&fixture.store, &[("amd64", one), ("arm64", two)]);
    assert_eq!(fixture.push(&both, "multi").unwrap().top.digest, both);
    let store = fixture.elsewhere("one");
    let pulled = fixture.pull("multi", &store).unwrap();
    assert_eq!((pulled.top.digest, pulled.manifests[0].digest), (both, one));
    assert!(!store.has_blob(&Digest::of(b"arm")).unwrap());
    let store = fixture.elsewhere("all");
    let pulled = fixture.client.pull(&fixture.reference("multi"), &Platforms::All, &store, &()).unwrap();
    assert_eq!((pulled.top.digest, pulled.manifests.len()), (both, 2));
    assert!(store.has_blob(&Digest::of(b"arm")).unwrap());
    let s390x = Platforms::One(Platform::linux("s390x"));
    let missing =
        fixture.client.pull(&fixture.reference("multi"), &s390x, &store, &()).unwrap_err().to_string();
    assert!(
        missing.ends_with("has no image for linux/s390x, only for linux/amd64, linux/arm64"),
        "{missing}"
    );
    // Only half of it is here.
    let half = fixture.elsewhere("half");
    let index_bytes = fixture.store.read_blob(&both).unwrap();
    half.put_blob(&index_bytes).unwrap();
    let refused = fixture.client.push(&half, &both, &fixture.reference("x"), &PushOptions::default(), &());
    assert!(matches!(refused, Err(PushError::Incomplete { missing, .. }) if missing == one));
}

#[test]
fn a_mirror_stands_in_for_a_registry_that_nobody_reaches() {
    let plain = fixture();
    let digest = image(&plain.store, "amd64", &[b"ubi"]);
    plain.push(&digest, "mirror/ubi9/ubi").unwrap();
    let mirror = |location: String| MirrorConfig { location, ..MirrorConfig::default() };
    let mut options = options_of(&plain);
    options.registries = vec![RegistryConfig {
        prefix: "registry.access.redhat.com".to_owned(),
        location: format!("{}/mirror", plain.registry.address),
        mirrors: vec![mirror(format!("{}/empty", plain.registry.address))],
        ..RegistryConfig::default()
    }];
    let client = Client::new(&plain.runtime, options);
    let ubi: Reference = "registry.access.redhat.com/ubi9/ubi".parse().unwrap();
    let store = plain.elsewhere("x");
    let pulled = client.pull(&ubi, &amd64(), &store, &()).unwrap();
    assert_eq!(pulled.top.digest, digest);
    let missing: Reference = "registry.access.redhat.com/ubi9/none".parse().unwrap();
    let error = client.resolve(&missing).unwrap_err().to_string();
    assert!(error.starts_with("cannot pull `registry.access.redhat.com/ubi9/none:latest`; `"), "{error}");
}

#[test]
fn copies_go_from_one_registry_to_another() {
    let (from, to) = (fixture(), fixture());
    let (one, two) =
        (image(&from.store, "amd64", &[&noise(11, 700_000)]), image(&from.store, "arm64", &[b"arm"]));
    let both = index(&from.store, &[("amd64", one), ("arm64", two)]);
    from.push(&both, "multi:1").unwrap();
    let mut artifact = Manifest::new(blob(&from.store, "application/x.sbom", b"{}"), vec![]);
    artifact.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, one, 1));
    artifact.artifact_type = Some("application/x.sbom".to_owned());
    let artifact = put(&from.store, &Raw::write(artifact));
    from.client.push_referrer(&from.store, &artifact, &from.reference("multi"), &()).unwrap();

    let path = format!("/blobs/{}", Digest::of(&noise(11, 700_000)));
    from.registry.misbehave("GET", &path, Fault::CutAnswer(300_000));
    to.registry.misbehave("PUT", "/blobs/uploads/", Fault::CutRequest(100_000));
    let options = PushOptions { with_referrers: true, ..PushOptions::default() };
    let (source, target) = (from.reference("multi:1"), to.reference("copied:2"));
    let pushed = from.client.copy(&source, &target, &Platforms::All, &options, &()).unwrap();
    assert_eq!(pushed.top.digest, both);
    let pulled = to.client.pull(&target, &Platforms::All, &to.store, &()).unwrap();
    assert_eq!(pulled.manifests.len(), 2);
    let found = to.client.referrers(&target.with_digest(one), Some("application/x.sbom")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].digest, found[0].platform.as_ref()), (artifact, None));
    // Within one registry nothing is sent.
    let within =
        from.client.copy(&source, &from.reference("elsewhere"), &amd64(), &PushOptions::default(), &());
    assert_eq!((within.as_ref().unwrap().sent, within.unwrap().top.digest), (0, one));
    from.assert_unharmed();
    to.assert_unharmed();
}

#[test]
fn old_registries_list_referrers_by_tag() {
    let fixture = fixture();
    let subject = image(&fixture.store, "amd64", &[b"x"]);
    fixture.push(&subject, "app").unwrap();
    let artifacts = [1, 2].map(|n: u8| {
        let mut manifest = Manifest::new(blob(&fixture.store, "application/x.sbom", &[n]), vec![]);
        manifest.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, subject, 1));
        put(&fixture.store, &Raw::write(manifest))
    });
    for artifact in artifacts.iter().chain(&artifacts[..1]) {
        fixture.registry.misbehave("PUT", "/manifests/sha256:", Fault::Unsaid("oci-subject"));
        fixture.client.push_referrer(&fixture.store, artifact, &fixture.reference("app"), &()).unwrap();
    }
    fixture.registry.misbehave("GET", "/referrers/", Fault::Status(404, vec![]));
    let found = fixture.client.referrers(&fixture.reference("app"), None).unwrap();
    assert_eq!(found.iter().map(|entry| entry.digest).collect::<Vec<_>>(), artifacts);
    assert!(found.iter().all(|entry| entry.platform.is_none()));
    assert_eq!(found[0].artifact_type.as_deref(), Some("application/x.sbom"));
    let tags = fixture.client.tags(&fixture.reference("app")).unwrap();
    assert_eq!(tags, ["latest".to_owned(), subject.to_string().replace(':', "-")]);
    fixture.assert_unharmed();
}

#[test]
fn deletion() {
    let fixture = fixture();
    let digest = image(&fixture.store, "amd64", &[b"x"]);
    fixture.push(&digest, "app:1").unwrap();
    fixture.push(&digest, "app:2").unwrap();
    fixture.client.delete(&fixture.reference("app:1")).unwrap();
    assert_eq!(fixture.client.tags(&fixture.reference("app")).unwrap(), ["2"]);
    fixture.client.delete(&fixture.reference(&format!("app@{digest}"))).unwrap();
    assert!(fixture.client.resolve(&fixture.reference("app:2")).is_err());
    fixture.client.delete_blob_of(&fixture.reference("app"), &Digest::of(b"x")).unwrap();
    assert!(fixture.client.delete(&fixture.reference("app:1")).is_err());
}

#[test]
fn blobs_go_ahead_of_their_manifest_and_need_not_be_here() {
    let fixture = fixture();
    let (base, own) = (noise(21, 50_000), noise(22, 40_000));
    let first = image(&fixture.store, "amd64", &[&base]);
    fixture.push(&first, "base").unwrap();
    let digest = image(&fixture.store, "amd64", &[&base, &own]);
    // Another machine has the documents and its own layer.
    let other = fixture.elsewhere("other");
    for part in [digest, Digest::of(&own)] {
        other.put_blob(&fixture.store.read_blob(&part).unwrap()).unwrap();
    }
    let config = Raw::<Manifest>::parse(fixture.store.read_blob(&digest).unwrap()).unwrap();
    other.put_blob(&fixture.store.read_blob(&config.value().config.digest).unwrap()).unwrap();
    let options = PushOptions { mount_from: vec!["base".parse().unwrap()], ..PushOptions::default() };
    let layers = [&base, &own].map(|bytes| Descriptor::of(media_type::OCI_LAYER_GZIP, bytes));
    let to = fixture.reference("app:1");
    let ahead = fixture.client.push_blobs(&other, &layers, &to, &options, &()).unwrap();
    assert_eq!(ahead, own.len() as u64);
    assert_eq!(fixture.client.push(&other, &digest, &to, &options, &()).unwrap().top.digest, digest);
    let nowhere = fixture.reference("nowhere/app:1");
    let refused = fixture.client.push(&other, &digest, &nowhere, &PushOptions::default(), &());
    assert!(matches!(refused, Err(PushError::Incomplete { missing, .. }) if missing == layers[0].digest));
    // And what is missing is had from a repository, without a manifest.
    fixture.client.fetch_from(&fixture.reference("base"), &layers[..1], &other, &()).unwrap();
    assert_eq!(other.read_blob(&layers[0].digest).unwrap(), base);
    fixture.assert_unharmed();
}

#[test]
fn a_fetch_ends_when_nobody_wants_it() {
    struct Stopped;
    impl Progress for Stopped {
        fn transfer(&self, _: &Descriptor, _: Transfer) {}
        fn is_stopped(&self) -> bool {
            true
        }
    }
    let fixture = fixture();
    let layer = noise(23, 100_000);
    let digest = image(&fixture.store, "amd64", &[&layer]);
    fixture.push(&digest, "app").unwrap();
    let (other, blob) = (fixture.elsewhere("other"), Descriptor::of(media_type::OCI_LAYER_GZIP, &layer));
    assert!(
        fixture
            .client
            .fetch_from(&fixture.reference("app"), std::slice::from_ref(&blob), &other, &Stopped)
            .is_err()
    );
    assert!(!other.has_blob(&blob.digest).unwrap());
    assert_eq!(other.verify(1).unwrap().findings, [""; 0]);
    let again = fixture.client.push(
        &fixture.store,
        &digest,
        &fixture.reference("x"),
        &PushOptions::default(),
        &Stopped,
    );
    assert!(again.is_err() && fixture.registry.count("PUT", "/x/manifests/") == 0);
}
