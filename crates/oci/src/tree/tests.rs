//! Path indexes and views, against a model that applies layers to a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::path::is_within;
use super::*;
use crate::Digest;

pub(crate) fn file(path: &str, content: &str) -> Entry {
    Entry {
        kind: Kind::File { digest: Digest::of(content.as_bytes()) },
        mode: 0o644,
        size: content.len() as u64,
        mtime: 1_000_000_000,
        ..Entry::implied_directory(path.as_bytes())
    }
}

fn directory(path: &str) -> Entry {
    Entry::implied_directory(path.as_bytes())
}

fn of_kind(path: &str, kind: Kind) -> Entry {
    Entry { kind, ..directory(path) }
}

fn link(path: &str, target: &str) -> Entry {
    of_kind(path, Kind::Symlink { target: target.as_bytes().to_vec() })
}

fn index(entries: Vec<Entry>) -> PathIndex {
    PathIndex::build(entries).unwrap()
}

#[test]
fn entries_read_back_from_the_encoded_form() {
    let mut odd = file("d/\u{7f}-\n", "x");
    odd.xattrs = vec![(b"user.b".to_vec(), vec![0, 255]), (b"user.a".to_vec(), vec![])];
    (odd.mode, odd.uid, odd.gid, odd.mtime) = (0o7777, u32::MAX - 1, 1_000_660_000, -5);
    let built = index(vec![
        odd.clone(),
        directory("d"),
        link("l", "/d/../x"),
        of_kind("c", Kind::CharDevice { major: 5, minor: 1 << 19 }),
        of_kind("b", Kind::BlockDevice { major: 8, minor: 0 }),
        of_kind("p", Kind::Fifo),
        Entry::whiteout(b"w"),
        of_kind("e", Kind::Hardlink { to: b"d/\x7f-\n".to_vec() }),
        of_kind("o", Kind::Directory { opaque: true }),
    ]);
    let decoded = PathIndex::decode(built.encode().to_vec()).unwrap();
    assert_eq!((decoded.id(), decoded.len(), decoded.total_size()), (built.id(), 10, 1));
    decoded.check().unwrap();
    odd.xattrs.sort();
    assert_eq!(decoded.get(&odd.path), Some(odd.clone()));
    assert_eq!(decoded.get(b"e").unwrap().mode, odd.mode);
    assert_eq!(decoded.get(b"d/zz"), None);
    let names =
        |dir: &[u8]| decoded.children(dir).map(|e| String::from_utf8(e.path).unwrap()).collect::<Vec<_>>();
    assert_eq!(names(b""), ["b", "c", "d", "e", "l", "o", "p", "w"]);
    assert_eq!(names(b"d"), ["d/\u{7f}-\n"]);
    assert!(names(b"l").is_empty() && names(b"absent").is_empty());
}

#[test]
fn the_empty_layer_is_known() {
    assert!(PathIndex::empty().is_empty_layer());
    assert!(!index(vec![directory("a")]).is_empty_layer());
    assert!(!index(vec![Entry { mode: 0o700, ..directory("") }]).is_empty_layer());
}

#[test]
fn entries_that_make_no_index() {
    for bad in [
        vec![file("a/b", "")],
        vec![file("a", ""), file("a/b", "")],
        vec![file("a", ""), file("a", "")],
        vec![directory("a"), file("a", "")],
        vec![file("", "")],
        vec![file("../a", "")],
        vec![file("/a", "")],
        vec![directory("a"), file("a/", "")],
        vec![file("a\0", "")],
        vec![of_kind("a", Kind::Hardlink { to: b"b".to_vec() }), file("b", "")],
        vec![of_kind("b", Kind::Hardlink { to: b"a".to_vec() }), link("a", "x")],
        vec![Entry { mode: 0o10644, ..file("a", "") }],
    ] {
        assert!(PathIndex::build(bad.clone()).is_err(), "{bad:?}");
    }
}

#[test]
fn damage_is_found() {
    let bytes = index(vec![directory("a"), file("a/b", "x")]).encode().to_vec();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        assert!(PathIndex::decode(damaged.clone()).is_err(), "byte {at}");
        fuzz_index(&damaged);
        fuzz_index(&bytes[..at]);
        assert!(PathIndex::decode(bytes[..at].to_vec()).is_err());
    }
}

#[test]
fn links_resolve_inside_the_root() {
    let below = index(vec![
        directory("usr"),
        directory("usr/lib"),
        link("lib", "usr/lib"),
        link("usr/up", "../../../etc"),
        link("loop", "loop"),
        file("file", ""),
    ]);
    let above =
        index(vec![directory("etc"), link("etc/abs", "/lib/./x"), file("usr", "no directory any more")]);
    let view = View::new(vec![Arc::new(below.clone())]);
    let go = |view: &View, path: &str, follow| match view.resolve(path.as_bytes(), follow) {
        Ok(found) => format!("{} {}", String::from_utf8(found.path).unwrap(), found.found.is_some()),
        Err(error) => error.to_string(),
    };
    assert_eq!(go(&view, "/lib", false), "lib true");
    assert_eq!(go(&view, "lib", true), "usr/lib true");
    assert_eq!(go(&view, "lib/a/b", false), "usr/lib/a/b false");
    assert_eq!(go(&view, "usr/up/passwd", true), "etc/passwd false");
    assert_eq!(go(&view, "../..", true), " true");
    assert_eq!(go(&view, "loop/x", true), "`loop/x` goes through too many symbolic links");
    assert_eq!(go(&view, "loop", false), "loop true");
    assert_eq!(go(&view, "file/x", true), "`file` is not a directory");
    let both = View::new(vec![Arc::new(below), Arc::new(above)]);
    assert_eq!(go(&both, "etc/abs", true), "`usr` is not a directory");
}

#[test]
fn subtree_digests_are_of_what_is_seen_not_of_where_it_lies() {
    let whole = index(vec![directory("a"), file("a/x", "1"), file("a/y", "2")]);
    let split = [index(vec![directory("a"), file("a/x", "0"), file("a/y", "2"), file("a/z", "3")]), {
        index(vec![directory("a"), file("a/x", "1"), Entry::whiteout(b"a/z")])
    }];
    let moved = index(vec![directory("b"), directory("b/a"), file("b/a/x", "1"), file("b/a/y", "2")]);
    let view = |layers: &[PathIndex]| View::new(layers.iter().cloned().map(Arc::new).collect());
    let digest = view(std::slice::from_ref(&whole)).digest_of(b"a", Some(0));
    assert!(digest.is_some());
    assert_eq!(view(&split).digest_of(b"a", Some(0)), digest);
    assert_eq!(view(&[moved]).digest_of(b"b/a", Some(0)), digest);
    assert_ne!(view(std::slice::from_ref(&whole)).digest_of(b"a", Some(2_000_000_000)), digest);
    assert_ne!(view(std::slice::from_ref(&whole)).digest_of(b"", Some(0)), digest);
    assert_eq!(view(std::slice::from_ref(&whole)).digest_of(b"absent", None), None);
}

/// What a mounted root shows, the slow and plain way.
#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, Entry>);

impl Model {
    fn apply(&mut self, layer: &PathIndex) {
        for entry in layer.iter() {
            let keeps_content = entry.kind == Kind::Directory { opaque: false }
                && self.0.get(&entry.path).is_some_and(Entry::is_directory);
            if !keeps_content {
                self.0.retain(|path, _| !is_within(path, &entry.path));
            }
            let shown = match &entry.kind {
                Kind::Whiteout => continue,
                Kind::Directory { .. } => Entry { kind: Kind::Directory { opaque: false }, ..entry },
                Kind::Hardlink { to } => Entry { path: entry.path.clone(), ..layer.get(to).unwrap() },
                _ => entry,
            };
            self.0.insert(shown.path.clone(), shown);
        }
    }
}

/// Layers over few names, so that they hide and replace each other often.
pub(crate) fn layer() -> impl Strategy<Value = PathIndex> {
    let name = prop::sample::select(vec!["a", "b", "a-", "c"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    prop::collection::vec((path, 0u8..8, 0u32..3), 0..12).prop_map(|wishes| {
        let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        for (path, kind, variant) in wishes {
            let mut ancestors: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
            ancestors.retain(|a| !entries.get(a.as_bytes()).is_some_and(Entry::is_directory));
            let free = !ancestors.iter().any(|a| entries.contains_key(a.as_bytes()));
            if !free || entries.contains_key(path.as_bytes()) {
                continue;
            }
            for ancestor in ancestors {
                entries.insert(ancestor.as_bytes().to_vec(), directory(ancestor));
            }
            let first_file =
                entries.values().find(|e| matches!(e.kind, Kind::File { .. })).map(|e| e.path.clone());
            let entry = match (kind, first_file) {
                (0, _) => Entry::whiteout(path.as_bytes()),
                (1, _) => of_kind(&path, Kind::Directory { opaque: true }),
                (2, _) => Entry { mode: 0o700 + variant, ..directory(&path) },
                (3, _) => link(&path, ["a", "/b/c", "../a-"][variant as usize]),
                (4, Some(to)) if compare(&to, path.as_bytes()).is_lt() => {
                    of_kind(&path, Kind::Hardlink { to })
                }
                _ => file(&path, ["", "1", "22"][variant as usize]),
            };
            entries.insert(entry.path.clone(), entry);
        }
        PathIndex::build(entries.into_values().collect()).unwrap()
    })
}

proptest! {
    // Nothing is written beside the code: a failure prints its input.
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_view_shows_what_the_model_shows(layers in prop::collection::vec(layer(), 1..5)) {
        let mut model = Model::default();
        for layer in &layers {
            model.apply(layer);
        }
        let view = View::new(layers.into_iter().map(Arc::new).collect());
        let mut expected: Vec<Entry> = model.0.values().cloned().collect();
        expected.sort_by(|a, b| compare(&a.path, &b.path));
        let walked: Vec<Entry> = view.walk(b"").map(|(_, entry)| entry).collect();
        prop_assert_eq!(&walked, &expected);
        for entry in &expected {
            prop_assert_eq!(view.lookup(&entry.path).map(|(_, e)| e), Some(entry.clone()));
            let listed: Vec<Vec<u8>> = view.list(&entry.path).into_iter().map(|(_, e)| e.path).collect();
            let children: Vec<Vec<u8>> = expected.iter().map(|e| e.path.clone())
                .filter(|path| path::parent(path) == Some(&entry.path[..])).collect();
            prop_assert_eq!(listed, children);
        }
        for path in [&b"a/b/c"[..], b"c/c", b"a-", b"b/a/a"] {
            prop_assert_eq!(view.lookup(path).is_some(), model.0.contains_key(path));
        }
    }

    #[test]
    fn encoding_is_a_function_of_the_entries(layer in layer(), seed in any::<u64>()) {
        let mut entries: Vec<Entry> = layer.iter().collect();
        let count = entries.len();
        entries.rotate_left((seed % count as u64) as usize);
        let again = PathIndex::build(entries).unwrap();
        prop_assert_eq!(again.encode(), layer.encode());
        prop_assert!(PathIndex::decode(layer.encode().to_vec()).unwrap().check().is_ok());
    }
}
