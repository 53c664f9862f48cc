//! What an image's files say of it: languages and their versions, the operating system, whose packages it takes.
//!
//! Nothing runs, and nobody walks through a tree: only files are read in which versions stand, where programs are installed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::date::Date;
use crate::lifecycle::{self, Release};

/// Files of an image, links followed inside it.
pub trait Tree {
    /// A file's beginning, at most so many bytes; nothing where there is no file.
    fn read(&self, path: &str, most: usize) -> Option<Vec<u8>>;
    /// Where a path leads; nothing where nothing is there.
    fn real_path(&self, path: &str) -> Option<String>;
    /// The names in a directory.
    fn names(&self, directory: &str) -> Vec<String>;
    /// Which step made what is at a path, by its number in the build.
    fn maker(&self, path: &str) -> Option<usize>;
}

/// A language that is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Installed {
    /// Its short name, as [`lifecycle`] has it.
    pub product: String,
    /// Its version; empty where no file says it.
    pub version: String,
    /// The file that says so.
    pub path: String,
    /// The operating system whose own package it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<Os>,
    /// The step that brought it, by its number in the build; nothing where it came with the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
}

impl Installed {
    /// The release that it is, where the version is known.
    pub fn release(&self) -> Option<Release> {
        let product = lifecycle::product(&self.product).filter(|_| !self.version.is_empty())?;
        Some(Release { product, version: self.version.clone() })
    }

    /// Whether an operating system that is still supported keeps it alive.
    pub fn is_maintained(&self, today: Date) -> bool {
        let release = self.of.as_ref().and_then(Os::release);
        release.is_some_and(|release| release.ended(today).is_none())
    }
}

/// An operating system, as `os-release` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Os {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`.
    pub version: String,
}

impl Os {
    fn release(&self) -> Option<Release> {
        let product = lifecycle::product(&self.id).filter(|_| !self.version.is_empty())?;
        // Of these, ends are known by their first number.
        let whole = matches!(product, "rhel" | "centos" | "debian" | "fedora");
        let version = if whole { self.version.split('.').next()? } else { self.version.as_str() };
        Some(Release { product, version: version.to_owned() })
    }
}

/// What is known of an image that others start from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BaseImage {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its files are at hand.
    pub files: bool,
    /// What it says it is.
    pub os: Option<Os>,
    /// The keys of its package manager, as hexadecimal fingerprints.
    pub keys: Vec<String>,
}

/// Whether an image is one of Red Hat's universal base images, by what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ubi {
    /// It is, or stands on one.
    Yes,
    /// It is not; why.
    No(String),
    /// It does not contradict, and lacks what would prove it; what.
    Open(String),
}

/// Keys that Red Hat signs the packages of its releases with.
const RED_HAT_KEYS: [&str; 5] = [
    "567e347ad0044ade55ba8a5f199e2f91fd431d51", // release key 2: RHEL 6 to 9
    "7e4624258c406535d56d6f135054e4a45a6340b3", // auxiliary key 3: RHEL 9
    "6a6aa7c97c8890aec6aebfe2f76f66c3d4082792", // auxiliary key 2: RHEL 8
    "43a6e49c4a38f4be9abf2a5345689c882fa658e0", // auxiliary key: RHEL 6 and 7
    "fcd355b305707a62da143ab6e422397e50fe8467a2a95343d246d6276afedf8f", // release key 4: RHEL 10
];

impl BaseImage {
    /// Whether it is UBI.
    pub fn ubi(&self) -> Ubi {
        let label = |name: &str| self.labels.get(name).map(String::as_str).unwrap_or_default();
        let named = label("com.redhat.component").starts_with("ubi")
            || label("name").rsplit('/').next().is_some_and(|name| name.starts_with("ubi"))
            || label("com.redhat.license_terms").ends_with("#UBI");
        match &self.os {
            Some(os) if os.id != "rhel" => return Ubi::No(format!("its os-release says `{}`", os.id)),
            None if self.files => return Ubi::No("it has no os-release".to_owned()),
            _ => {}
        }
        if !named {
            return Ubi::No("no label says that it is UBI".to_owned());
        }
        if !self.files {
            return Ubi::Open("its labels say that it is UBI, and its files are not at hand".to_owned());
        }
        match self.keys.iter().any(|key| RED_HAT_KEYS.contains(&key.to_ascii_lowercase().as_str())) {
            true => Ubi::Yes,
            false => Ubi::Open(
                "its labels and os-release say that it is UBI, and none of Red Hat's package keys is in it"
                    .to_owned(),
            ),
        }
    }
}

/// No file in which a version stands is larger in good faith; a database of packages is.
const SMALL: usize = 64 << 10;
const DATABASE: usize = 32 << 20;

/// No image has more directories of programs in good faith.
const MOST_DIRECTORIES: usize = 200;

/// What an image says it is.
pub fn os(tree: &dyn Tree) -> Option<Os> {
    let text = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| tree.read(path, SMALL))?;
    let text = String::from_utf8_lossy(&text);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim().trim_matches(['"', '\'']).to_owned())
    };
    Some(Os { id: value("ID")?, version: value("VERSION_ID").unwrap_or_default() })
}

/// The languages that are installed, each once; `path` is the image's `PATH`, `variables` name directories of languages
/// (`JAVA_HOME`, `GOROOT`).
pub fn languages(tree: &dyn Tree, env: &[(String, String)]) -> Vec<Installed> {
    let finder = Finder { tree, env, os: os(tree), packages: packages(tree) };
    let mut found = Vec::new();
    finder.python(&mut found);
    finder.java(&mut found);
    finder.go(&mut found);
    finder.node(&mut found);
    finder.packaged(&mut found);
    let mut seen = BTreeSet::new();
    found.retain(|one: &Installed| {
        seen.insert((one.product.clone(), tree.real_path(&one.path).unwrap_or_else(|| one.path.clone())))
    });
    found
}

/// The packages of the operating system, with their versions; of rpm's database nothing is read.
fn packages(tree: &dyn Tree) -> BTreeMap<String, String> {
    let mut packages = BTreeMap::new();
    let mut take = |text: &[u8], name_field: &str, version_field: &str| {
        for paragraph in String::from_utf8_lossy(text).split("\n\n") {
            let field =
                |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let installed = field("Status:").is_none_or(|status| status.ends_with(" installed"));
            if let (Some(name), Some(version), true) = (field(name_field), field(version_field), installed) {
                packages.insert(name.to_owned(), version.to_owned());
            }
        }
    };
    if let Some(status) = tree.read("/var/lib/dpkg/status", DATABASE) {
        take(&status, "Package:", "Version:");
    }
    // Images without a package manager keep one file for each package.
    for name in tree.names("/var/lib/dpkg/status.d").iter().filter(|name| !name.ends_with(".md5sums")) {
        if let Some(status) = tree.read(&format!("/var/lib/dpkg/status.d/{name}"), SMALL) {
            take(&status, "Package:", "Version:");
        }
    }
    for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
        if let Some(installed) = tree.read(path, DATABASE) {
            take(&installed, "P:", "V:");
        }
    }
    packages
}

struct Finder<'a> {
    tree: &'a dyn Tree,
    env: &'a [(String, String)],
    os: Option<Os>,
    packages: BTreeMap<String, String>,
}

impl Finder<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Directories of programs: those of `PATH`, and those where installers put them.
    fn directories(&self) -> Vec<String> {
        let path = self.variable("PATH").unwrap_or_default();
        let mut directories: Vec<String> =
            path.split(':').filter(|part| part.starts_with('/')).map(str::to_owned).collect();
        directories.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned));
        for above in
            ["/opt", "/usr/local", "/root/.pyenv/versions", "/opt/pyenv/versions", "/usr/local/lib/nodejs"]
        {
            let names = self.tree.names(above);
            directories.extend(names.iter().map(|name| format!("{above}/{name}/bin")));
        }
        directories
            .extend(self.tree.names("/opt/rh").iter().map(|name| format!("/opt/rh/{name}/root/usr/bin")));
        let mut seen = BTreeSet::new();
        let mut real = directories.iter().filter_map(|path| self.tree.real_path(path));
        let mut found: Vec<String> = Vec::new();
        while let Some(path) = real.next().filter(|_| found.len() < MOST_DIRECTORIES) {
            if seen.insert(path.clone()) {
                found.push(path);
            }
        }
        found
    }

    /// The operating system, if what is here is a package of it.
    fn owner(&self, path: &str) -> Option<Os> {
        let own = ["/usr/local/", "/opt/", "/root/", "/home/"].iter().all(|other| !path.starts_with(other));
        self.os.clone().filter(|_| own)
    }

    fn add(&self, found: &mut Vec<Installed>, product: &str, version: &str, path: &str) {
        found.push(Installed {
            product: product.to_owned(),
            version: version.to_owned(),
            path: path.to_owned(),
            of: self.owner(&self.tree.real_path(path).unwrap_or_else(|| path.to_owned())),
            step: self.tree.maker(path),
        });
    }

    fn text(&self, path: &str) -> Option<String> {
        self.tree.read(path, SMALL).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `bin/python3.11`, and what its headers or its package say more exactly.
    fn python(&self, found: &mut Vec<Installed>) {
        for directory in self.directories() {
            for name in self.tree.names(&directory) {
                let Some(minor) = name.strip_prefix("python").filter(|version| is_minor(version)) else {
                    continue;
                };
                let prefix = directory.rsplit_once('/').map_or("", |(prefix, _)| prefix);
                let headers = [name.clone(), format!("{name}m")].into_iter();
                let exact = headers
                    .filter_map(|include| self.text(&format!("{prefix}/include/{include}/patchlevel.h")))
                    .find_map(|text| quoted_after(&text, "#define PY_VERSION"));
                let path = format!("{directory}/{name}");
                if self.tree.real_path(&path).is_none() {
                    continue;
                }
                let package = || {
                    let own = self.owner(&directory).is_some();
                    let names = [format!("{name}-minimal"), name.clone(), "python3".to_owned()];
                    let version = names.iter().find_map(|name| self.packages.get(name))?;
                    Some(lifecycle::leading_version(version))
                        .filter(|version| own && version.starts_with(minor))
                };
                let version = exact.or_else(package).unwrap_or_else(|| minor.to_owned());
                self.add(found, "python", &version, &path);
            }
        }
    }

    /// `release` in the directories of Java installations.
    fn java(&self, found: &mut Vec<Installed>) {
        let mut homes: Vec<String> = self.variable("JAVA_HOME").map(str::to_owned).into_iter().collect();
        for above in ["/usr/lib/jvm", "/usr/java", "/opt/java", "/opt", "/usr/local", "/usr/lib64/jvm"] {
            homes.extend(self.tree.names(above).iter().map(|name| format!("{above}/{name}")));
        }
        for home in homes.iter().take(MOST_DIRECTORIES) {
            let release = format!("{home}/release");
            let written = self.text(&release).and_then(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
                Some(line.trim().trim_matches('"').to_owned())
            });
            let name = home.rsplit('/').next().unwrap_or_default();
            match written {
                Some(version) => self.add(found, "java", &java(&version), &release),
                // Old packages have no such file; their directory is named by the release.
                None if self.tree.real_path(&format!("{home}/bin/java")).is_some()
                    || self.tree.real_path(&format!("{home}/jre/bin/java")).is_some() =>
                {
                    let version = lifecycle::of_package(name)
                        .filter(|release| release.product == "java")
                        .map_or_else(String::new, |release| release.version);
                    self.add(found, "java", &version, home);
                }
                None => {}
            }
        }
    }

    /// `VERSION` in the directories of Go installations.
    fn go(&self, found: &mut Vec<Installed>) {
        let mut roots: Vec<String> = self.variable("GOROOT").map(str::to_owned).into_iter().collect();
        roots.extend(["/usr/local/go", "/usr/lib/golang", "/usr/lib/go", "/opt/go"].map(str::to_owned));
        for above in ["/usr/lib", "/usr/share", "/root/sdk", "/opt"] {
            let names = self.tree.names(above);
            roots.extend(
                names.iter().filter(|name| name.starts_with("go")).map(|name| format!("{above}/{name}")),
            );
        }
        for root in roots.iter().take(MOST_DIRECTORIES) {
            let path = format!("{root}/VERSION");
            let text = self.text(&path).unwrap_or_default();
            let line = text.lines().next().unwrap_or_default();
            if let Some(version) = line.trim().strip_prefix("go").map(lifecycle::leading_version)
                && !version.is_empty()
            {
                self.add(found, "go", &version, &path);
            }
        }
    }

    /// `node_version.h` beside `bin/node`, else the package.
    fn node(&self, found: &mut Vec<Installed>) {
        for directory in self.directories() {
            let program = format!("{directory}/node");
            if self.tree.real_path(&program).is_none() {
                continue;
            }
            let prefix = directory.rsplit_once('/').map_or("", |(prefix, _)| prefix);
            let header = format!("{prefix}/include/node/node_version.h");
            let written = self.text(&header).and_then(|text| {
                let number = |name: &str| {
                    let line = text
                        .lines()
                        .find_map(|line| line.trim().strip_prefix("#define")?.trim().strip_prefix(name))?;
                    line.trim().parse::<u32>().ok()
                };
                let (major, minor) = (number("NODE_MAJOR_VERSION ")?, number("NODE_MINOR_VERSION ")?);
                Some(format!("{major}.{minor}.{}", number("NODE_PATCH_VERSION ").unwrap_or(0)))
            });
            let package = || {
                self.owner(&directory)?;
                self.packages.get("nodejs").map(|version| lifecycle::leading_version(version))
            };
            self.add(found, "node", &written.or_else(package).unwrap_or_default(), &program);
        }
    }

    /// What only the package manager knows of.
    fn packaged(&self, found: &mut Vec<Installed>) {
        for (name, program) in [("ruby", "/usr/bin/ruby"), ("php", "/usr/bin/php")] {
            if self.tree.real_path(program).is_none() {
                continue;
            }
            let versioned = self.packages.iter().filter_map(|(package, version)| {
                let release = lifecycle::of_package(package).filter(|release| release.product == name)?;
                Some(if package == name { lifecycle::leading_version(version) } else { release.version })
            });
            let version = versioned.max().unwrap_or_default();
            self.add(found, name, &version, program);
        }
    }
}

/// `3.11`, and neither `3`, `3.11-config` nor `3-pip`.
fn is_minor(text: &str) -> bool {
    let number =
        |part: &str| !part.is_empty() && part.len() < 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}

/// The text in quotes after a word at the beginning of a line.
fn quoted_after(text: &str, word: &str) -> Option<String> {
    let rest = text.lines().find_map(|line| line.trim().strip_prefix(word)?.trim().strip_prefix('"'))?;
    let version = lifecycle::leading_version(rest.split('"').next()?);
    (!version.is_empty()).then_some(version)
}

/// `1.8.0_392` is Java 8, `11.0.2` stays.
fn java(version: &str) -> String {
    let version = version.strip_prefix("1.").unwrap_or(version);
    let version = lifecycle::leading_version(version);
    match version.strip_prefix("8.") {
        Some(_) => "8".to_owned(),
        None => version,
    }
}

#[cfg(test)]
mod tests {
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
                let of =
                    one.of.as_ref().map_or_else(String::new, |os| format!(" of {} {}", os.id, os.version));
                format!("{} {}{of} {}", one.product, one.version, one.path)
            })
            .collect()
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
            installed("rhel", "9.5").is_maintained(today)
                && installed("ubuntu", "24.04").is_maintained(today)
        );
        assert!(
            !installed("debian", "9").is_maintained(today)
                && !installed("unheard-of", "1").is_maintained(today)
        );
        assert!(!Installed::default().is_maintained(today));
    }

    #[test]
    fn ubi_is_decided_by_labels_release_and_keys() {
        let labels: BTreeMap<String, String> =
            [("com.redhat.component".to_owned(), "ubi9-container".to_owned())].into_iter().collect();
        let rhel = Some(Os { id: "rhel".to_owned(), version: "9.5".to_owned() });
        let keys = vec!["567E347AD0044ADE55BA8A5F199E2F91FD431D51".to_owned()];
        let whole = BaseImage { labels: labels.clone(), files: true, os: rhel.clone(), keys };
        assert_eq!(whole.ubi(), Ubi::Yes);
        let open = [
            BaseImage { keys: Vec::new(), ..whole.clone() },
            BaseImage { labels: labels.clone(), ..BaseImage::default() },
        ];
        assert!(open.iter().all(|one| matches!(one.ubi(), Ubi::Open(_))));
        let other = Some(Os { id: "debian".to_owned(), version: "12".to_owned() });
        let not = [
            BaseImage { os: other, ..whole.clone() },
            BaseImage { os: None, ..whole.clone() },
            BaseImage { labels: BTreeMap::new(), ..whole.clone() },
            BaseImage::default(),
        ];
        assert!(not.iter().all(|one| matches!(one.ubi(), Ubi::No(_))));
    }
}
