//! Uppers, treated in place.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use expect_test::expect;

use super::super::*;
use super::{is_root, print};
use crate::tree::PathIndex;

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
