//! The store, as one and as several processes use it. A lock belongs to an open file, so two stores that one test opens
//! are two processes to each other.

mod collection;
mod settling;

use std::fs;
use std::io::Write;
use std::path::Path;

use super::*;
use crate::layer::{Compression, OverlayForm, index_directory};
use crate::record::{Key, Record, Usage, Written};
use crate::{Descriptor, Digest, ImageConfig, ImageIndex, Manifest, Platform, Raw, Reference, SnapshotId};

/// Unpacking and committing layers needs the form that this user may write.
pub(crate) fn open(root: &Path) -> Store {
    let form = if crate::layer::tests::may_be_trusted() { OverlayForm::Trusted } else { OverlayForm::User };
    Store::open(root, form).unwrap()
}

pub(crate) fn layer_of(store: &Store, files: &[(&str, &str)]) -> LayerId {
    let work = store.work_dir().unwrap();
    for (path, content) in files {
        let path = work.upper().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
    }
    let rules = crate::layer::Rules::default();
    crate::layer::normalise(&work.upper(), &rules, 1_000_000_000, store.form(), &|_| false).unwrap();
    let index = index_directory(&work.upper(), store.form(), 1).unwrap();
    store.commit_layer(work, index).unwrap()
}

pub(crate) fn image_of(store: &Store, layers: &[LayerId], author: &str) -> Digest {
    let mut config = ImageConfig::for_platform(&Platform::linux("amd64"));
    config.author = Some(author.to_owned());
    config.created = Some("2024-01-31T12:00:00Z".to_owned());
    let mut descriptors = Vec::new();
    for layer in layers {
        let blob = store.pack_layer(layer, Compression::Gzip, None, 2).unwrap();
        config.rootfs.diff_ids.push(blob.diff_id);
        descriptors.push(blob.descriptor);
    }
    let config = Raw::write(config);
    store.put_blob(config.bytes()).unwrap();
    let config = config.descriptor(crate::descriptor::media_type::OCI_CONFIG);
    store.put_blob(Raw::write(Manifest::new(config, descriptors)).bytes()).unwrap()
}

fn record_of(store: &Store, key: Key, layer: Option<LayerId>) -> Digest {
    let record = Record {
        instruction: "RUN true".to_owned(),
        key,
        parent: SnapshotId::of(&[]),
        inputs: Default::default(),
        layer,
        written: Written::default(),
        normalised: Vec::new(),
        unreproducible: Vec::new(),
        unobserved: Vec::new(),
        intakes: Vec::new(),
        reads: None,
        log: Some(store.put_blob(format!("log of {key}").as_bytes()).unwrap()),
        usage: Usage::default(),
        limits: Default::default(),
        source_date_epoch: 0,
        warnings: Vec::new(),
    };
    let digest = store.put_record(&record).unwrap();
    assert_eq!(store.record(&digest).unwrap(), record);
    digest
}

fn add_step(store: &Store, name: &str, layer: Option<LayerId>) -> Key {
    let key = Key(Digest::of(name.as_bytes()));
    let record = record_of(store, key, layer);
    store.commit(&Batch { steps: vec![NewStep { key, record, layer }], ..Batch::default() }).unwrap();
    key
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

#[track_caller]
fn assert_clean(store: &Store) {
    let report = store.verify(2).unwrap();
    assert_eq!((report.findings, report.orphans), (Vec::<String>::new(), Vec::<PathBuf>::new()));
}

#[test]
fn blobs_are_what_they_are_called() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let digest = store.put_blob(b"one").unwrap();
    assert_eq!(store.read_blob(&digest).unwrap(), b"one");
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"two").unwrap();
    assert_eq!(writer.finish().unwrap(), (Digest::of(b"two"), 3));
    drop(store.blob_writer().unwrap());
    let long = Digest::of_with(crate::digest::Algorithm::Sha512, b"five");
    for (bytes, expected) in [(b"5", long), (b"6", Digest::of(b"six"))] {
        let mut writer = store.blob_writer().unwrap();
        writer.write_all(bytes).unwrap();
        assert!(matches!(writer.finish_as(&expected), Err(StoreError::WrongDigest { .. })));
    }
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"five").unwrap();
    assert_eq!(writer.finish_as(&long).unwrap(), 4);
    assert_eq!(store.read_blob(&long).unwrap(), b"five");
    let announced = Descriptor::of("x", b"three");
    assert!(matches!(store.import_blob(&mut &b"thr"[..], &announced), Err(StoreError::WrongSize { .. })));
    assert!(matches!(store.import_blob(&mut &b"threeee"[..], &announced), Err(StoreError::WrongSize { .. })));
    assert!(matches!(store.import_blob(&mut &b"THREE"[..], &announced), Err(StoreError::WrongDigest { .. })));
    assert!(!store.has_blob(&announced.digest).unwrap());
    store.import_blob(&mut &b"three"[..], &announced).unwrap();
    assert!(matches!(store.read_blob(&Digest::of(b"four")), Err(StoreError::NoBlob(_))));
    store.commit(&Batch::default()).unwrap();
    assert!(open(directory.path()).has_blob(&announced.digest).unwrap());
    assert_clean(&store);
}

#[test]
fn a_layer_is_known_by_content_and_packed_and_unpacked_to_itself() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = layer_of(&store, &[("a/x", "1"), ("b", "2")]);
    assert_eq!(layer_of(&store, &[("b", "2"), ("a/x", "1")]), id);
    let layer = store.layer(&id).unwrap().unwrap();
    assert_eq!(fs::read_to_string(layer.directory.join("a/x")).unwrap(), "1");
    let blob = store.pack_layer(&id, Compression::Gzip, None, 2).unwrap();
    assert_eq!(store.layer_blob(&id, Compression::Gzip, None).unwrap(), Some(blob.clone()));
    assert_eq!(store.layer_blob(&id, Compression::Zstd, None).unwrap(), None);
    let known = ImportedLayer { id, diff_id: blob.diff_id };
    assert_eq!(store.layer_by_blob(&blob.descriptor.digest).unwrap(), Some(known));
    store.commit(&Batch::default()).unwrap();
    assert_eq!(store.layer_by_diff_id(&blob.diff_id).unwrap(), Some(id));
    assert_eq!(store.layer_blob(&id, Compression::Gzip, None).unwrap(), Some(blob.clone()));

    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(elsewhere.path());
    other.import_blob(&mut store.open_blob(&blob.descriptor.digest).unwrap(), &blob.descriptor).unwrap();
    let wrong = crate::DiffId(Digest::of(b"wrong"));
    let refused = other.import_layer(&blob.descriptor, Some(&wrong));
    assert!(matches!(refused, Err(StoreError::WrongDigest { .. })), "{refused:?}");
    assert_eq!(other.import_layer(&blob.descriptor, Some(&blob.diff_id)).unwrap(), known);
    assert_eq!(other.import_layer(&blob.descriptor, None).unwrap(), known);
    assert_eq!(
        other.layer_blob(&id, Compression::Gzip, None).unwrap(),
        None,
        "an imported blob is not exported as ours"
    );
    other.commit(&Batch::default()).unwrap();
    assert_clean(&other);
    assert_clean(&store);
}

#[test]
fn images_are_found_by_name_digest_and_the_beginning_of_an_id() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (one, two) = (image_of(&store, &[], "one"), image_of(&store, &[], "two"));
    let tags =
        vec![(reference("app"), one), (reference("r.example:5000/app:2"), one), (reference("other:1"), two)];
    store.commit(&Batch { tags, ..Batch::default() }).unwrap();
    let found = |name: &str| store.resolve(name).unwrap().map(|descriptor| descriptor.digest);
    assert_eq!(found("app"), Some(one));
    assert_eq!(found("docker.io/library/app:latest"), Some(one));
    assert_eq!(found("app:2"), None);
    assert_eq!(found(&format!("app:latest@{two}")), Some(two));
    assert_eq!(found(&one.to_string()), Some(one));
    assert_eq!(found(&one.hex()[..12]), Some(one));
    assert_eq!(found(&format!("sha256:{}", &two.hex()[..12])), Some(two));
    let image = store.image(&one, &Platform::linux("amd64")).unwrap().unwrap();
    assert_eq!(found(&image.manifest.value().config.digest.hex()[..20]), Some(one));
    assert_eq!(found("zz"), None);
    let list = store.images().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list.iter().find(|image| image.image.digest == one).unwrap().tags.len(), 2);
    assert_eq!(list[0].created.as_deref(), Some("2024-01-31T12:00:00Z"));

    assert!(store.untag(&reference("app")).unwrap());
    assert!(!store.untag(&reference("app")).unwrap());
    store.tag(&reference("app"), &two).unwrap();
    assert_eq!(found("app"), Some(two));
    assert_eq!(store.remove_image(&two).unwrap(), [reference("app"), reference("other:1")]);
    assert_eq!(found("other:1"), None);
    assert!(store.tag(&reference("x"), &Digest::of(b"nothing")).is_err());
}

#[test]
fn an_index_serves_each_platform_its_image() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let image = image_of(&store, &[], "amd64");
    let mut here = store.describe(&image).unwrap();
    here.platform = Some(Platform::linux("amd64"));
    let mut absent = Descriptor::of(&here.media_type, b"another machine's");
    absent.platform = Some(Platform::linux("s390x"));
    let index = store.put_blob(Raw::write(ImageIndex::new(vec![absent, here])).bytes()).unwrap();
    store.tag(&reference("multi"), &index).unwrap();
    let found = store.image(&index, &Platform::linux("amd64")).unwrap().unwrap();
    assert_eq!(found.descriptor.digest, image);
    assert!(store.image(&index, &Platform::linux("s390x")).unwrap().is_none());
    let list = store.images().unwrap();
    assert_eq!((list.len(), list[0].id, &list[0].platforms), (1, index, &vec![Platform::linux("amd64")]));
    drop(store);
    let store = open(directory.path());
    store.gc(Some(0)).unwrap();
    assert!(store.image(&index, &Platform::linux("amd64")).unwrap().is_some());
    assert_clean(&store);
}

#[test]
fn a_catalog_of_the_first_format_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let image = b"{}";
    let digest = open(directory.path()).put_blob(image).unwrap();
    let catalog = rusqlite::Connection::open(directory.path().join("catalog.sqlite")).unwrap();
    let tables =
        ["repository_blobs", "repository_manifests", "repository_tags", "downloads", "origins", "unsettled"];
    tables.iter().for_each(|table| catalog.execute_batch(&format!("DROP TABLE {table}")).unwrap());
    catalog.execute_batch("DROP INDEX builds_by_name; ALTER TABLE builds DROP COLUMN project").unwrap();
    catalog.pragma_update(None, "user_version", 1).unwrap();
    drop(catalog);
    let store = open(directory.path());
    assert!(!store.repository_has_blob("a", &digest).unwrap());
}

#[test]
fn a_layer_that_somebody_left_half_made_is_replaced() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let id = layer_of(&store, &[("file", "content")]);
    drop(store);
    // No transaction spoke of it, and the power failed: the file is there, its content is not.
    fs::write(directory.path().join("layers").join(id.0.hex()).join("tree/file"), "").unwrap();
    let store = open(directory.path());
    assert!(store.layer(&id).unwrap().is_none());
    assert_eq!(layer_of(&store, &[("file", "content")]), id);
    store.commit(&Batch::default()).unwrap();
    assert_clean(&store);
}

#[test]
fn threads_and_processes_share_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let stores = [open(directory.path()), open(directory.path())];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &stores[thread % 2];
            scope.spawn(move || {
                for number in 0..8 {
                    let key = add_step(store, &format!("{thread}-{number}"), None);
                    assert!(store.step(&key).unwrap().is_some());
                    if number == 4 {
                        store.gc(None).unwrap();
                    }
                }
            });
        }
    });
    for (thread, number) in (0..4).flat_map(|thread| (0..8).map(move |number| (thread, number))) {
        let key = Key(Digest::of(format!("{thread}-{number}").as_bytes()));
        assert!(stores[0].step(&key).unwrap().is_some() && stores[1].step(&key).unwrap().is_some());
    }
    assert_clean(&stores[0]);
}

#[test]
fn builds_are_listed_newest_first() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let build = |id: &str, started, state| NewBuild {
        id: id.to_owned(),
        project: String::new(),
        name: ".".to_owned(),
        started,
        finished: None,
        state,
        image: None,
        detail: "{}".to_owned(),
    };
    let builds = vec![build("aa1", 1, BuildState::Running), build("ab2", 2, BuildState::Failed)];
    store.commit(&Batch { builds, ..Batch::default() }).unwrap();
    let builds = vec![build("aa1", 1, BuildState::Succeeded)];
    store.commit(&Batch { builds, ..Batch::default() }).unwrap();
    let list: Vec<String> =
        store.builds(10).unwrap().into_iter().map(|b| format!("{} {}", b.id, b.state.name())).collect();
    assert_eq!(list, ["ab2 failed", "aa1 succeeded"]);
    assert_eq!(store.build("ab").unwrap().unwrap().id, "ab2");
    assert!(matches!(store.build("a"), Err(StoreError::Ambiguous(_))));
    assert!(store.build("zz").unwrap().is_none());
}

#[test]
fn a_store_of_another_form_or_format_is_refused() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let refused = Store::open(directory.path(), OverlayForm::User).unwrap_err().to_string();
    assert!(refused.ends_with("was made by root, and cannot be used otherwise"), "{refused}");
    let catalog = rusqlite::Connection::open(directory.path().join("catalog.sqlite")).unwrap();
    catalog.pragma_update(None, "user_version", 99).unwrap();
    let refused = Store::open(directory.path(), OverlayForm::Trusted).unwrap_err().to_string();
    assert!(refused.ends_with("has format 99, this Kapok knows 6"), "{refused}");
}
