//! Lists of sources and the machine's word on a suite.

use super::list::{deb822, fuzz_lists, one_line};
use super::*;
use expect_test::{Expect, expect};

/// A machine from files below `etc/apt` and `keyrings`, given as `path: content` with `\n` for line ends.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.replace("ROOT", root.path().to_str().unwrap())).unwrap();
    }
    let machine = Machine::read(&root.path().join("etc/apt"), &root.path().join("keyrings"));
    (root, machine)
}

fn check(files: &[(&str, &str)], wanted: &Wanted<'_>, expected: Expect) {
    let (root, machine) = machine(files);
    let shown = match machine.sources(wanted, ValidUntil::Checked) {
        Ok(sources) => sources
            .iter()
            .map(|source| {
                let keys: Vec<String> =
                    source.keys.iter().map(|key| format!("{}={}", key.path, key.bytes.len())).collect();
                let (components, flags) =
                    (source.components.join(","), (source.signed_by, source.valid_until));
                format!("{} {} {components} {} {flags:?}\n", source.uri, source.suite, keys.join(","))
            })
            .collect(),
        Err(error) => format!("error: {error}\nhint: {}\n", error.hint().unwrap_or_default()),
    };
    expected.assert_eq(&shown.replace(root.path().to_str().unwrap(), "ROOT"));
}

const SOURCES: &str = "\
Types: deb deb-src
URIs: http://mirror.example/debian/ http://other.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: ROOT/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Check-Valid-Until: no
Signed-By: ROOT/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://mirror.example/off
Suites: bookworm
Components: main
";

const FILES: [(&str, &str); 2] =
    [("etc/apt/sources.list.d/debian.sources", SOURCES), ("keyrings/debian-archive-keyring.gpg", "key")];

fn wanted(suite: &str) -> Wanted<'_> {
    Wanted { suite, architecture: "amd64", ..Wanted::default() }
}

#[test]
fn a_suite_comes_with_its_updates() {
    check(
        &FILES,
        &wanted("bookworm"),
        expect![[r#"
            http://mirror.example/debian bookworm main,contrib ROOT/keyrings/debian-archive-keyring.gpg=3 (true, Checked)
            http://mirror.example/debian bookworm-updates main,contrib ROOT/keyrings/debian-archive-keyring.gpg=3 (true, Checked)
            http://mirror.example/debian-security bookworm-security main ROOT/keyrings/debian-archive-keyring.gpg=3 (true, IgnoredBySource)
        "#]],
    );
}

#[test]
fn a_mirror_stands_alone_with_the_suites_keyring() {
    let mirrors = ["https://mirror.example/other/".to_owned()];
    check(
        &FILES,
        &Wanted { mirrors: &mirrors, ..wanted("bookworm") },
        expect![[r#"
            https://mirror.example/other bookworm main ROOT/keyrings/debian-archive-keyring.gpg=3 (true, Checked)
        "#]],
    );
    let components = ["main contrib".to_owned(), "main".to_owned()];
    check(
        &FILES,
        &Wanted {
            mirrors: &["http://ada:pass@mirror.example/x".to_owned()],
            components: &components,
            ..wanted("bookworm")
        },
        expect![[r#"
            http://mirror.example/x bookworm main,contrib ROOT/keyrings/debian-archive-keyring.gpg=3 (true, Checked)
        "#]],
    );
    check(
        &FILES,
        &Wanted { mirrors: &mirrors, ..wanted("trixie") },
        expect![[r#"
            https://mirror.example/other trixie main ROOT/keyrings/debian-archive-keyring.gpg=3 (false, Checked)
        "#]],
    );
    check(
        &FILES,
        &Wanted { mirrors: &["ftp://mirror.example/".to_owned()], ..wanted("bookworm") },
        expect![[r#"
            error: `ftp://mirror.example/` is not the address of an archive: only `http` and `https` are fetched
            hint: 
        "#]],
    );
}

#[test]
fn what_is_missing_is_said() {
    check(
        &FILES,
        &wanted("trixie"),
        expect![[r#"
            error: this machine's apt sources have no suite `trixie` for amd64
            hint: they have bookworm, bookworm-security, bookworm-updates; name another archive by `--mirror URL`
        "#]],
    );
    check(
        &FILES[..1],
        &wanted("bookworm"),
        expect![[r#"
            error: cannot read keyring `ROOT/keyrings/debian-archive-keyring.gpg`
            hint: 
        "#]],
    );
    check(
        &[("etc/apt/sources.list", "deb http://m.example/debian sid main\n"); 1],
        &wanted("sid"),
        expect![[r#"
            error: no keyring was found that could verify suite `sid`
            hint: name the keyring by `--keyring FILE`
        "#]],
    );
}

#[test]
fn sources_without_a_keyring_have_the_trusted_ones() {
    check(
        &[
            ("etc/apt/sources.list", "deb [arch=amd64] http://m.example/debian sid main\n"),
            ("etc/apt/trusted.gpg.d/a.asc", "one"),
            ("etc/apt/trusted.gpg.d/readme.txt", "no key"),
            ("etc/apt/trusted.gpg", "whole"),
            ("keyrings/debian-archive-keyring.gpg", "not asked"),
        ],
        &wanted("sid"),
        expect![[r#"
            http://m.example/debian sid main ROOT/etc/apt/trusted.gpg.d/a.asc=3,ROOT/etc/apt/trusted.gpg=5 (false, Checked)
        "#]],
    );
}

#[test]
fn lines_are_parsed() {
    let entries = one_line(
        "# deb http://no/ no no\n\
         deb [ arch=amd64,arm64 signed-by=/k.gpg check-valid-until=no lang+=de ] http://a/ x main # and a comment\n\
         deb-src http://b/ x main\n\
         deb\thttp://c/ flat/\n\
         deb [broken http://d/ x\n\
         debug http://e/ x\n",
    );
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].architectures, ["amd64", "arm64"]);
    assert_eq!((entries[0].signed_by[0].as_str(), entries[0].check_valid_until), ("/k.gpg", Some(false)));
    assert!(entries[0].serves("arm64") && !entries[0].serves("i386") && entries[1].serves("i386"));
    assert_eq!((entries[1].suites[0].as_str(), entries[1].components.len()), ("flat/", 0));
}

#[test]
fn a_key_may_stand_in_the_list() {
    let entries = deb822(
        "Types: deb\nURIs: http://a/\nSuites: x\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n -----END PGP PUBLIC KEY BLOCK-----\n",
    );
    let block = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
    assert_eq!(entries[0].inline_key.as_deref(), Some(block));
    assert!(entries[0].signed_by.is_empty());
}

#[test]
fn anything_may_be_parsed() {
    for data in [&b"deb [] a b"[..], b"\xff", b"Types: deb\nURIs: a\nSuites: b\n\n x", b"deb [a=b"] {
        fuzz_lists(data);
    }
}
