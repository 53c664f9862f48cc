//! The repository's files, as they are handed in.

use std::collections::BTreeMap;
use std::io;

/// A repository's files. Whoever implements this bounds what it reads and decides what belongs to the repository.
pub trait Files {
    /// The paths of all regular files, sorted, from the root with `/` between directories and none in front. Ignored files
    /// and version control's own are not among them.
    fn list(&self) -> &[String];

    /// A file's bytes; nothing where there is no such file, listed or not.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;
}

/// Files in memory: for tests, and for whoever has them already.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    paths: Vec<String>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// From paths and contents.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Memory {
        let contents: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
        Memory { paths: contents.keys().cloned().collect(), contents }
    }

    /// From a text with a heading `//- /path` before each file.
    pub fn parse(text: &str) -> Memory {
        let mut files = Vec::new();
        for part in text.split("//- /").skip(1) {
            let (path, content) = part.split_once('\n').unwrap_or((part, ""));
            files.push((path.trim().to_owned(), content.as_bytes().to_vec()));
        }
        Memory::new(files)
    }
}

impl Files for Memory {
    fn list(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.contents.get(path).cloned())
    }
}

/// The paths at or below a directory; all of them for the root, which is the empty path.
pub fn below<'f>(files: &'f dyn Files, directory: &str) -> &'f [String] {
    let all = files.list();
    if directory.is_empty() {
        return all;
    }
    let prefix = format!("{directory}/");
    let start = all.partition_point(|path| path.as_str() < prefix.as_str());
    let end = start + all[start..].partition_point(|path| path.starts_with(&prefix));
    &all[start..end]
}

/// Whether there is such a file.
pub fn is_file(files: &dyn Files, path: &str) -> bool {
    files.list().binary_search_by(|known| known.as_str().cmp(path)).is_ok()
}

/// Whether a directory holds any file. The root always does.
pub fn is_directory(files: &dyn Files, path: &str) -> bool {
    path.is_empty() || !below(files, path).is_empty()
}

/// A path relative to a directory, both from the root: without `.`, `..` and doubled slashes. Nothing where it leaves the
/// root. A leading `/` means the directory itself, as `contextDir` and Argo CD's paths have it.
pub fn join(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The directory that a file is in; the empty path for the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_root() {
        for (directory, path, expected) in [
            ("", "/", Some("")),
            ("", "./a//b/", Some("a/b")),
            ("a/b", "../c", Some("a/c")),
            ("a", "/supply", Some("a/supply")),
            ("a", "../..", None),
            ("", "..", None),
        ] {
            assert_eq!(join(directory, path).as_deref(), expected, "{directory} {path}");
        }
    }

    #[test]
    fn what_is_below_a_directory_is_found() {
        let files = Memory::parse("//- /a/x\n//- /a-b/y\n//- /a/b/z\none\n//- /b\n");
        assert_eq!(below(&files, "a"), ["a/b/z", "a/x"]);
        assert_eq!(below(&files, "").len(), 4);
        assert!(is_file(&files, "b") && !is_file(&files, "a") && is_directory(&files, "a"));
        assert!(!is_directory(&files, "b") && !is_directory(&files, "a/x"));
        assert_eq!(files.read("a/b/z").expect("it is in memory"), Some(b"one\n".to_vec()));
    }
}
