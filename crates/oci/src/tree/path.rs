//! Paths inside a tree: bytes, relative, without `.` and `..`, `/` only between components; empty = the root.

use std::cmp::Ordering;

/// The order of all path indexes: by components, bytewise. A directory comes right before what is in it.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    // `/` sorts before every other byte, so that `a/b` comes before `a-b`: whole subtrees stay together.
    let rank = |byte: Option<&u8>| match byte {
        None => 0u16,
        Some(b'/') => 1,
        Some(other) => u16::from(*other) + 2,
    };
    rank(a.get(common)).cmp(&rank(b.get(common)))
}

/// The components of a path, none for the root.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty())
}

/// The directory that a path is in; `None` for the root.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    if path.is_empty() {
        return None;
    }
    Some(path.iter().rposition(|b| *b == b'/').map_or(&path[..0], |slash| &path[..slash]))
}

/// The last component; empty for the root.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.iter().rposition(|b| *b == b'/').map_or(path, |slash| &path[slash + 1..])
}

/// `directory/name`, or `name` in the root.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.is_empty() && !name.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Whether `path` is `directory` or lies in it.
pub(crate) fn is_within(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || (path.starts_with(directory) && matches!(path.get(directory.len()), None | Some(b'/')))
}

/// A path for a message: what is no text is replaced, and what is very long is cut.
pub(crate) fn shown(path: &[u8]) -> String {
    const LIMIT: usize = 300;
    let cut = &path[..path.len().min(LIMIT)];
    let text = String::from_utf8_lossy(cut).into_owned();
    if cut.len() < path.len() { text + "…" } else { text }
}

/// Whether a path is in the form that trees use.
pub(crate) fn is_clean(path: &[u8]) -> bool {
    path.is_empty()
        || (!path.contains(&0) && path.split(|b| *b == b'/').all(|part| !matches!(part, b"" | b"." | b"..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_stay_together() {
        let mut paths: Vec<&[u8]> =
            vec![b"a-b", b"a/c", b"", b"a", b"ab", b"a/b/c", b"a/b", b"\x01", b"a/b-"];
        paths.sort_by(|a, b| compare(a, b));
        assert_eq!(paths, [&b""[..], b"\x01", b"a", b"a/b", b"a/b/c", b"a/b-", b"a/c", b"a-b", b"ab"]);
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!((parent(b""), parent(b"a"), parent(b"a/b")), (None, Some(&b""[..]), Some(&b"a"[..])));
        assert_eq!((file_name(b""), file_name(b"a"), file_name(b"a/b")), (&b""[..], &b"a"[..], &b"b"[..]));
        assert_eq!((join(b"", b"a"), join(b"a", b"b")), (b"a".to_vec(), b"a/b".to_vec()));
        assert!(
            is_within(b"a/b", b"a")
                && is_within(b"a", b"a")
                && is_within(b"a", b"")
                && !is_within(b"ab", b"a")
        );
        assert!(
            is_clean(b"a/b")
                && is_clean(b"")
                && !is_clean(b"/a")
                && !is_clean(b"a/../b")
                && !is_clean(b"a//b")
        );
    }
}
