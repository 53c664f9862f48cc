//! What archives become on the disk, whoever wrote them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use expect_test::{Expect, expect};

use super::super::tar_write::Header;
use super::super::*;
use super::{Archive, is_root, plain, print};
use crate::tree::{Kind, PathIndex};

/// Unpacks a layer, and compares the index with one that is read from the directory.
fn unpack_and_compare(archive: &[u8]) -> Result<PathIndex, UnpackError> {
    let directory = tempfile::tempdir().unwrap();
    let index = unpack_tar(archive, directory.path(), OverlayForm::Trusted, &UnpackLimits::default())?;
    let found = index_directory(directory.path(), OverlayForm::Trusted, 2).unwrap();
    assert_eq!(found, index);
    index.check().unwrap();
    Ok(index)
}

#[track_caller]
fn check(archive: Archive, expected: Expect) {
    if !is_root() {
        return;
    }
    expected.assert_eq(&match unpack_and_compare(&archive.end()) {
        Ok(index) => print(&index),
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            format!("{error}{}\n", source.unwrap_or_default())
        }
    });
}

#[test]
fn duplicates_the_last_one_wins() {
    let archive =
        Archive::default().file("a", "1").file("./a", "22").dir("d").file("d/x", "").dir("d/").file("e", "");
    check(
        archive.dir("e").file("e/y", "").symlink("d", "e").file("d/through", "333"),
        expect![[r#"
            0755 / directory
            0644 /a 2 bytes
            0777 /d -> e
            0755 /e directory
            0644 /e/through 3 bytes
            0644 /e/y 0 bytes
        "#]],
    );
}

#[test]
fn names_cannot_leave_the_tree() {
    let refused = |archive: Archive, text: &str| {
        if is_root() {
            assert_eq!(unpack_and_compare(&archive.end()).unwrap_err().to_string(), text);
        }
    };
    refused(Archive::default().file("../a", ""), "the archive's `../a` is refused: it leaves the tree");
    refused(
        Archive::default().file("a/../../b", ""),
        "the archive's `a/../../b` is refused: it leaves the tree",
    );
    refused(
        Archive::default().file("f", "").hardlink("l", "../../etc/passwd"),
        "the archive's `l` is refused: it leaves the tree",
    );
    refused(
        Archive::default().hardlink("l", "/etc/passwd"),
        "the archive's `l` is refused: it is a link to nothing that the archive brought before",
    );
    refused(
        Archive::default().file("f", "").file("f/x", ""),
        "the archive's `f` is refused: it would lie in something that is no directory",
    );
    refused(
        Archive::default().symlink("a", "b").symlink("b", "a").file("a/x", ""),
        "the archive's `a` is refused: it goes through too many symbolic links",
    );
    check(
        Archive::default()
            .file("/etc/absolute", "")
            .file("x/../y", "")
            .symlink("out", "/../../../tmp")
            .file("out/stays", "")
            .symlink("up", "../..")
            .file("up/here", "")
            .hardlink("copy", "/etc/absolute"),
        expect![[r#"
            0755 / directory
            0644 /copy 0 bytes
            0755 /etc directory
            0644 /etc/absolute = copy
            0644 /here 0 bytes
            0777 /out -> /../../../tmp
            0755 /tmp directory
            0644 /tmp/stays 0 bytes
            0777 /up -> ../..
            0644 /y 0 bytes
        "#]],
    );
}

#[test]
fn whiteouts_hide_what_is_below_and_nothing_of_their_own_layer() {
    check(
        Archive::default()
            .file("d/.wh.gone", "")
            .file(".wh..wh.plnk/1.2", "")
            .file("o/.wh..wh..opq", "")
            .file("o/x", "")
            .file("kept", "")
            .file(".wh.kept", "")
            .file(".wh.again", "")
            .file("again/x", "")
            .dir("was")
            .file("was/y", "")
            .file(".wh.was", ""),
        expect![[r#"
            0755 / directory
            0755 /again opaque directory
            0644 /again/x 0 bytes
            0755 /d directory
            0000 /d/gone whiteout
            0644 /kept 0 bytes
            0755 /o opaque directory
            0644 /o/x 0 bytes
            0755 /was opaque directory
            0644 /was/y 0 bytes
        "#]],
    );
    check(
        Archive::default().file(".wh.", ""),
        expect![[r#"
        the archive's `.wh.` is refused: it hides nothing that could be there
    "#]],
    );
    check(
        Archive::default().file(".wh...", ""),
        expect![[r#"
        the archive's `.wh...` is refused: it hides nothing that could be there
    "#]],
    );
    check(
        Archive::default().file("a/.wh.b/c", ""),
        expect![[r#"
        the archive's `a/.wh.b/c` is refused: a whiteout is no directory
    "#]],
    );
}

#[test]
fn links_devices_and_pipes() {
    check(
        Archive::default()
            .file("z", "content")
            .hardlink("a", "z")
            .hardlink("m/n", "./a")
            .symlink("s", "nowhere")
            .hardlink("t", "s")
            .add("null", b'3', "", b"")
            .add("disk", b'4', "", b"")
            .add("pipe", b'6', "", b""),
        expect![[r#"
            0755 / directory
            0644 /a 7 bytes
            0644 /disk b 1:3
            0755 /m directory
            0644 /m/n = a
            0644 /null c 1:3
            0644 /pipe fifo
            0777 /s -> nowhere
            0777 /t -> nowhere
            0644 /z = a
        "#]],
    );
    check(
        Archive::default().dir("d").hardlink("l", "d"),
        expect![[r#"
        the archive's `l` is refused: it is a link to nothing that the archive brought before
    "#]],
    );
    check(
        Archive::default().add("odd", b'Q', "", b"what"),
        expect![[r#"
        the archive's `odd` is refused: it is of a type that is not known
    "#]],
    );
}

#[test]
fn what_only_overlayfs_may_say_does_not_come_in() {
    let mut archive = Archive::default();
    let mut device = Header { device: (0, 0), ..plain("w", b'3') };
    archive.put(&device, b"");
    check(
        archive,
        expect![[r#"
        the archive's `w` is refused: the device 0:0 is overlayfs's own sign for a deleted file
    "#]],
    );
    let attributes: Vec<(Vec<u8>, Vec<u8>)> = [
        ("security.capability", &b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..]),
        ("trusted.overlay.opaque", b"y"),
        ("user.overlay.opaque", b"y"),
        ("user.overlay.overlay.opaque", b"y"),
        ("user.kept", b"yes"),
        ("security.selinux", b"x"),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
    .into();
    if !is_root() {
        return;
    }
    let mut archive = Archive::default();
    device = Header { xattrs: &attributes, ..plain("f", b'0') };
    archive.put(&device, b"");
    archive.put(&Header { name: b"d/", type_flag: b'5', ..device }, b"");
    let index = unpack_and_compare(&archive.end()).unwrap();
    let names = |path: &[u8]| -> Vec<String> {
        let entry = index.get(path).unwrap();
        entry.xattrs.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names(b"f"), ["security.capability", "user.kept"]);
    assert_eq!(names(b"d"), ["user.kept"]);
    assert_eq!(index.get(b"d").unwrap().kind, Kind::Directory { opaque: false });
}

#[test]
fn large_numbers_long_names_and_odd_bytes_read_back() {
    if !is_root() {
        return;
    }
    let long = "n".repeat(200) + "/" + &"m".repeat(250);
    let target = "t".repeat(3000);
    let attributes = [(b"user.bytes\xff".to_vec(), vec![0, 10, 255])];
    let mut archive = Archive::default();
    let base = Header { xattrs: &attributes, ..plain("", b'0') };
    archive.put(
        &Header { name: long.as_bytes(), uid: 1_000_660_000, gid: 4_000_000_000, mode: 0o6755, ..base },
        b"",
    );
    archive.put(&Header { name: b"\xff\xfe latin \xe9", mtime: -12_345, ..base }, b"");
    archive.put(&Header { link: target.as_bytes(), ..plain("link", b'2') }, b"");
    archive.put(&Header { mtime: i64::MAX, ..plain("late", b'0') }, b"");
    let index = unpack_and_compare(&archive.end()).unwrap();
    let entry = index.get(long.as_bytes()).unwrap();
    assert_eq!((entry.uid, entry.gid, entry.mode), (1_000_660_000, 4_000_000_000, 0o6755));
    assert_eq!(entry.xattrs, attributes);
    assert_eq!(index.get(b"\xff\xfe latin \xe9").unwrap().mtime, -12_345);
    assert_eq!(index.get(b"link").unwrap().kind, Kind::Symlink { target: target.into_bytes() });
    assert_eq!(index.get(b"late").unwrap().mtime, 0x3_7fff_ffff);
}

#[test]
fn limits_are_kept() {
    let limits = UnpackLimits { bytes: 100_000, entries: 5, path_length: 20, path_depth: 3 };
    let unpack = |archive: Archive| {
        let directory = tempfile::tempdir().unwrap();
        unpack_tar(&archive.end()[..], directory.path(), OverlayForm::User, &limits).unwrap_err().to_string()
    };
    assert_eq!(
        unpack(Archive::default().file("big", &"x".repeat(200_000))),
        "the archive has more than 100000 bytes"
    );
    assert_eq!(
        unpack(Archive::default().file("a/b/c/d", "")),
        "the archive has more than 3 directories in one path"
    );
    assert_eq!(
        unpack(Archive::default().file(&"x".repeat(21), "")),
        "the archive has more than 20 bytes in one path"
    );
    let many = (0..6).fold(Archive::default(), |archive, _| archive.add("d", b'5', "", b""));
    // The sixth header comes before its owner could matter.
    if is_root() {
        assert_eq!(unpack(many), "the archive has more than 5 entries");
    }
    let deep = "d/".repeat(10_000);
    assert_eq!(unpack(Archive::default().dir(&deep)), "the archive has more than 3 directories in one path");
    let mut bomb = Archive::default();
    bomb.put(&Header { size: 8 << 60, ..plain("bomb", b'0') }, b"");
    assert_eq!(unpack(bomb), "the archive has more than 100000 bytes");
}

#[test]
fn truncation_is_found_and_what_follows_the_end_is_not_looked_at() {
    if !is_root() {
        return;
    }
    let whole = Archive::default().file("a", &"x".repeat(600)).end();
    for length in [100, 512, 600, 1100, 1535] {
        let directory = tempfile::tempdir().unwrap();
        let result =
            unpack_tar(&whole[..length], directory.path(), OverlayForm::User, &UnpackLimits::default());
        assert!(result.is_err(), "{length}");
    }
    assert!(unpack_and_compare(&whole[..1536]).is_ok(), "the last blocks may lack");
    assert!(unpack_and_compare(&[&whole[..], b"garbage"].concat()).is_ok());
    let mut damaged = whole.clone();
    damaged[0] ^= 1;
    assert_eq!(
        unpack_and_compare(&damaged).unwrap_err().to_string(),
        "the archive is damaged at byte 0: the header's check sum is wrong"
    );
}

#[test]
fn ordinary_archives_keep_their_odd_names_and_the_directory_they_go_to() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir_all(root.join("usr/lib")).unwrap();
    fs::write(root.join("usr/lib/old"), "old").unwrap();
    symlink("usr/lib", root.join("lib")).unwrap();
    let archive = Archive::default().dir("./").dir("lib/").file("lib/new", "1").file("lib/.wh.odd", "").end();
    let limits = UnpackLimits::default();
    let keep = UnpackOptions {
        existing: true,
        keep_directory_symlinks: true,
        owner: Some((7, 8)),
        ..UnpackOptions::plain(OverlayForm::Trusted, limits.clone())
    };
    let index = unpack(&archive[..], root, &keep).unwrap();
    expect![[r#"
        0755 / directory
        0755 /usr directory
        0755 /usr/lib directory
        0644 /usr/lib/.wh.odd 0 bytes
        0644 /usr/lib/new 1 bytes
    "#]]
    .assert_eq(&print(&index));
    let new = fs::metadata(root.join("lib/new")).unwrap();
    assert_eq!((new.uid(), new.gid(), new.mtime()), (7, 8, 1_000_000_000));
    assert!(root.join("lib").is_symlink() && root.join("usr/lib/old").exists());
    let replace = UnpackOptions { keep_directory_symlinks: false, ..keep };
    unpack(&archive[..], root, &replace).unwrap();
    assert!(
        !root.join("lib").is_symlink() && !root.join("lib/old").exists() && root.join("lib/new").exists()
    );
}
