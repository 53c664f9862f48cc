//! Layers between their forms, and archives that somebody made to do harm.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::tar_write::{Header, pad, write_end, write_header};
use super::*;
use crate::tree::{Entry, Kind, PathIndex, View};
use crate::{DiffId, Digest};

/// Owners, devices and trusted attributes need root; whoever runs the tests as a user is told.
pub(crate) fn is_root() -> bool {
    let root = may_be_trusted();
    if !root {
        eprintln!("skipped: needs root, and a file system with trusted attributes");
    }
    root
}

/// Root of a user namespace, or of a container without privileges, may not write trusted attributes.
pub(crate) fn may_be_trusted() -> bool {
    let file = tempfile::tempfile().unwrap();
    rustix::process::geteuid().is_root() && xattr::set(&file, b"trusted.kapok", b"1").is_ok()
}

/// An archive in the making.
#[derive(Default)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    pub(crate) fn add(mut self, name: &str, type_flag: u8, link: &str, content: &[u8]) -> Archive {
        let header = Header {
            name: name.as_bytes(),
            type_flag,
            link: link.as_bytes(),
            mode: if type_flag == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_000_000_000,
            size: content.len() as u64,
            device: (1, 3),
            xattrs: &[],
        };
        self.put(&header, content);
        self
    }

    fn put(&mut self, header: &Header<'_>, content: &[u8]) {
        write_header(&mut self.0, header).unwrap();
        self.0.extend_from_slice(content);
        pad(&mut self.0, content.len() as u64).unwrap();
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Archive {
        self.add(name, b'0', "", content.as_bytes())
    }

    fn dir(self, name: &str) -> Archive {
        self.add(name, b'5', "", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Archive {
        self.add(name, b'2', target, b"")
    }

    fn hardlink(self, name: &str, target: &str) -> Archive {
        self.add(name, b'1', target, b"")
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        write_end(&mut self.0).unwrap();
        self.0
    }
}

/// A tree as text: one line an entry.
fn print(index: &PathIndex) -> String {
    let line = |entry: Entry| {
        let kind = match entry.kind {
            Kind::File { .. } => format!("{} bytes", entry.size),
            Kind::Directory { opaque: false } => "directory".to_owned(),
            Kind::Directory { opaque: true } => "opaque directory".to_owned(),
            Kind::Symlink { target } => format!("-> {}", String::from_utf8_lossy(&target)),
            Kind::Hardlink { to } => format!("= {}", String::from_utf8_lossy(&to)),
            Kind::CharDevice { major, minor } => format!("c {major}:{minor}"),
            Kind::BlockDevice { major, minor } => format!("b {major}:{minor}"),
            Kind::Fifo => "fifo".to_owned(),
            Kind::Whiteout => "whiteout".to_owned(),
        };
        format!("{:04o} /{} {kind}\n", entry.mode, String::from_utf8_lossy(&entry.path))
    };
    index.iter().map(line).collect()
}

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

fn plain(name: &'static str, type_flag: u8) -> Header<'static> {
    Header {
        name: name.as_bytes(),
        type_flag,
        link: b"",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size: 0,
        device: (0, 0),
        xattrs: &[],
    }
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

/// Content of the files that `tree::tests::layer` makes.
fn content_of(digest: &Digest) -> &'static str {
    ["", "1", "22"].into_iter().find(|content| Digest::of(content.as_bytes()) == *digest).unwrap()
}

/// The archive that says what the index says, written without a directory.
fn archive_of(index: &PathIndex) -> Vec<u8> {
    let mut archive = Archive::default();
    for entry in index.iter().skip(1) {
        let text = String::from_utf8(entry.path.clone()).unwrap();
        let (type_flag, link, content) = match &entry.kind {
            Kind::File { digest } => (b'0', "".to_owned(), content_of(digest)),
            Kind::Directory { .. } => (b'5', "".to_owned(), ""),
            Kind::Symlink { target } => (b'2', String::from_utf8(target.clone()).unwrap(), ""),
            Kind::Hardlink { to } => (b'1', String::from_utf8(to.clone()).unwrap(), ""),
            Kind::Whiteout => {
                let (parent, name) = text.rsplit_once('/').unwrap_or(("", &text));
                archive = archive.file(&format!("{parent}/.wh.{name}"), "");
                continue;
            }
            _ => unreachable!(),
        };
        let header = Header {
            name: text.as_bytes(),
            type_flag,
            link: link.as_bytes(),
            mode: entry.mode,
            mtime: entry.mtime,
            size: content.len() as u64,
            ..plain("", b'0')
        };
        archive.put(&header, content.as_bytes());
        if entry.kind == (Kind::Directory { opaque: true }) {
            archive = archive.file(&format!("{text}/.wh..wh..opq"), "");
        }
    }
    archive.end()
}

proptest! {
    // Nothing is written beside the code: a failure prints its input.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_survives_all_its_forms(layer in crate::tree::tests::layer(), seed in any::<u64>()) {
        if is_root() {
            let directory = tempfile::tempdir().unwrap();
            let form = if seed % 2 == 0 { OverlayForm::Trusted } else { OverlayForm::User };
            let limits = UnpackLimits::default();
            let index = unpack_tar(&archive_of(&layer)[..], directory.path(), form, &limits).unwrap();
            prop_assert_eq!(&index, &layer);
            prop_assert_eq!(&index_directory(directory.path(), form, 3).unwrap(), &layer);
            let mut tar = Vec::new();
            write_tar(directory.path(), &index, &mut tar).unwrap();
            let again = tempfile::tempdir().unwrap();
            prop_assert_eq!(&unpack_tar(&tar[..], again.path(), form, &limits).unwrap(), &layer);
            // Normalising a normalised layer touches at most whiteouts that an opaque directory makes useless.
            let done = normalise(again.path(), &Rules::default(), i64::MAX, form, &|_| true).unwrap();
            prop_assert!(done.is_empty());
            let normal = index_directory(again.path(), form, 1).unwrap();
            let shown = |index| View::new(vec![std::sync::Arc::new(index)]).walk(b"").collect::<Vec<_>>();
            prop_assert_eq!(shown(normal), shown(index));
        }
    }
}

#[test]
fn an_empty_layer_is_dockers_empty_layer() {
    let directory = tempfile::tempdir().unwrap();
    let mut blob = Vec::new();
    let index = PathIndex::empty();
    let packed = pack_layer(directory.path(), &index, Compression::Gzip, None, 4, &mut blob).unwrap();
    assert_eq!(packed.diff_id, empty_diff_id());
    assert_eq!((packed.digest, packed.size), (Digest::of(&blob), blob.len() as u64));
    let mut tar = Vec::new();
    Decompressor::new(&blob[..]).unwrap().read_to_end(&mut tar).unwrap();
    assert_eq!(DiffId(Digest::of(&tar)), packed.diff_id);
}

/// Makes an upper, normalises it, and prints what was done and what is left.
fn normalised(make: impl FnOnce(&Path), below: &[&str], rules: Rules) -> (String, PathIndex) {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    let below: Vec<&[u8]> = below.iter().map(|path| path.as_bytes()).collect();
    let shows = |path: &[u8]| below.contains(&path);
    let done = normalise(directory.path(), &rules, 1_500_000_000, OverlayForm::Trusted, &shows).unwrap();
    let index = index_directory(directory.path(), OverlayForm::Trusted, 1).unwrap();
    let done: String = done.iter().map(|n| format!("{:?} {}\n", n.action, n.path)).collect();
    (done + &print(&index), index)
}

fn write(root: &Path, path: &str, content: &str) {
    fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
    fs::write(root.join(path), content).unwrap();
}

#[test]
fn the_declared_list_is_applied_and_a_removed_file_stays_removed() {
    if !is_root() {
        return;
    }
    let make = |root: &Path| {
        write(root, "var/cache/apt/pkgcache.bin", "x");
        write(root, "var/cache/apt/srcpkgcache.bin", "x");
        write(root, "var/log/dpkg.log", "x");
        write(root, "var/log/apt/term.log", "");
        write(root, "etc/machine-id", "0123");
        write(root, "etc/ssh/ssh_host_rsa_key", "secret");
        drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
    };
    let (text, index) = normalised(make, &["var/cache/apt/pkgcache.bin"], Rules::default());
    expect![[r#"
        Empty etc/machine-id
        Remove socket
        Remove var/cache/apt/pkgcache.bin
        Remove var/cache/apt/srcpkgcache.bin
        Empty var/log/dpkg.log
        0755 / directory
        0755 /etc directory
        0644 /etc/machine-id 0 bytes
        0755 /etc/ssh directory
        0644 /etc/ssh/ssh_host_rsa_key 6 bytes
        0755 /var directory
        0755 /var/cache directory
        0755 /var/cache/apt directory
        0000 /var/cache/apt/pkgcache.bin whiteout
        0755 /var/log directory
        0755 /var/log/apt directory
        0644 /var/log/apt/term.log 0 bytes
        0644 /var/log/dpkg.log 0 bytes
    "#]]
    .assert_eq(&text);
    assert!(index.iter().all(|entry| entry.mtime == 1_500_000_000 || entry.mtime == 0));
    let (text, _) = normalised(make, &[], Rules { keep_logs: true, none: false });
    assert!(text.contains("/var/log/dpkg.log 1 bytes") && !text.contains("whiteout"), "{text}");
}

#[test]
fn marks_that_hide_nothing_go_and_reserved_names_become_what_they_mean() {
    if !is_root() {
        return;
    }
    let make = |root: &Path| {
        for directory in ["new", "old", "marked"] {
            write(root, &format!("{directory}/file"), "");
        }
        for directory in ["new", "old"] {
            let handle = fs::File::open(root.join(directory)).unwrap();
            xattr::set(&handle, b"trusted.overlay.opaque", b"y").unwrap();
            xattr::set(&handle, b"trusted.overlay.origin", b"x").unwrap();
            xattr::set(&handle, b"user.overlay.opaque", b"y").unwrap();
            xattr::set(&handle, b"user.own", b"x").unwrap();
        }
        for whiteout in ["hides", "useless", "old/useless"] {
            let kind = rustix::fs::FileType::CharacterDevice;
            rustix::fs::mknodat(rustix::fs::CWD, root.join(whiteout), kind, rustix::fs::Mode::empty(), 0)
                .unwrap();
        }
        write(root, ".wh.victim", "");
        write(root, ".wh.nobody", "");
        write(root, "marked/.wh..wh..opq", "");
    };
    let below = ["old", "old/useless", "hides", "victim", "marked"];
    let (text, index) = normalised(make, &below, Rules { none: true, keep_logs: false });
    expect![[r#"
        Remove .wh.nobody
        Remove .wh.victim
        Remove marked/.wh..wh..opq
        0755 / directory
        0000 /hides whiteout
        0755 /marked opaque directory
        0644 /marked/file 0 bytes
        0755 /new directory
        0644 /new/file 0 bytes
        0755 /old opaque directory
        0644 /old/file 0 bytes
        0000 /victim whiteout
    "#]]
    .assert_eq(&text);
    assert_eq!(index.get(b"new").unwrap().xattrs, [(b"user.own".to_vec(), b"x".to_vec())]);
}

#[test]
fn times_are_cut_to_seconds_and_to_the_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, "d/early", "");
    write(root, "d/late", "");
    symlink("x", root.join("d/link")).unwrap();
    let set = |path: &str, seconds: i64, nanoseconds: i64| {
        let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, root.join(path), &times, flags).unwrap();
    };
    set("d/early", 1000, 999_999_999);
    set("d/link", 3000, 5);
    set("d", 1500, 1);
    normalise(root, &Rules::default(), 2000, OverlayForm::User, &|_| false).unwrap();
    let time = |path: &str| {
        let metadata = fs::symlink_metadata(root.join(path)).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    assert_eq!(["d/early", "d/late", "d/link", "d"].map(time), [(1000, 0), (2000, 0), (2000, 0), (1500, 0)]);
}

#[test]
fn private_keys_are_named_and_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n";
    write(directory.path(), "app/key.pem", pem);
    write(directory.path(), "etc/ssh/ssh_host_ed25519_key", "x");
    write(directory.path(), "etc/ssh/ssh_host_ed25519_key.pub", "x");
    normalise(directory.path(), &Rules::default(), 0, OverlayForm::User, &|_| false).unwrap();
    let scanned = scan_directory(directory.path(), OverlayForm::User, 2).unwrap();
    let named: BTreeMap<String, &str> =
        scanned.keys.iter().map(|key| (String::from_utf8(key.path.clone()).unwrap(), key.what)).collect();
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        [
            ("app/key.pem".to_owned(), "private key"),
            ("etc/ssh/ssh_host_ed25519_key".to_owned(), "ssh host key")
        ]
    );
    assert_eq!(fs::read_to_string(directory.path().join("app/key.pem")).unwrap(), pem);
}

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
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}
