//! What two runs of one step wrote differently.

use std::collections::BTreeMap;

use oci::tree::{Entry, Kind, PathIndex};

/// The paths that differ, each with what differs, in the order of their names.
pub fn differences(first: &PathIndex, second: &PathIndex) -> Vec<(String, String)> {
    let mut paths: BTreeMap<Vec<u8>, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
    for entry in first.iter() {
        let path = entry.path.clone();
        paths.entry(path).or_default().0 = Some(entry);
    }
    for entry in second.iter() {
        let path = entry.path.clone();
        paths.entry(path).or_default().1 = Some(entry);
    }
    paths
        .into_iter()
        .filter_map(|(path, pair)| {
            let what = match pair {
                (Some(one), Some(two)) => between(&one, &two)?,
                (Some(_), None) => "only in the first run".to_owned(),
                (None, Some(_)) => "only in the second run".to_owned(),
                (None, None) => return None,
            };
            Some((format!("/{}", String::from_utf8_lossy(&path)), what))
        })
        .collect()
}

fn between(one: &Entry, two: &Entry) -> Option<String> {
    let mut what = Vec::new();
    match (&one.kind, &two.kind) {
        (Kind::File { .. }, Kind::File { .. }) if one.kind != two.kind => what.push("content"),
        (Kind::Symlink { .. }, Kind::Symlink { .. }) if one.kind != two.kind => what.push("target"),
        (a, b) if a != b => what.push("kind"),
        _ => {}
    }
    let parts = [
        (one.mode != two.mode, "mode"),
        ((one.uid, one.gid) != (two.uid, two.gid), "owner"),
        (one.mtime != two.mtime, "time"),
        (one.xattrs != two.xattrs, "attributes"),
    ];
    what.extend(parts.iter().filter(|(differs, _)| *differs).map(|(_, name)| name));
    (!what.is_empty()).then(|| what.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::Digest;

    fn file(path: &str, content: &str, mode: u32) -> Entry {
        let mut entry = Entry::implied_directory(path.as_bytes());
        entry.kind = Kind::File { digest: Digest::of(content.as_bytes()) };
        entry.size = content.len() as u64;
        entry.mode = mode;
        entry
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let first =
            PathIndex::build(vec![file("a", "1", 0o644), file("b", "1", 0o644), file("c", "1", 0o644)]);
        let second =
            PathIndex::build(vec![file("a", "2", 0o600), file("b", "1", 0o644), file("d", "1", 0o644)]);
        let expected =
            [("/a", "content, mode"), ("/c", "only in the first run"), ("/d", "only in the second run")];
        let found = differences(&first.unwrap(), &second.unwrap());
        assert_eq!(found, expected.map(|(path, what)| (path.to_owned(), what.to_owned())));
    }
}
