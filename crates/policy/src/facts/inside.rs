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

/// Whatever the files of an image hold, they are read to an end.
pub fn fuzz_inside(data: &[u8]) {
    /// Every file holds the same, and every directory has everything in it.
    struct Same<'a>(&'a [u8]);

    impl Tree for Same<'_> {
        fn read(&self, _: &str, most: usize) -> Option<Vec<u8>> {
            Some(self.0[..self.0.len().min(most)].to_vec())
        }

        fn real_path(&self, path: &str) -> Option<String> {
            Some(path.to_owned())
        }

        fn names(&self, _: &str) -> Vec<String> {
            let first = String::from_utf8_lossy(self.0).lines().next().unwrap_or_default().to_owned();
            vec!["python3.11".to_owned(), "jdk-17".to_owned(), "go-1.19".to_owned(), first]
        }

        fn maker(&self, _: &str) -> Option<usize> {
            None
        }
    }

    let today = Date::of_seconds(0);
    for one in languages(&Same(data), &[("PATH".to_owned(), String::from_utf8_lossy(data).into_owned())]) {
        if let Some(release) = one.release() {
            let _ = (release.ended(today), release.is_below("3.8"), one.is_maintained(today));
        }
    }
}

#[cfg(test)]
mod tests;
