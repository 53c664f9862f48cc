//! dpkg's database, written as dpkg would have left it after unpacking every package (dpkg's `doc/`, deb-src/lib/dpkg).
//!
//! Packages stand in it as `unpacked`; one `dpkg --configure -a` then does the rest. Two things differ from what dpkg
//! writes at that moment, so that the end is the same as after an installation: the configuration files carry their
//! true MD5 (dpkg would ask about each on the first upgrade otherwise), and they are in place already.

use super::catalog::Package;
use super::deb::Control;
use super::tree::Brought;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A package that is in the tree.
#[derive(Debug)]
pub struct Unpacked {
    /// What the index said of it.
    pub package: Package,
    /// What it says of itself.
    pub control: Control,
    /// What it brought into the tree.
    pub brought: Brought,
}

/// Why the database could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `/{path}`")]
pub struct DatabaseError {
    path: String,
    #[source]
    source: io::Error,
}

/// Control files that dpkg does not keep, or keeps in another form.
const NOT_KEPT: [&str; 1] = ["list"];

/// Writes `/var/lib/dpkg` for packages that were unpacked into `root`, in the order of their names.
pub fn write(root: &Path, packages: &[Unpacked]) -> Result<(), DatabaseError> {
    let files = Files { root };
    for directory in ["info", "triggers", "updates", "alternatives", "parts"] {
        files.directory(&format!("var/lib/dpkg/{directory}"), 0o755)?;
    }
    let taken: HashSet<(usize, &[u8])> = packages
        .iter()
        .flat_map(|one| one.brought.taken.iter().map(|(number, path)| (*number, path.as_slice())))
        .collect();
    let (mut status, mut triggers) = (String::new(), Triggers::default());
    for (number, one) in packages.iter().enumerate() {
        let name = info_name(one);
        write_info(&files, one, &name, |path| taken.contains(&(number, path)))?;
        status.push_str(&stanza(one));
        if let Some((_, text)) = one.control.files.get("triggers") {
            triggers.add(&String::from_utf8_lossy(text), &name);
        }
    }
    for (path, content) in triggers.files() {
        files.write(&format!("var/lib/dpkg/triggers/{path}"), content.as_bytes(), 0o644)?;
    }
    files.write("var/lib/dpkg/info/format", b"1\n", 0o644)?;
    for path in ["available", "diversions", "statoverride"] {
        files.write(&format!("var/lib/dpkg/{path}"), b"", 0o644)?;
    }
    files.write("var/lib/dpkg/status", status.as_bytes(), 0o644)
}

/// Users and groups as they are before the first package is configured: several packages' scripts need them earlier
/// than `base-passwd`, which brings them, can install them.
pub fn seed_accounts(root: &Path) -> Result<(), DatabaseError> {
    let files = Files { root };
    for name in ["passwd", "group"] {
        let path = format!("usr/share/base-passwd/{name}.master");
        match fs::read(root.join(&path)) {
            Ok(master) => files.write(&format!("etc/{name}"), &master, 0o644)?,
            // A distribution without it makes its accounts in another way.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(DatabaseError { path, source }),
        }
    }
    Ok(())
}

struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<(), DatabaseError> {
        let whole = self.root.join(path);
        let written = fs::write(&whole, content);
        written
            .and_then(|()| set_mode(&whole, mode))
            .map_err(|source| DatabaseError { path: path.to_owned(), source })
    }

    fn directory(&self, path: &str, mode: u32) -> Result<PathBuf, DatabaseError> {
        let whole = self.root.join(path);
        let made = fs::create_dir_all(&whole).and_then(|()| set_mode(&whole, mode));
        made.map(|()| whole).map_err(|source| DatabaseError { path: path.to_owned(), source })
    }
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// What the package's files in `info` are called.
fn info_name(one: &Unpacked) -> String {
    if one.package.multi_arch_same {
        format!("{}:{}", one.package.name, one.package.architecture)
    } else {
        one.package.name.clone()
    }
}

fn write_info(
    files: &Files<'_>,
    one: &Unpacked,
    name: &str,
    is_taken: impl Fn(&[u8]) -> bool,
) -> Result<(), DatabaseError> {
    let mut list = Vec::new();
    for path in one.brought.paths.iter().filter(|path| !is_taken(path)) {
        list.extend_from_slice(path);
        list.push(b'\n');
    }
    files.write(&format!("var/lib/dpkg/info/{name}.list"), &list, 0o644)?;
    for (kind, (mode, content)) in &one.control.files {
        if !NOT_KEPT.contains(&kind.as_str()) {
            files.write(&format!("var/lib/dpkg/info/{name}.{kind}"), content, *mode)?;
        }
    }
    if !one.control.files.contains_key("md5sums") {
        let own = conffiles(&one.control);
        let sums = one.brought.md5.iter().filter(|(path, _)| !own.contains(&[b"/", &path[..]].concat()));
        let mut text = Vec::new();
        for (path, md5) in sums {
            text.extend_from_slice(format!("{md5}  ").as_bytes());
            text.extend_from_slice(path);
            text.push(b'\n');
        }
        files.write(&format!("var/lib/dpkg/info/{name}.md5sums"), &text, 0o644)?;
    }
    Ok(())
}

/// The configuration files that a package declares, with their leading slash. Lines with a flag (`remove-on-upgrade`)
/// are about files that it does not bring.
pub fn conffiles(control: &Control) -> Vec<Vec<u8>> {
    let text = control.files.get("conffiles").map(|(_, text)| text.as_slice()).unwrap_or_default();
    text.split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"/"))
        .map(|line| line.trim_ascii_end().to_vec())
        .collect()
}

/// The package's paragraph in the status file.
fn stanza(one: &Unpacked) -> String {
    let mut text = String::with_capacity(one.control.paragraph.len() + 256);
    for line in one.control.paragraph.lines().filter(|line| !line.trim().is_empty()) {
        text.push_str(line);
        text.push('\n');
        if line.to_ascii_lowercase().starts_with("package:") {
            text.push_str("Status: install ok unpacked\n");
        }
    }
    let files = conffiles(&one.control);
    let summed = files.iter().filter_map(|path| one.brought.md5.get(&path[1..]).map(|md5| (path, md5)));
    for (number, (path, md5)) in summed.enumerate() {
        if number == 0 {
            text.push_str("Conffiles:\n");
        }
        let _ = writeln!(text, " {} {md5}", String::from_utf8_lossy(path));
    }
    text.push('\n');
    text
}

/// Who wants to be told of what (deb-triggers(5), dpkg's `triggers/File` and `triggers/NAME`).
#[derive(Debug, Default)]
struct Triggers {
    paths: Vec<String>,
    named: BTreeMap<String, Vec<String>>,
}

impl Triggers {
    fn add(&mut self, text: &str, package: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(directive), Some(what)) = (words.next(), words.next()) else { continue };
            let who = match directive {
                "interest" | "interest-await" => package.to_owned(),
                "interest-noawait" => format!("{package}/noawait"),
                _ => continue,
            };
            if what.starts_with('/') {
                self.paths.push(format!("{what} {who}"));
            } else if !what.contains('/') {
                self.named.entry(what.to_owned()).or_default().push(who);
            }
        }
    }

    fn files(&self) -> Vec<(String, String)> {
        let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let mut files = vec![("File".to_owned(), lines(&self.paths)), ("Unincorp".to_owned(), String::new())];
        files.extend(self.named.iter().map(|(name, who)| (name.clone(), lines(who))));
        files
    }
}
