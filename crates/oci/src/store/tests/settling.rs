//! What a machine that goes down leaves, and what the next opening of the store makes of it.

use super::*;

fn open_in(root: &Path, boot: &str) -> Store {
    let form = if crate::layer::tests::may_be_trusted() { OverlayForm::Trusted } else { OverlayForm::User };
    Store::open_in(root, form, Some(boot.to_owned())).unwrap()
}

fn truncate(store: &Store, blob: &Digest) {
    fs::OpenOptions::new().write(true).open(store.blob_path(blob)).unwrap().set_len(1).unwrap();
}

#[test]
fn what_was_damaged_before_it_was_settled_is_forgotten_with_all_that_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path(), "one");
    let (sound, lost) = (store.put_blob(b"sound").unwrap(), store.put_blob(b"lost").unwrap());
    let (whole, broken) = (image_of(&store, &[], "whole"), image_of(&store, &[], "broken"));
    let tags = vec![(reference("whole:1"), whole), (reference("broken:1"), broken)];
    store.commit(&Batch { tags, images: vec![whole, broken], ..Batch::default() }).unwrap();
    let key = add_step(&store, "kept", None);
    let forgotten = add_step(&store, "forgotten", None);
    let record = store.step(&forgotten).unwrap().unwrap().record;
    let Ok(Document::Manifest(manifest)) = store.document(&broken) else { panic!("it is a manifest") };
    for blob in [&lost, &record, &manifest.value().config.digest] {
        truncate(&store, blob);
    }
    drop(store);

    // A process of the same run of the machine has no reason to doubt.
    let store = open_in(directory.path(), "one");
    assert!(store.has_blob(&lost).unwrap());
    drop(store);

    let store = open_in(directory.path(), "two");
    assert!(store.has_blob(&sound).unwrap() && !store.has_blob(&lost).unwrap());
    assert!(store.step(&key).unwrap().is_some() && store.step(&forgotten).unwrap().is_none());
    let names: Vec<String> = store.tags().unwrap().iter().map(|tag| tag.reference.to_string()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].contains("whole"));
    assert!(store.verify(1).unwrap().findings.is_empty());
    assert_eq!(store.put_blob(b"lost").unwrap(), lost);
    assert_eq!(store.read_blob(&lost).unwrap(), b"lost");
}

#[test]
fn what_is_settled_is_not_looked_at_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path(), "one");
    let settled = store.put_blob(b"settled").unwrap();
    store.commit(&Batch::default()).unwrap();
    store.settle().unwrap();
    let doubtful = store.put_blob(b"doubtful").unwrap();
    store.commit(&Batch::default()).unwrap();
    for blob in [&settled, &doubtful] {
        truncate(&store, blob);
    }
    drop(store);
    let store = open_in(directory.path(), "two");
    assert!(store.has_blob(&settled).unwrap() && !store.has_blob(&doubtful).unwrap());
}

#[test]
fn a_layer_that_lost_a_file_is_made_anew() {
    if !crate::layer::tests::is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open_in(directory.path(), "one");
    let layer = layer_of(&store, &[("a", "1"), ("b", "2")]);
    let key = add_step(&store, "step", Some(layer));
    fs::write(store.layer(&layer).unwrap().unwrap().directory.join("a"), "").unwrap();
    drop(store);
    let store = open_in(directory.path(), "two");
    assert!(store.layer(&layer).unwrap().is_none() && store.step(&key).unwrap().is_none());
    assert_eq!(layer_of(&store, &[("a", "1"), ("b", "2")]), layer);
    let directory = store.layer(&layer).unwrap().unwrap().directory;
    assert_eq!(fs::read_to_string(directory.join("a")).unwrap(), "1");
}
