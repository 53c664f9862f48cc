//! Directories that a step left: deep ones, and overlayfs's own signs.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::super::*;
use super::is_root;
use crate::tree::Kind;

/// A chain of directories, made from handles since no path is long enough.
fn chain(root: &Path, depth: usize, name_length: usize) {
    let name = "d".repeat(name_length);
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
    let empty = rustix::fs::Mode::empty();
    let mut here = rustix::fs::open(root, flags, empty).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&here, &name, rustix::fs::Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, &name, flags, empty).unwrap();
    }
}

#[test]
fn trees_are_as_deep_as_a_path_can_be_long() {
    let directory = tempfile::tempdir().unwrap();
    chain(directory.path(), 40, 100);
    let index = index_directory(directory.path(), OverlayForm::User, 2).unwrap();
    assert_eq!(index.len(), 41);
    write_tar(directory.path(), &index, &mut std::io::sink()).unwrap();
}

#[test]
fn many_levels_need_few_handles() {
    let directory = tempfile::tempdir().unwrap();
    chain(directory.path(), 300, 1);
    let mut expected = 301;
    for depth in (0..300).step_by(37) {
        fs::write(directory.path().join("d/".repeat(depth)).join("z"), "x").unwrap();
        fs::create_dir(directory.path().join("d/".repeat(depth)).join("e")).unwrap();
        expected += 2;
    }
    let index = index_directory(directory.path(), OverlayForm::User, 2).unwrap();
    assert_eq!(index.len(), expected);
    assert!(index.check().is_ok());
}

#[test]
fn deeper_trees_are_an_error_in_words() {
    let directory = tempfile::tempdir().unwrap();
    chain(directory.path(), 200, 100);
    let error = index_directory(directory.path(), OverlayForm::User, 2).unwrap_err().to_string();
    assert!(error.ends_with("cannot be in a layer: its path has more than 4,095 bytes"), "{error}");
    let rules = Rules::default();
    normalise(directory.path(), &rules, 0, OverlayForm::User, &|_| false).unwrap_err();
    crate::remove::remove_tree(directory.path()).unwrap();
}

#[test]
fn hard_links_of_whiteouts_are_whiteouts() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(rustix::fs::CWD, &one, kind, rustix::fs::Mode::empty(), 0).unwrap();
    fs::hard_link(&one, &two).unwrap();
    assert!(fs::symlink_metadata(&two).unwrap().file_type().is_char_device());
    let index = index_directory(directory.path(), OverlayForm::Trusted, 1).unwrap();
    assert_eq!(index.iter().filter(|entry| entry.kind == Kind::Whiteout).count(), 2);
}

#[test]
fn a_directory_that_nobody_wants_any_more_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "x").unwrap();
    let stop = std::sync::atomic::AtomicBool::new(true);
    let scanned = scan_directory_unless(directory.path(), OverlayForm::User, 1, &stop);
    assert!(matches!(scanned, Err(TreeError::Stopped)));
}
