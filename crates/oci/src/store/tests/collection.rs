//! What collection keeps, what it takes, and what verification finds.

use super::*;

#[test]
fn collection_keeps_what_is_named_recent_or_in_use() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let builder = open(directory.path());
    let named = layer_of(&builder, &[("named", "1")]);
    let image = image_of(&builder, &[named], "kept");
    builder.tag(&reference("kept"), &image).unwrap();
    let dangling = image_of(&builder, &[layer_of(&builder, &[("dangling", "1")])], "dangling");
    builder.commit(&Batch { images: vec![dangling], ..Batch::default() }).unwrap();
    let old = add_step(&builder, "old", Some(layer_of(&builder, &[("old", &"x".repeat(5000))])));
    drop(builder);

    let builder = open(directory.path());
    let recent_layer = layer_of(&builder, &[("recent", &"x".repeat(5000))]);
    let recent = add_step(&builder, "recent", Some(recent_layer));
    let collector = open(directory.path());
    // Another process uses `recent`, and has blobs that no transaction speaks of yet.
    let unfinished = builder.put_blob(b"unfinished").unwrap();
    let report = collector.gc(Some(0)).unwrap();
    assert_eq!((report.images, report.steps), (1, 1));
    assert!(builder.step(&recent).unwrap().is_some() && builder.step(&old).unwrap().is_none());
    assert_eq!(builder.read_blob(&unfinished).unwrap(), b"unfinished");
    assert!(builder.layer(&recent_layer).unwrap().unwrap().directory.join("recent").exists());
    assert_clean(&collector);
    drop((builder, collector));

    let collector = open(directory.path());
    assert_eq!(collector.gc(Some(1_000_000)).unwrap().steps, 0, "there is room for it");
    assert_eq!(collector.gc(None).unwrap().steps, 0);
    assert_eq!(collector.gc(Some(100)).unwrap().steps, 1);
    assert!(collector.layer(&recent_layer).unwrap().is_none());
    assert!(collector.layer(&named).unwrap().is_some());
    assert_eq!(collector.resolve("kept").unwrap().unwrap().digest, image);
    assert_clean(&collector);
    let remaining: Vec<String> = process::names(&directory.path().join("layers")).unwrap();
    assert_eq!(remaining, [named.0.hex()]);
}

#[test]
fn repositories_keep_manifests_until_they_are_removed_and_blobs_of_pushes_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let (server, collector) = (open(directory.path()), open(directory.path()));
    let put = |bytes: &[u8]| {
        let digest = server.put_blob(bytes).unwrap();
        server.add_repository_blob("team/app", &digest).unwrap();
        Descriptor::new("application/x", digest, bytes.len() as u64)
    };
    let subject = Digest::of(b"subject");
    let mut manifest = Manifest::new(put(b"config"), vec![put(b"layer")]);
    manifest.annotations.insert("a".to_owned(), "b".to_owned());
    let manifest = Raw::write(manifest);
    server.put_blob(manifest.bytes()).unwrap();
    let mut descriptor = manifest.descriptor(crate::descriptor::media_type::OCI_MANIFEST);
    descriptor.annotations = manifest.value().annotations.clone();
    let entry = RepositoryManifest { descriptor, subject: Some(subject), depth: 0 };
    server.put_repository_manifest("team/app", &entry, &["v1".to_owned(), "v2".to_owned()]).unwrap();
    let digest = entry.descriptor.digest;
    assert_eq!(server.repository_manifest("team/app", &digest).unwrap(), Some(entry.clone()));
    assert_eq!(server.repository_manifest("team", &digest).unwrap(), None);
    let referrers = server.repository_referrers("team/app", &subject).unwrap();
    assert_eq!(referrers, std::slice::from_ref(&entry.descriptor));
    assert_eq!(server.repository_tags("team/app", "v1", 9).unwrap(), ["v2"]);
    assert_eq!(server.repositories("", 9).unwrap(), ["team/app"]);
    assert!(server.has_repository("team/app").unwrap() && !server.has_repository("team").unwrap());

    let unfinished = put(b"of a push under way").digest;
    collector.gc(Some(0)).unwrap();
    assert!(server.repository_has_blob("team/app", &unfinished).unwrap());
    drop(server);
    // Its process is gone: what no manifest names goes, what one names stays.
    assert_eq!(collector.gc(Some(0)).unwrap().blobs + collector.gc(Some(0)).unwrap().blobs, 0);
    assert!(!collector.repository_has_blob("team/app", &unfinished).unwrap());
    assert!(collector.repository_has_blob("team/app", &Digest::of(b"layer")).unwrap());
    assert_eq!(collector.repository_tag("team/app", "v2").unwrap(), Some(digest));
    assert_clean(&collector);
    drop(collector);

    let collector = open(directory.path());
    assert!(collector.remove_repository_manifest("team/app", &digest).unwrap());
    assert!(!collector.remove_repository_manifest("team/app", &digest).unwrap());
    assert_eq!(collector.repository_tags("team/app", "", 9).unwrap(), [""; 0]);
    assert_eq!(collector.gc(Some(0)).unwrap().blobs, 3);
    assert_eq!(collector.repositories("", 9).unwrap(), [""; 0]);
    assert_clean(&collector);
}

#[test]
fn a_result_in_use_stays_when_another_build_replaces_it() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let maker = open(directory.path());
    let first = layer_of(&maker, &[("first", "")]);
    let key = add_step(&maker, "step", Some(first));
    drop(maker);
    let user = open(directory.path());
    let found = user.step(&key).unwrap().unwrap();
    let other = open(directory.path());
    add_step(&other, "step", Some(layer_of(&other, &[("second", "")])));
    other.gc(None).unwrap();
    assert!(user.layer(&first).unwrap().unwrap().directory.join("first").exists());
    assert_eq!(user.record(&found.record).unwrap().layer, Some(first));
    drop((user, other));
    let collector = open(directory.path());
    assert_eq!(collector.gc(None).unwrap().layers, 1);
    assert_clean(&collector);
}

#[test]
fn what_a_killed_process_left_is_swept_and_collected() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    drop(open(root));
    // As after kill -9: no lock, a work directory that cannot be entered, files without rows, leases.
    fs::write(root.join("running/1-dead"), "").unwrap();
    fs::create_dir_all(root.join("work/1-dead/0/work/work")).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(root.join("work/1-dead/0/work/work"), closed).unwrap();
    fs::write(root.join("blobs/sha256").join(Digest::of(b"left").hex()), "left").unwrap();
    fs::create_dir_all(root.join("layers").join(Digest::of(b"half").hex()).join("tree")).unwrap();
    let store = open(root);
    store
        .connection()
        .execute("INSERT INTO leases VALUES ('2-dead', 'blob', ?1)", [Digest::of(b"left").to_string()])
        .unwrap();
    assert_eq!(store.verify(1).unwrap().orphans.len(), 1);
    drop(store);
    fs::create_dir(root.join("work/2-dead")).unwrap();
    fs::write(root.join("running/2-dead"), "").unwrap();
    let store = open(root);
    assert_eq!(store.verify(1).unwrap().orphans.len(), 2);
    assert_eq!(store.gc(None).unwrap().orphans, 2);
    assert_clean(&store);
    for name in ["running/2-dead", "work/2-dead"] {
        assert!(!root.join(name).exists(), "{name}");
    }
}

#[test]
fn damage_is_found_and_named() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let layer = layer_of(&store, &[("a", "1"), ("b", "2")]);
    let image = image_of(&store, &[layer], "x");
    store.tag(&reference("x"), &image).unwrap();
    let lost = store.put_blob(b"lost").unwrap();
    let changed = store.put_blob(b"changed").unwrap();
    add_step(&store, "step", Some(layer));
    fs::remove_file(store.blob_path(&lost)).unwrap();
    fs::write(store.blob_path(&changed), "CHANGED").unwrap();
    fs::write(store.layer(&layer).unwrap().unwrap().directory.join("b"), "3").unwrap();
    fs::write(directory.path().join("blobs/sha256/stranger"), "").unwrap();
    store.connection().execute("DELETE FROM images", []).unwrap();
    let report = store.verify(3).unwrap();
    let found = |text: &str| report.findings.iter().any(|finding| finding.contains(text));
    assert!(found(&format!("blob {lost}: the store has no blob")), "{:?}", report.findings);
    assert!(found(&format!("blob {changed} has the digest")), "{:?}", report.findings);
    assert!(found(&format!("layer {layer}: `b` is not")), "{:?}", report.findings);
    assert!(found("the name docker.io/library/x:latest speaks of"), "{:?}", report.findings);
    assert_eq!((report.findings.len(), report.orphans.len()), (4, 1), "{:?}", report.findings);
}
