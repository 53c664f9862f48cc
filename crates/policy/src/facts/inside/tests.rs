//! Trees of a few files, and what is found in them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A tree of a few files; every directory on the way to one exists.
struct Memory(BTreeMap<&'static str, &'static str>);

impl Tree for Memory {
    fn read(&self, path: &str, most: usize) -> Option<Vec<u8>> {
        let text = self.0.get(path)?.as_bytes();
        Some(text[..text.len().min(most)].to_vec())
    }

    fn real_path(&self, path: &str) -> Option<String> {
        let inside = format!("{path}/");
        let there = self.0.contains_key(path) || self.0.keys().any(|own| own.starts_with(&inside));
        there.then(|| path.to_owned())
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let inside = format!("{directory}/");
        let names = self.0.keys().filter_map(|own| own.strip_prefix(&inside)?.split('/').next());
        let names: BTreeSet<&str> = names.collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn maker(&self, path: &str) -> Option<usize> {
        path.starts_with("/usr/local").then_some(3)
    }
}

fn found(files: &[(&'static str, &'static str)], env: &[(&str, &str)]) -> Vec<String> {
    let env: Vec<(String, String)> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let all = languages(&Memory(files.iter().copied().collect()), &env);
    all.iter()
        .map(|one| {
            let of = one.of.as_ref().map_or_else(String::new, |os| format!(" of {} {}", os.id, os.version));
            format!("{} {}{of} {}", one.product, one.version, one.path)
        })
        .collect()
}

#[test]
fn whatever_files_hold_is_read_to_its_end() {
    for text in
        ["", "go1.", "python9999.9\nJAVA_VERSION=\"\"", "#define PY_VERSION \"", "\u{0}P:x\n\nP:y\nV:"]
    {
        fuzz_inside(text.as_bytes());
    }
}

const DEBIAN: (&str, &str) = ("/etc/os-release", "NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n");

#[test]
fn languages_are_read_from_the_files_that_hold_their_versions() {
    let status = "Package: python3.11-minimal\nStatus: install ok installed\nVersion: 3.11.2-6+deb12u3\n\n\
                  Package: nodejs\nStatus: deinstall ok config-files\nVersion: 12.1\n\n\
                  Package: ruby3.1\nStatus: install ok installed\nVersion: 3.1.2-7\n";
    let image = [
        DEBIAN,
        ("/var/lib/dpkg/status", status),
        ("/usr/bin/python3.11", "ELF"),
        ("/usr/bin/python3-config", "#!"),
        ("/usr/bin/ruby", "ELF"),
        ("/usr/local/bin/python3.6", "ELF"),
        ("/usr/local/include/python3.6m/patchlevel.h", "/* */\n#define PY_VERSION      \t\"3.6.15+\"\n"),
        ("/opt/app/bin/node", "ELF"),
        (
            "/opt/app/include/node/node_version.h",
            "#define NODE_MAJOR_VERSION 12\n#define NODE_MINOR_VERSION 22\n#define NODE_PATCH_VERSION 9\n",
        ),
        ("/usr/lib/jvm/java-8/release", "JAVA_VERSION=\"1.8.0_392\"\nOS_NAME=\"Linux\"\n"),
        ("/usr/lib/jvm/java-1.7.0-openjdk-amd64/bin/java", "ELF"),
        ("/usr/local/go/VERSION", "go1.16.3\ntime 2021\n"),
        ("/home/me/tool/bin/python3.5", "ELF"),
    ];
    assert_eq!(
        found(&image, &[("PATH", "/usr/local/bin:/usr/bin:/home/me/tool/bin:relative")]),
        [
            "python 3.6.15 /usr/local/bin/python3.6",
            "python 3.11.2 of debian 12 /usr/bin/python3.11",
            "python 3.5 /home/me/tool/bin/python3.5",
            "java 7 of debian 12 /usr/lib/jvm/java-1.7.0-openjdk-amd64",
            "java 8 of debian 12 /usr/lib/jvm/java-8/release",
            "go 1.16.3 /usr/local/go/VERSION",
            "node 12.22.9 /opt/app/bin/node",
            "ruby 3.1 of debian 12 /usr/bin/ruby",
        ]
    );
    assert_eq!(found(&[("/srv/x", "")], &[]), [""; 0]);
    // What no file says is not made up.
    assert_eq!(found(&[("/usr/bin/node", "ELF")], &[]), ["node  /usr/bin/node"]);
    assert_eq!(
        found(&[("/jdk/release", "JAVA_VERSION=\"21.0.2\"\n")], &[("JAVA_HOME", "/jdk")]),
        ["java 21.0.2 /jdk/release"]
    );
}

#[test]
fn an_interpreter_of_a_supported_system_is_maintained() {
    let today: Date = "2026-11-21".parse().expect("a date");
    let installed = |id: &str, version: &str| Installed {
        of: Some(Os { id: id.to_owned(), version: version.to_owned() }),
        ..Installed::default()
    };
    assert!(
        installed("rhel", "9.5").is_maintained(today) && installed("ubuntu", "24.04").is_maintained(today)
    );
    assert!(
        !installed("debian", "9").is_maintained(today) && !installed("unheard-of", "1").is_maintained(today)
    );
    assert!(!Installed::default().is_maintained(today));
}
