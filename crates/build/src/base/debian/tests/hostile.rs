//! What must stop an assembly, and what it says then.

use super::archive::{Fault, Pretend, TestArchive, ar, assembled, deb, request};
use crate::base::debian::{BaseError, Request, ValidUntil, assemble};
use oci::causes::in_one_line;
use oci::layer::OverlayForm;
use oci::store::Store;
use std::path::Path;

fn check_request(archive: &TestArchive, request: &Request, expected: &str) {
    let (_directory, store, result) = assembled(archive, request);
    let error = result.expect_err("it must not be assembled");
    let said = in_one_line(&error);
    assert!(said.contains(expected), "{said}");
    assert_eq!(store.tags().expect("tags"), []);
}

fn check(archive: &mut TestArchive, fault: Option<(&str, Fault)>, expected: &str) {
    archive.publish();
    if let Some((path, fault)) = fault {
        archive.misbehave(path, fault);
    }
    check_request(archive, &request(), expected);
}

const DEB: &str = "pool/libc6_2.36.deb";

#[test]
fn a_release_file_that_is_not_the_signed_one() {
    let mut archive = TestArchive::system();
    check(
        &mut archive,
        Some(("dists/stable/InRelease", Fault::Short)),
        "`http://archive.example/debian/dists/stable/InRelease` cannot be trusted",
    );
    archive.misbehave("dists/stable/InRelease", Fault::Missing);
    archive.misbehave("dists/stable/Release", Fault::Tampered);
    check_request(&archive, &request(), "the text was changed after it was signed");
    archive.misbehave("dists/stable/Release", Fault::Missing);
    check_request(&archive, &request(), "/Release` answered 404");
}

#[test]
fn a_keyring_without_the_signer() {
    let mut archive = TestArchive::system();
    archive.publish();
    let mut request = request();
    request.sources[0].keys[0].bytes = include_bytes!("../fixtures/other.gpg").to_vec();
    check_request(&archive, &request, "which the keyring does not hold");
    request.sources[0].keys[0].bytes = b"nothing".to_vec();
    check_request(&archive, &request, "keyring `/keys/test.gpg` is of no use");
    request.sources[0].keys.clear();
    check_request(&archive, &request, "the keyring holds no OpenPGP certificate");
}

#[test]
fn a_release_file_of_another_time_or_suite() {
    let mut archive = TestArchive::system();
    archive.release.insert("Valid-Until", "Fri, 31 May 2024 00:00:00 UTC".to_owned());
    check(&mut archive, None, "was valid until 2024-05-31 only");
    let (_directory, _, result) = assembled(&archive, &{
        let mut request = request();
        request.sources[0].valid_until = ValidUntil::Ignored;
        request
    });
    assert!(result.is_ok(), "{result:?}");

    let mut archive = TestArchive::system();
    archive.release.insert("Date", "Sat, 08 Jun 2024 00:00:00 UTC".to_owned());
    check(&mut archive, None, "is dated 2024-06-08, which is in the future");

    let mut archive = TestArchive::system();
    archive.release.insert("Suite", "oldstable".to_owned());
    check(&mut archive, None, "is the Release file of `testing-ground`, not of `stable`");
}

#[test]
fn an_index_that_is_not_the_listed_one() {
    let index = "dists/stable/main/binary-amd64/by-hash/*";
    check(
        &mut TestArchive::system(),
        Some((index, Fault::Tampered)),
        "is not what the archive's index says: its digest is sha256:",
    );
    check(
        &mut TestArchive::system(),
        Some((index, Fault::Short)),
        "is not what the archive's index says: it has ",
    );
    check(
        &mut TestArchive::system(),
        Some((index, Fault::Long)),
        "is not what the archive's index says: it is longer than ",
    );
    let mut archive = TestArchive::system();
    archive.release.insert("Architectures", "arm64".to_owned());
    let mut request = request();
    request.sources[0].components = vec!["contrib".to_owned()];
    archive.publish();
    check_request(&archive, &request, "suite `stable` has no packages of component `contrib` for amd64");
}

#[test]
fn a_package_that_is_not_the_listed_one() {
    check(
        &mut TestArchive::system(),
        Some((DEB, Fault::Tampered)),
        "cannot have package `libc6`: `http://archive.example/debian/pool/libc6_2.36.deb` is not what",
    );
    check(
        &mut TestArchive::system(),
        Some((DEB, Fault::Short)),
        "is not what the archive's index says: it has ",
    );
    check(&mut TestArchive::system(), Some((DEB, Fault::Long)), "it is longer than ");
    check(&mut TestArchive::system(), Some((DEB, Fault::Missing)), "pool/libc6_2.36.deb` answered 404");
    check(&mut TestArchive::system(), Some((DEB, Fault::Breaks(9))), "ended after ");
}

#[test]
fn a_transfer_that_breaks_is_begun_again() {
    let mut archive = TestArchive::system();
    archive.publish().misbehave(DEB, Fault::Breaks(2));
    let (_directory, _, result) = assembled(&archive, &request());
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(archive.asked().iter().filter(|path| *path == DEB).count(), 3);
}

#[test]
fn packages_that_do_not_fit_together() {
    let mut archive = TestArchive::system();
    archive.edit("Depends: libc6 (>= 2)", "Depends: libc6 (>= 3)");
    check(&mut archive, None, "`apt` depends on `libc6 (>= 3)`, which the archive has in version 2.36");
    let mut archive = TestArchive::system();
    archive.publish();
    check_request(
        &archive,
        &Request { include: vec!["nosuch".to_owned()], ..request() },
        "the archive has no package `nosuch` for amd64",
    );
    let mut archive = TestArchive::system();
    archive.add("rival 1", "Essential: yes", &["./lib/libc.so text=other"], &[]);
    check(&mut archive, None, "`/lib/libc.so` is also in another package");
}

#[test]
fn a_package_that_replaces_another_takes_its_file() {
    let read = |replaces: bool| {
        let mut archive = TestArchive::system();
        let fields = if replaces { "Essential: yes\nReplaces: libc6" } else { "Essential: yes" };
        archive.add("rival 1", fields, &["./lib/libc.so text=other"], &[]).publish();
        let (directory, store, result) = assembled(&archive, &request());
        let layer = store.layer(&result.ok()?.layer).unwrap().unwrap();
        let text = |path: &str| std::fs::read_to_string(layer.directory.join(path)).unwrap();
        let found = (text("lib/libc.so"), text("var/lib/dpkg/info/libc6:amd64.list"));
        drop(directory);
        Some(found)
    };
    assert_eq!(read(false), None);
    assert_eq!(read(true), Some(("other".to_owned(), "/lib\n".to_owned())));
}

/// A package is signed for, and still must not write outside of the tree.
#[test]
fn a_package_that_reaches_out() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let mut archive = TestArchive::system();
    let link = format!("./escape -> {target}");
    archive.add("evil 1", "Essential: yes", &[&link, "./escape/file text=gotcha"], &[]).publish();
    let (_directory, store, result) = assembled(&archive, &request());
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    // The link leads into the tree, where nothing is, or the package is refused; never out.
    if let Ok(assembled) = result {
        let layer = store.layer(&assembled.layer).unwrap().unwrap();
        assert!(layer.directory.join(target.trim_start_matches('/')).join("file").is_file());
    }
    let mut archive = TestArchive::system();
    archive.add("evil 1", "Essential: yes", &["../escape text=gotcha"], &[]);
    check(&mut archive, None, "is not a path inside a package");
}

#[test]
fn files_that_are_no_packages() {
    let with = |bytes: &[u8]| {
        let mut archive = TestArchive::system();
        archive.replace_file(DEB, bytes);
        archive
    };
    let good = deb("Package: libc6\nVersion: 2.36\nArchitecture: amd64\n", &["./x text=x"], &[]);
    check(&mut with(b"junk"), None, "package `libc6` is broken: not a package file: it is too short");
    check(&mut with(b"PK\x03\x04 junk and more"), None, "not a package file: it is not an ar archive");
    check(&mut with(&good[..good.len() - 600]), None, "not a package file: it is cut short");
    check(&mut with(&ar(&[("data.tar", b"")])), None, "it does not begin with `debian-binary`");
    check(&mut with(&ar(&[("debian-binary", b"9.0\n")])), None, "it is of another version of the format");
    check(
        &mut with(&ar(&[("debian-binary", b"2.0\n"), ("x", b"")])),
        None,
        "its members are not those of a package",
    );
    let empty = [("debian-binary", &b"2.0\n"[..]), ("control.tar", &[0; 1024]), ("data.tar", &[0; 1024])];
    check(&mut with(&ar(&empty)), None, "it has no control file");
}

#[test]
fn a_dpkg_that_fails() {
    struct Fails;
    impl crate::base::debian::Sandbox for Fails {
        fn run(
            &self,
            _: &crate::sandbox::SandboxSpec,
            output: &mut Vec<u8>,
        ) -> Result<crate::sandbox::Outcome, crate::sandbox::SandboxError> {
            output.extend_from_slice(b"dpkg: error processing package x\n");
            Ok(super::archive::outcome(1))
        }
    }
    let mut archive = TestArchive::system();
    archive.publish();
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), OverlayForm::User).unwrap();
    let error = assemble(&request(), &store, &Fails, &archive, &|_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the image's `dpkg` failed with exit code 1:\ndpkg: error processing package x"
    );
    // Nothing of it is taken for a result.
    let result = assemble(&request(), &store, &Pretend(|_: &Path| {}), &archive, &|_| {});
    assert!(matches!(result, Ok(ref assembled) if !assembled.cached), "{result:?}");
    assert!(!matches!(result, Err(BaseError::NoSource)));
}
