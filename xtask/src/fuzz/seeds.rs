//! Seed inputs: the checked-in corpus, and what the other fixtures already hold.

use std::io;

use oci::Digest;
use oci::tree::{Entry, Kind, PathIndex};
use testkit::archive::{Form, member, write};
use testkit::fixture::NodeKind;

use crate::differential;
use crate::workspace;

/// The archives that the reader of archives starts from: one member per line.
const ARCHIVES: [&str; 4] = [
    "a text=hello\nd/ mode=0750 owner=1000:50\nd/link -> ../a\nd/hard => a\nd/pipe type=fifo",
    "null type=char:1:3\ndisk type=block:7:0\n.wh.gone text=\nd/.wh..wh..opq text=",
    "../up text=x\n/absolute text=y\nd/../../x text=z\nhard => /etc/passwd",
    "capable text=x xattr=security.capability=\\x01\\0\\0\\x02 xattr=user.overlay.opaque=y\nbig size=3000",
];

/// All seeds of a target.
pub fn of(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let tests = workspace::root().join("tests");
    let mut seeds = testkit::fuzz::corpus(&tests.join("corpus").join(target))?;
    match target {
        "dockerfile" | "plan" => seeds.extend(files("Dockerfile")?),
        "project" | "yaml" => {
            let fixtures = workspace::root().join("crates/project/fixtures");
            seeds.extend(testkit::fuzz::corpus(&fixtures)?);
        }
        "certificates" => {
            let bundles = workspace::root().join("crates/policy/corpus/certificates");
            seeds.extend(testkit::fuzz::corpus(&bundles)?);
        }
        // The first line is the path that is asked for.
        "ignore" => {
            seeds.extend(files(".dockerignore")?.into_iter().map(|file| [b"a/b/c\n", &*file].concat()))
        }
        "tar" => {
            for text in ARCHIVES {
                for form in [Form::Tar, Form::Gzip, Form::Zstd] {
                    seeds.push(archive(form, text)?);
                }
            }
        }
        "deb" => seeds.push(package()?),
        // Keyrings and signed texts that the tests of signatures already have.
        "signature" => {
            let fixtures = workspace::root().join("crates/build/src/base/debian/fixtures");
            seeds.extend(testkit::fuzz::corpus(&fixtures)?);
        }
        "path-index" => seeds.push(index()?),
        _ => {}
    }
    Ok(seeds)
}

/// Every file of this name in the differential suite's cases.
fn files(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let cases = differential::load_cases()?;
    let nodes = cases.into_iter().flat_map(|case| case.fixture.nodes).filter(|node| node.path == name);
    Ok(nodes
        .filter_map(|node| if let NodeKind::File(content) = node.kind { Some(content) } else { None })
        .collect())
}

fn archive(form: Form, text: &str) -> io::Result<Vec<u8>> {
    let members: Result<Vec<_>, _> = text.lines().map(member).collect();
    write(form, &members.map_err(io::Error::other)?)
}

/// A Debian package: an `ar` archive of three members.
fn package() -> io::Result<Vec<u8>> {
    let control = "./control text=Package:\\sx\\nVersion:\\s1-1\\nArchitecture:\\sall\\nDepends:\\slibc6\\n\\s(>=\\s2)\\n";
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.xz", archive(Form::Xz, control)?),
        ("data.tar.gz", archive(Form::Gzip, "./usr/\n./usr/x text=x\n./usr/l -> x")?),
    ] {
        out.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100644, content.len()).bytes(),
        );
        out.extend(&content);
        out.extend(std::iter::repeat_n(b'\n', content.len() % 2));
    }
    Ok(out)
}

fn index() -> io::Result<Vec<u8>> {
    let file = Kind::File { digest: Digest::of(b"content") };
    let entry = |path: &str, kind| Entry {
        path: path.as_bytes().to_vec(),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 50,
        mtime: 315_532_800,
        size: 7,
        xattrs: vec![(b"user.colour".to_vec(), b"red".to_vec())],
    };
    let entries = vec![
        Entry::implied_directory(b""),
        Entry::implied_directory(b"d"),
        entry("d/file", file),
        Entry { size: 0, ..entry("d/link", Kind::Symlink { target: b"file".to_vec() }) },
        Entry::whiteout(b"gone"),
    ];
    PathIndex::build(entries).map(|index| index.encode().to_vec()).map_err(io::Error::other)
}
