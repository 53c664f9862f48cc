//! What an assembly leaves: the tree, dpkg's database, the image's configuration.

use super::archive::{ROOT, TestArchive, assembled, request};
use crate::base::debian::{Request, store_image};
use expect_test::{Expect, expect};
use oci::layer::Compression;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What some paths of the assembled tree are: mode, owner, time, content.
fn check(archive: &mut TestArchive, paths: &[&str], expected: Expect) {
    archive.publish();
    let (_directory, store, result) = assembled(archive, &request());
    let layer = store.layer(&result.unwrap().layer).unwrap().unwrap();
    let mut out = String::new();
    for path in paths {
        let whole = layer.directory.join(path);
        let Ok(metadata) = fs::symlink_metadata(&whole) else {
            out += &format!("{path}: nothing\n");
            continue;
        };
        let content = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&whole).unwrap().display())
        } else if metadata.is_file() {
            fs::read_to_string(&whole).unwrap()
        } else {
            "directory".to_owned()
        };
        out += &format!("{path} {:o} {content}\n", metadata.mode() & 0o7777);
    }
    expected.assert_eq(&out);
}

#[test]
fn files_stand_where_packages_put_them() {
    let mut archive = TestArchive::system();
    archive.add(
        "tool 1",
        "Essential: yes",
        &["./usr/bin/tool text=run mode=4755", "./usr/bin/alias => ./usr/bin/tool", "./usr/bin/link -> tool"],
        &[],
    );
    check(
        &mut archive,
        &[
            "tmp",
            "etc/passwd",
            "usr/bin/tool",
            "usr/bin/alias",
            "usr/bin/link",
            "lib",
            "var/lib/apt/lists/partial",
        ],
        expect![[r#"
            tmp 1777 directory
            etc/passwd 644 root:*:0:0:root:/root:/bin/bash
            _apt:*:42:65534::/:/no

            usr/bin/tool 4755 run
            usr/bin/alias 4755 run
            usr/bin/link 777 -> tool
            lib 755 directory
            var/lib/apt/lists/partial 700 directory
        "#]],
    );
}

#[test]
fn a_merged_usr_stays_merged() {
    let mut archive = TestArchive::system();
    archive.add(
        "usr-is-merged 1",
        "Essential: yes",
        &["./lib64/ld.so text=loader", "./usr/lib/x text=x"],
        &[],
    );
    check(
        &mut archive,
        &[
            "lib",
            "lib64",
            "lib32",
            "usr/lib32",
            "usr/lib64/ld.so",
            "usr/lib/libc.so",
            "var/lib/dpkg/info/libc6:amd64.list",
        ],
        expect![[r#"
            lib 777 -> usr/lib
            lib64 777 -> usr/lib64
            lib32: nothing
            usr/lib32: nothing
            usr/lib64/ld.so 644 loader
            usr/lib/libc.so 644 code
            var/lib/dpkg/info/libc6:amd64.list 644 /lib
            /lib/libc.so

        "#]],
    );
}

#[test]
fn the_database_is_dpkgs() {
    let mut archive = TestArchive::system();
    archive.add(
        "daemon 1:2-3",
        "Essential: yes",
        &["./etc/daemon.conf text=setting", "./usr/sbin/daemon text=run mode=0755"],
        &[
            ("conffiles", "/etc/daemon.conf\nremove-on-upgrade /etc/old.conf\n"),
            ("postinst", "#!/bin/sh\n"),
            ("triggers", "interest /usr/share/man\ninterest-noawait named\nactivate other\n"),
        ],
    );
    check(
        &mut archive,
        &[
            "var/lib/dpkg/status",
            "var/lib/dpkg/info/format",
            "var/lib/dpkg/info/daemon.list",
            "var/lib/dpkg/info/daemon.md5sums",
            "var/lib/dpkg/info/daemon.conffiles",
            "var/lib/dpkg/info/daemon.postinst",
            "var/lib/dpkg/triggers/File",
            "var/lib/dpkg/triggers/named",
            "var/lib/dpkg/triggers/other",
            "var/lib/dpkg/diversions",
        ],
        expect![[r#"
            var/lib/dpkg/status 644 Package: apt
            Status: install ok unpacked
            Version: 2
            Architecture: amd64
            Maintainer: Test <test@example.org>
            Description: apt
            Depends: libc6 (>= 2)

            Package: base-files
            Status: install ok unpacked
            Version: 12
            Architecture: amd64
            Maintainer: Test <test@example.org>
            Description: base-files
            Essential: yes

            Package: base-passwd
            Status: install ok unpacked
            Version: 3
            Architecture: amd64
            Maintainer: Test <test@example.org>
            Description: base-passwd
            Essential: yes

            Package: daemon
            Status: install ok unpacked
            Version: 1:2-3
            Architecture: amd64
            Maintainer: Test <test@example.org>
            Description: daemon
            Essential: yes
            Conffiles:
             /etc/daemon.conf 7dc22b2c6a992f0232345df41303f5ea

            Package: libc6
            Status: install ok unpacked
            Version: 2.36
            Architecture: amd64
            Maintainer: Test <test@example.org>
            Description: libc6
            Multi-Arch: same


            var/lib/dpkg/info/format 644 1

            var/lib/dpkg/info/daemon.list 644 /etc/daemon.conf
            /usr/sbin/daemon

            var/lib/dpkg/info/daemon.md5sums 644 a53108f7543b75adbb34afc035d4cdf6  usr/sbin/daemon

            var/lib/dpkg/info/daemon.conffiles 644 /etc/daemon.conf
            remove-on-upgrade /etc/old.conf

            var/lib/dpkg/info/daemon.postinst 755 #!/bin/sh

            var/lib/dpkg/triggers/File 644 /usr/share/man daemon

            var/lib/dpkg/triggers/named 644 daemon/noawait

            var/lib/dpkg/triggers/other: nothing
            var/lib/dpkg/diversions 644 
        "#]],
    );
}

#[test]
fn apt_is_told_where_from() {
    check(
        &mut TestArchive::system(),
        &["etc/apt/sources.list.d/test.sources", "etc/apt/keyrings/test.gpg.size"],
        expect![[r#"
            etc/apt/sources.list.d/test.sources 644 Types: deb
            URIs: http://archive.example/debian
            Suites: stable
            Components: main
            Signed-By: /etc/apt/keyrings/test.gpg

            etc/apt/keyrings/test.gpg.size: nothing
        "#]],
    );
}

#[test]
fn two_stores_give_one_image() {
    let mut archive = TestArchive::system();
    archive.publish();
    let image = |jobs: usize| {
        let (_directory, store, result) = assembled(&archive, &Request { jobs, ..request() });
        let assembled = result.unwrap();
        assert_eq!(assembled.config.created.as_deref(), Some("2024-06-01T00:00:00Z"));
        store_image(&assembled, &store, Compression::Gzip, jobs).unwrap()
    };
    assert_eq!(image(1), image(4));
}

#[test]
fn what_the_store_has_is_not_fetched_again() {
    let mut archive = TestArchive::system();
    archive.publish();
    let (_directory, store, first) = assembled(&archive, &request());
    let first = first.unwrap();
    assert_eq!(archive.asked().len(), 6, "{:?}", archive.asked());
    assert!(!first.cached && first.record.intakes.len() == 6);
    let again = |request: &Request| {
        let sandbox = super::archive::Pretend(|_: &std::path::Path| {});
        crate::base::debian::assemble(request, &store, &sandbox, &archive, &|_| {}).unwrap()
    };
    let second = again(&request());
    assert!(second.cached);
    assert_eq!((second.layer, second.epoch, &second.record), (first.layer, first.epoch, &first.record));
    assert_eq!(store.record(&second.stored_record).unwrap(), first.record);
    let purls: Vec<&str> = first.record.intakes.iter().filter_map(|one| one.purl.as_deref()).collect();
    assert_eq!(purls.len(), 4, "{purls:?}");
    assert!(purls[0].starts_with("pkg:deb/"), "{purls:?}");
    let third = again(&Request { no_cache: true, ..request() });
    assert!(!third.cached);
    assert_eq!(third.layer, first.layer);
    let expected = [&format!("{ROOT}/dists/stable/InRelease"); 2].map(|url| url[ROOT.len() + 1..].to_owned());
    assert_eq!(archive.asked()[6..], expected);
}

#[test]
fn included_packages_are_dpkgs_to_unpack() {
    let mut archive = TestArchive::system();
    archive.add("early 1", "Depends: lib-early", &["./early text=x"], &[]);
    archive.add("lib-early 1", "", &["./lib-early text=x"], &[]);
    archive.add("late 1", "Pre-Depends: early", &["./late text=x"], &[]);
    archive.publish();
    let (_directory, store, result) =
        assembled(&archive, &Request { include: vec!["late".to_owned()], ..request() });
    let assembled = result.unwrap();
    let log = store.read_blob(&assembled.record.log.unwrap()).unwrap();
    expect![[r#"
        dpkg --force-unsafe-io --configure -a
        dpkg --force-unsafe-io --unpack /run/kapok/packages/0.deb /run/kapok/packages/1.deb
        dpkg --force-unsafe-io --configure lib-early early
        dpkg --force-unsafe-io --unpack /run/kapok/packages/2.deb
        dpkg --force-unsafe-io --configure -a
    "#]]
    .assert_eq(&String::from_utf8(log).unwrap());
    let names: Vec<_> = assembled.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["apt", "base-files", "base-passwd", "early", "late", "lib-early", "libc6"]);
}
