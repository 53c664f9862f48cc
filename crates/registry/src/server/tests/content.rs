//! What is pushed, pulled, listed and deleted.

use super::*;

#[test]
fn uploads_in_all_their_ways() {
    both(|fixture| {
        let digest = Digest::of(b"hello world");
        // In one request.
        let one = fixture.ask("POST", &format!("/v2/a/blobs/uploads/?digest={digest}"), &[], b"hello world");
        assert_eq!((one.0, one.header("location")), (201, &*format!("/v2/a/blobs/{digest}")));
        // Chunks, out of order and in order.
        let begun = fixture.ask("POST", "/v2/b/blobs/uploads/", &[], b"");
        assert_eq!((begun.0, begun.header("range")), (202, "0-0"));
        let upload = begun.header("location").to_owned();
        let patch =
            |range: &str, bytes: &[u8]| fixture.ask("PATCH", &upload, &[("content-range", range)], bytes);
        let wrong = patch("6-10", b"world");
        assert_eq!((wrong.0, wrong.code().as_str()), (416, "RANGE_INVALID"));
        assert_eq!(patch("0-9", b"hello ").0, 400, "lengths disagree");
        let right = patch("0-5", b"hello ");
        assert_eq!((right.0, right.header("range")), (202, "0-5"));
        assert_eq!(patch("0-5", b"hello ").0, 416);
        let status = fixture.get(&upload);
        assert_eq!((status.0, status.header("range"), status.2.len()), (204, "0-5", 0));
        assert_eq!(fixture.ask("PUT", &upload, &[], b"").code(), "DIGEST_INVALID");
        let done =
            fixture.ask("PUT", &format!("{upload}?digest={digest}"), &[("content-range", "6-10")], b"world");
        assert_eq!((done.0, done.header("docker-content-digest")), (201, &*digest.to_string()));
        assert_eq!(fixture.get(&upload).code(), "BLOB_UPLOAD_UNKNOWN");
        // Given up.
        let begun = fixture.ask("POST", "/v2/b/blobs/uploads/", &[], b"");
        assert_eq!(
            fixture.get(&begun.header("location").replace("/b/", "/c/")).0,
            404,
            "of another repository"
        );
        assert_eq!(fixture.ask("DELETE", begun.header("location"), &[], b"").0, 204);
        assert_eq!(fixture.get(begun.header("location")).0, 404);
        // Other bytes than announced leave nothing.
        let begun = fixture.ask("POST", "/v2/d/blobs/uploads/", &[], b"");
        let wrong =
            fixture.ask("PUT", &format!("{}?digest={digest}", begun.header("location")), &[], b"hello there");
        assert_eq!((wrong.0, wrong.code().as_str()), (400, "DIGEST_INVALID"));
        assert_eq!(fixture.get(&format!("/v2/d/blobs/{digest}")).code(), "BLOB_UNKNOWN");
        assert_eq!(fixture.get(&format!("/v2/d/blobs/{}", Digest::of(b"hello there"))).0, 404);
        // SHA-512 too.
        let long = Digest::of_with(oci::digest::Algorithm::Sha512, b"long");
        assert_eq!(fixture.ask("POST", &format!("/v2/a/blobs/uploads/?digest={long}"), &[], b"long").0, 201);
        assert_eq!(fixture.get(&format!("/v2/a/blobs/{long}")).2, b"long");
    });
}

#[test]
fn blobs_whole_and_in_parts() {
    both(|fixture| {
        let bytes: Vec<u8> = (0..600_000u32).map(|n| (n % 251) as u8).collect();
        let path = format!("/v2/a/blobs/{}", fixture.put_blob("a", &bytes).digest);
        assert_eq!(fixture.get(&path).2, bytes);
        let head = fixture.ask("HEAD", &path, &[], b"");
        assert_eq!((head.0, head.header("content-length"), head.2.len()), (200, "600000", 0));
        let part = |range: &str| fixture.ask("GET", &path, &[("range", range)], b"");
        let some = part("bytes=300000-300009");
        assert_eq!((some.0, some.header("content-range")), (206, "bytes 300000-300009/600000"));
        assert_eq!(some.2, bytes[300_000..300_010]);
        assert_eq!(part("bytes=599990-").2, bytes[599_990..]);
        let beyond = part("bytes=600000-");
        assert_eq!((beyond.0, beyond.header("content-range")), (416, "bytes */600000"));
        let known = fixture.ask("GET", &path, &[("if-none-match", head.header("etag"))], b"");
        assert_eq!((known.0, known.2.len()), (304, 0));
        // A blob is only where it was brought to, or mounted.
        let digest = Digest::of(&bytes);
        assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).0, 404);
        let mount = |query: &str| {
            fixture.ask("POST", &format!("/v2/b/blobs/uploads/?mount={digest}{query}"), &[], b"").0
        };
        assert_eq!(mount("&from=c"), 202);
        assert_eq!(mount("&from=a"), 201);
        assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).2.len(), 600_000);
        assert_eq!(fixture.ask("DELETE", &path, &[], b"").0, 202);
        assert_eq!(fixture.ask("DELETE", &path, &[], b"").0, 404);
        assert_eq!(fixture.get(&format!("/v2/b/blobs/{digest}")).0, 200);
    });
}

#[test]
fn manifests_tags_and_what_they_need() {
    both(|fixture| {
        let (config, layer) = (fixture.put_blob("a", b"{}"), fixture.put_blob("a", b"layer"));
        let manifest = Raw::write(Manifest::new(config.clone(), vec![layer]));
        let digest = manifest.digest();
        let put = |name: &str, bytes: &[u8]| fixture.put_manifest("a", name, media_type::OCI_MANIFEST, bytes);
        for tag in ["v1", "v2", "v3", "latest"] {
            assert_eq!(put(tag, manifest.bytes()).header("docker-content-digest"), digest.to_string());
        }
        let got = fixture.get("/v2/a/manifests/v1");
        assert_eq!((got.header("content-type"), &got.2[..]), (media_type::OCI_MANIFEST, manifest.bytes()));
        let head = fixture.ask("HEAD", &format!("/v2/a/manifests/{digest}"), &[], b"");
        assert_eq!((head.0, head.header("content-length")), (200, &*manifest.bytes().len().to_string()));
        assert_eq!(fixture.get("/v2/a/manifests/none").code(), "MANIFEST_UNKNOWN");
        assert_eq!(fixture.get("/v2/b/manifests/v1").0, 404);
        // Lists in pages.
        let tags = fixture.get("/v2/a/tags/list?n=3");
        assert_eq!(String::from_utf8(tags.2.clone()).unwrap(), r#"{"name":"a","tags":["latest","v1","v2"]}"#);
        assert_eq!(tags.header("link"), "</v2/a/tags/list?n=3&last=v2>; rel=\"next\"");
        let rest = fixture.get("/v2/a/tags/list?n=3&last=v2");
        assert_eq!(
            (String::from_utf8(rest.2.clone()).unwrap().as_str(), rest.header("link")),
            (r#"{"name":"a","tags":["v3"]}"#, "")
        );
        assert_eq!(fixture.get("/v2/none/tags/list").code(), "NAME_UNKNOWN");
        assert_eq!(fixture.get("/v2/a/tags/list?n=x").0, 400);
        assert_eq!(fixture.get("/v2/_catalog").2, br#"{"repositories":["a"]}"#);
        // What cannot be.
        assert_eq!(put(&Digest::of(b"other").to_string(), manifest.bytes()).code(), "DIGEST_INVALID");
        assert_eq!(put("sha256:bad", manifest.bytes()).0, 400);
        assert_eq!(put("v9", b"{").code(), "MANIFEST_INVALID");
        assert_eq!(put(".v9", manifest.bytes()).code(), "TAG_INVALID");
        let lacking = Raw::write(Manifest::new(config, vec![Descriptor::of("x", b"elsewhere")]));
        let refused = put("v9", lacking.bytes());
        assert_eq!((refused.0, refused.code().as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
        assert_eq!(put("v9", &vec![b' '; (4 << 20) + 1]).0, 413);
        assert_eq!(fixture.get("/v2/a/manifests/v9").0, 404);
        // Several tags at once.
        let tagged = put(&format!("{digest}?tag=x1&tag=x2"), manifest.bytes());
        assert_eq!((tagged.0, tagged.header("oci-tag")), (201, "x1, x2"));
        assert_eq!(fixture.get("/v2/a/manifests/x2").2, manifest.bytes());
        assert_eq!(put(&format!("{digest}?tag=.x"), manifest.bytes()).code(), "TAG_INVALID");
        // Deletion.
        assert_eq!(fixture.ask("DELETE", "/v2/a/manifests/v1", &[], b"").0, 202);
        assert_eq!(fixture.get("/v2/a/manifests/v1").0, 404);
        assert_eq!(fixture.ask("DELETE", &format!("/v2/a/manifests/{digest}"), &[], b"").0, 202);
        assert_eq!(fixture.get("/v2/a/manifests/latest").0, 404);
        assert_eq!(fixture.get("/v2/a/tags/list").2, br#"{"name":"a","tags":[]}"#);
    });
}

#[test]
fn referrers_and_nested_indexes() {
    both(|fixture| {
        let subject = fixture.put_image("a", "app", b"layer");
        let refer = |kind: &str| {
            let mut manifest = Manifest::new(fixture.put_blob("a", b"{}"), vec![]);
            manifest.artifact_type = Some(kind.to_owned());
            manifest.annotations.insert("k".to_owned(), kind.to_owned());
            manifest.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, subject, 1));
            let raw = Raw::write(manifest);
            let put =
                fixture.put_manifest("a", &raw.digest().to_string(), media_type::OCI_MANIFEST, raw.bytes());
            assert_eq!(put.header("oci-subject"), subject.to_string());
        };
        refer("application/x.one");
        refer("application/x.two");
        let list = |query: &str| {
            let got = fixture.get(&format!("/v2/a/referrers/{subject}{query}"));
            assert_eq!((got.0, got.header("content-type")), (200, media_type::OCI_INDEX));
            let index: serde_json::Value = serde_json::from_slice(&got.2).unwrap();
            let kinds = index["manifests"].as_array().unwrap().iter();
            let kinds: Vec<String> =
                kinds.map(|m| format!("{} {}", m["artifactType"], m["annotations"]["k"])).collect();
            (kinds.len(), got.header("oci-filters-applied").to_owned())
        };
        assert_eq!(list(""), (2, String::new()));
        assert_eq!(list("?artifactType=application/x.two"), (1, "artifactType".to_owned()));
        assert_eq!(fixture.get(&format!("/v2/a/referrers/{}", Digest::of(b"none"))).0, 200);
        assert_eq!(fixture.get("/v2/a/referrers/x").0, 400);
        // Indexes of indexes, up to a depth.
        let mut child = (subject, media_type::OCI_MANIFEST);
        for depth in 1..=5 {
            let index = Raw::write(oci::ImageIndex::new(vec![Descriptor::new(child.1, child.0, 1)]));
            let put =
                fixture.put_manifest("a", &format!("depth{depth}"), media_type::OCI_INDEX, index.bytes());
            assert_eq!(put.0, if depth <= 4 { 201 } else { 400 });
            child = (index.digest(), media_type::OCI_INDEX);
        }
        let foreign =
            Raw::write(oci::ImageIndex::new(vec![Descriptor::new(media_type::OCI_MANIFEST, subject, 1)]));
        assert_eq!(
            fixture.put_manifest("b", "x", media_type::OCI_INDEX, foreign.bytes()).code(),
            "MANIFEST_BLOB_UNKNOWN"
        );
    });
}

#[test]
fn what_the_store_has_tagged_can_be_pulled_and_pushes_change_no_names() {
    let fixture = serve(settings(), true);
    let store = fixture.store.as_ref().unwrap();
    let config = Raw::write(ImageConfig::for_platform(&Platform::linux("amd64")));
    store.put_blob(config.bytes()).unwrap();
    store.put_blob(b"layer").unwrap();
    let config = config.descriptor(media_type::OCI_CONFIG);
    let manifest =
        Raw::write(Manifest::new(config, vec![Descriptor::of(media_type::OCI_LAYER_GZIP, b"layer")]));
    let digest = store.put_blob(manifest.bytes()).unwrap();
    for name in ["app:1", "ghcr.io/team/app:2"] {
        store.tag(&name.parse().unwrap(), &digest).unwrap();
    }
    for path in ["app", "library/app"] {
        assert_eq!(fixture.get(&format!("/v2/{path}/manifests/1")).2, manifest.bytes());
        assert_eq!(fixture.get(&format!("/v2/{path}/blobs/{}", Digest::of(b"layer"))).2, b"layer");
    }
    assert_eq!(
        fixture.get("/v2/ghcr.io/team/app/tags/list").2,
        br#"{"name":"ghcr.io/team/app","tags":["2"]}"#
    );
    assert_eq!(fixture.get(&format!("/v2/other/blobs/{}", Digest::of(b"layer"))).0, 404);
    assert_eq!(fixture.get("/v2/_catalog").2, br#"{"repositories":["app","ghcr.io/team/app"]}"#);
    // A push under the same name is what the registry says from then on, and nothing to the store's own names.
    let pushed = fixture.put_image("app", "1", b"pushed");
    assert_eq!(fixture.get("/v2/app/manifests/1").header("docker-content-digest"), pushed.to_string());
    assert_eq!(store.resolve("app:1").unwrap().unwrap().digest, digest);
}

#[test]
fn collection_takes_nothing_from_a_push_under_way_and_little_from_a_killed_server() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Runtime::start().unwrap();
    let server = |generation| {
        let content = StoreContent::with_generation(Arc::new(open(directory.path())), generation);
        Server::start(&runtime, settings(), Storage::new(Arc::new(content)), Arc::new(())).unwrap()
    };
    let http = reqwest::Client::builder()
        .use_preconfigured_tls(crate::tls::client(&[], None, true).unwrap())
        .no_proxy()
        .build()
        .unwrap();
    let fixture = |server| Fixture {
        runtime: runtime.clone(),
        http: http.clone(),
        server,
        store: None,
        _directory: tempfile::tempdir().unwrap(),
    };
    // Leases of each request end two requests later: nothing that a manifest names depends on them.
    for generation in [Duration::from_secs(3600), Duration::ZERO] {
        let fixture = fixture(server(generation));
        let collector = open(directory.path());
        let kept = fixture.put_image("kept", "1", b"kept");
        let begun = fixture.ask("POST", "/v2/a/blobs/uploads/", &[], b"");
        assert_eq!(fixture.ask("PATCH", begun.header("location"), &[], b"half").0, 202);
        let config = fixture.put_blob("a", b"config");
        collector.gc(Some(0)).unwrap();
        let whole = Digest::of(b"halfrest");
        let done = fixture.ask("PUT", &format!("{}?digest={whole}", begun.header("location")), &[], b"rest");
        assert_eq!(done.0, 201);
        let manifest = Raw::write(Manifest::new(config, vec![Descriptor::new("x", whole, 8)]));
        let put = fixture.put_manifest("a", "1", media_type::OCI_MANIFEST, manifest.bytes());
        if generation > Duration::ZERO {
            assert_eq!(put.0, 201);
        }
        collector.gc(Some(0)).unwrap();
        assert_eq!(fixture.get(&format!("/v2/kept/manifests/{kept}")).0, 200);
        assert_eq!(fixture.get(&format!("/v2/kept/blobs/{}", Digest::of(b"kept"))).2, b"kept");
    }
    let store = open(directory.path());
    store.commit(&Batch::default()).unwrap();
    store.gc(Some(0)).unwrap();
    let report = store.verify(2).unwrap();
    assert_eq!((report.findings, report.orphans.len()), (Vec::<String>::new(), 0));
}
