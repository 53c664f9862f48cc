//! Contexts: what is visible, and what is read when.

use dockerfile::ignore::Patterns;
use oci::Digest;
use tempfile::TempDir;
use testkit::fixture;

use super::*;

fn open(directory: &Path, ignore: &str, cache: Option<&Path>) -> Context {
    let options =
        ContextOptions { ignore: Patterns::parse(ignore).0, cache: cache.map(Path::to_owned), threads: 2 };
    Context::open(directory, options).unwrap()
}

/// All visible paths, directories with a slash.
fn visible(context: &Context) -> String {
    context.prefetch(b"").unwrap();
    let mut found = Vec::new();
    let mut todo = vec![Vec::new()];
    while let Some(directory) = todo.pop() {
        for (name, node) in context.list(&directory).unwrap().iter() {
            let path = tree::join(&directory, name);
            let slash = if node.kind == NodeKind::Directory { "/" } else { "" };
            found.push(format!("{}{slash}", String::from_utf8_lossy(&path)));
            if node.kind == NodeKind::Directory {
                todo.push(path);
            }
        }
    }
    found.sort();
    found.join(" ")
}

const TREE: &str = "
//- /Dockerfile
FROM scratch
//- /a.txt
a
//- /src/main.rs
m
//- /src/deep/er/file
f
//- /src/deep/other
o
//- /target/debug/big
b
//- /empty/
//- /link -> src
";

#[track_caller]
fn check(ignore: &str, expected: &str) {
    let directory = fixture::directory(TREE);
    assert_eq!(visible(&open(directory.path(), ignore, None)), expected, "{ignore:?}");
}

#[test]
fn what_is_visible() {
    check(
        "",
        "Dockerfile a.txt empty/ link src/ src/deep/ src/deep/er/ src/deep/er/file src/deep/other src/main.rs target/ target/debug/ target/debug/big",
    );
    check("target\n*.txt\nsrc/deep\n", "Dockerfile empty/ link src/ src/main.rs");
    check("*\n!src/deep/er\n", "src/ src/deep/ src/deep/er/ src/deep/er/file");
    check("*\n!src/nothing\n", "");
    check(
        "**/file\nempty\nlink\ntarget",
        "Dockerfile a.txt src/ src/deep/ src/deep/er/ src/deep/other src/main.rs",
    );
    check("src\n!src/main.rs\ntarget\nempty\nlink\nDockerfile\n", "a.txt src/ src/main.rs");
    check("*\n!**/other\n", "src/ src/deep/ src/deep/other");
}

#[test]
fn single_paths() {
    let directory = fixture::directory(TREE);
    let context = open(directory.path(), "target\n", None);
    let kind = |path: &str| context.lookup(path.as_bytes()).unwrap().map(|node| node.kind);
    assert_eq!(kind(""), Some(NodeKind::Directory));
    assert_eq!(kind("src/deep/er/file"), Some(NodeKind::File));
    assert_eq!(kind("link"), Some(NodeKind::Symlink));
    assert_eq!(kind("link/main.rs"), None, "no link is followed");
    assert_eq!(kind("a.txt/x"), None);
    assert_eq!(kind("nothing/at/all"), None);
    assert_eq!(kind("target/debug/big"), None);
    assert!(context.is_left_out(b"target/debug/big"));
    assert!(!context.is_left_out(b"nothing"));
    assert!(!context.is_left_out(b"a.txt"));
    assert_eq!(context.read_link(b"link").unwrap(), b"src");
}

#[test]
fn nothing_outside_is_opened() {
    let directory = fixture::directory("//- /out -> ..\n//- /abs -> /etc\n//- /file\nx\n");
    let context = open(directory.path(), "", None);
    for path in ["../x", "out/x", "abs/passwd", "/etc/passwd", "out"] {
        assert!(context.open_file(path.as_bytes()).is_err(), "{path}");
    }
    assert!(context.open_file(b"file").is_ok());
}

#[test]
fn digests_are_of_the_content() {
    let directory = fixture::directory(TREE);
    let context = open(directory.path(), "", None);
    let files: Vec<(&[u8], Node)> = [&b"a.txt"[..], b"src/main.rs", b"src/deep/er/file"]
        .map(|path| (path, context.lookup(path).unwrap().unwrap()))
        .into();
    let digests = context.digests(&files).unwrap();
    assert_eq!(digests, [Digest::of(b"a\n"), Digest::of(b"m\n"), Digest::of(b"f\n")]);
}

#[test]
fn a_file_that_changes_after_it_was_listed_is_noticed() {
    let directory = fixture::directory(TREE);
    let context = open(directory.path(), "", None);
    let node = context.lookup(b"a.txt").unwrap().unwrap();
    std::fs::write(directory.path().join("a.txt"), "longer than before").unwrap();
    let error = context.digests(&[(b"a.txt", node)]).unwrap_err();
    assert_eq!(error.to_string(), "`a.txt` of the build context changed while it was read");
}

/// Files that are old enough to be trusted: those of this crate.
fn sources() -> (PathBuf, TempDir) {
    (Path::new(env!("CARGO_MANIFEST_DIR")).to_owned(), tempfile::tempdir().unwrap())
}

#[test]
fn digests_are_remembered_for_the_next_build() {
    let (directory, cache) = sources();
    let digest = |context: &Context| {
        let node = context.lookup(b"Cargo.toml").unwrap().unwrap();
        (node, context.digests(&[(b"Cargo.toml", node)]).unwrap()[0])
    };
    let first = open(&directory, "", Some(cache.path()));
    let (node, expected) = digest(&first);
    assert_eq!(first.cache.lock().unwrap().get(&node.stamp), None);
    first.save_cache().unwrap();
    let second = open(&directory, "", Some(cache.path()));
    assert_eq!(second.cache.lock().unwrap().get(&node.stamp), Some(expected));
    assert_eq!(digest(&second).1, expected);
    assert_eq!(
        std::fs::read_dir(cache.path()).unwrap().count(),
        1,
        "one file for each context, and no other"
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let (directory, _) = sources();
    let context = open(&directory, "", Some(Path::new("/nonexistent/cache")));
    let node = context.lookup(b"Cargo.toml").unwrap().unwrap();
    context.digests(&[(b"Cargo.toml", node)]).unwrap();
    context.save_cache().unwrap();
}

#[test]
fn many_directories_are_walked_by_several_threads() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..200 {
        let inner = directory.path().join(format!("d{}/e{number}", number % 7));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("f"), "x").unwrap();
    }
    let context = open(directory.path(), "", None);
    assert_eq!(visible(&context).split(' ').count(), 7 + 200 + 200);
}

#[test]
fn an_archive_becomes_a_directory() {
    let form = testkit::archive::Form::Gzip;
    let members = ["d/f text=x", "l -> d/f"].map(|line| testkit::archive::member(line).unwrap());
    let archive = testkit::archive::write(form, &members).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("context");
    std::fs::create_dir(&inside).unwrap();
    unpack_archive(&archive[..], &inside).unwrap();
    assert_eq!(visible(&open(&inside, "", None)), "d/ d/f l");
}
