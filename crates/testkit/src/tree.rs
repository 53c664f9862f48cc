//! A file tree put together from an image's layers, and its form as text.
//!
//! Written against the OCI image specification (image layout, layer changesets) and nothing else, so that it
//! can disagree with the project's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};
use tar::EntryType;

/// Files up to this many bytes are printed as text where they are text.
const SHOWN_CONTENT: u64 = 400;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: size, SHA-256 in hex, and the content of a small one.
    File {
        /// In bytes.
        size: u64,
        /// SHA-256 as hex digits.
        digest: String,
        /// Only of small files.
        content: Option<Vec<u8>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link to these bytes.
    Symlink(String),
    /// A character device with these numbers.
    CharDevice(u32, u32),
    /// A block device with these numbers.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// One inode; several paths may share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, 07777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Seconds since 1970; not printed.
    pub mtime: u64,
    /// Sorted by name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The merged tree.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Paths start with `/`; bytes that are not UTF-8 are shown as `\xNN`.
    paths: BTreeMap<String, usize>,
}

impl Tree {
    /// The inode at a path such as `/etc/passwd`.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.paths.get(path).map(|&number| &self.nodes[number])
    }

    /// A small file's content.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        match &self.get(path)?.kind {
            Kind::File { content, .. } => content.as_deref(),
            _ => None,
        }
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    /// Lays one layer's uncompressed tar over what is there. What the specification forbids is an error.
    pub fn apply(&mut self, layer: &[u8]) -> io::Result<()> {
        let mut changes = Vec::new();
        let mut archive = tar::Archive::new(layer);
        for entry in archive.entries()? {
            changes.push(change(entry?)?);
        }
        // Whiteouts are about the layers below, wherever they stand in this one.
        for change in &changes {
            match &change.what {
                What::Whiteout => self.remove(&change.path, true),
                What::Opaque => self.remove(&change.path, false),
                _ => {}
            }
        }
        let mut seen = BTreeSet::new();
        for change in changes {
            let hides = matches!(change.what, What::Whiteout | What::Opaque);
            if !hides && !seen.insert(change.path.clone()) {
                return Err(invalid(format!("`{}` stands twice in one layer", change.path)));
            }
            if !hides {
                self.put(change)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, change: Change) -> io::Result<()> {
        let mut above = String::new();
        for part in
            change.path.split('/').skip(1).collect::<Vec<_>>().split_last().map_or(&[][..], |(_, p)| p)
        {
            above = format!("{above}/{part}");
            match self.get(&above) {
                None => return Err(invalid(format!("`{}` has no directory above it", change.path))),
                Some(node) if node.kind != Kind::Directory => {
                    return Err(invalid(format!(
                        "`{}` stands below `{above}`, not a directory",
                        change.path
                    )));
                }
                Some(_) => {}
            }
        }
        let number = match change.what {
            What::Node(node) => {
                let replaces = self.get(&change.path).map(|old| old.kind == Kind::Directory);
                if replaces == Some(true) && node.kind != Kind::Directory {
                    self.remove(&change.path, true);
                }
                self.nodes.push(node);
                self.nodes.len() - 1
            }
            What::Link(target) => *self.paths.get(&target).ok_or_else(|| {
                invalid(format!("`{}` is a hard link to the missing `{target}`", change.path))
            })?,
            What::Whiteout | What::Opaque => return Ok(()),
        };
        self.paths.insert(change.path, number);
        Ok(())
    }

    /// Removes what is below a path, and the path itself too if asked.
    fn remove(&mut self, path: &str, itself: bool) {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.paths.retain(|other, _| !(other.starts_with(&below) && other != "/" || itself && other == path));
    }

    /// One line per path; those that `base` has in the same form are left out, those that it has and we have
    /// not are `absent`. `names` gives digests a name, for files that differ from machine to machine.
    pub fn print(&self, base: Option<&Tree>, names: &BTreeMap<String, String>) -> String {
        let ours = self.lines(names);
        let theirs = base.map(|tree| tree.lines(names)).unwrap_or_default();
        let mut out = String::new();
        for path in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            match (ours.get(path), theirs.get(path)) {
                (Some(line), below) if below != Some(line) => {
                    let _ = writeln!(out, "{path} {line}");
                }
                (None, Some(_)) => {
                    let _ = writeln!(out, "{path} absent");
                }
                _ => {}
            }
        }
        out
    }

    fn lines(&self, names: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
        let mut first: BTreeMap<usize, &str> = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for (path, &number) in &self.paths {
            let link = first.get(&number).copied();
            first.entry(number).or_insert(path);
            lines.insert(path.as_str(), line(&self.nodes[number], link, names));
        }
        lines
    }
}

fn line(node: &Node, link: Option<&str>, names: &BTreeMap<String, String>) -> String {
    let attributes = format!("{:04o} {}:{}", node.mode, node.uid, node.gid);
    let mut text = match &node.kind {
        Kind::Directory => format!("directory {attributes}"),
        // A link's own mode means nothing and programs write it differently.
        Kind::Symlink(target) => format!("symlink {}:{} -> {target}", node.uid, node.gid),
        Kind::Fifo => format!("fifo {attributes}"),
        Kind::CharDevice(major, minor) => format!("char {attributes} {major}:{minor}"),
        Kind::BlockDevice(major, minor) => format!("block {attributes} {major}:{minor}"),
        Kind::File { size, digest, content } => {
            let shown = content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
            match (names.get(digest), shown) {
                (Some(name), _) => format!("file {attributes} the {name}"),
                (None, Some(shown)) => format!("file {attributes} {shown:?}"),
                (None, None) => format!("file {attributes} {size} bytes {}", &digest[..16]),
            }
        }
    };
    for (name, value) in &node.xattrs {
        let _ = write!(text, " {name}={}", value.escape_ascii());
    }
    if let Some(first) = link {
        let _ = write!(text, " => {first}");
    }
    text
}

struct Change {
    path: String,
    what: What,
}

enum What {
    Node(Node),
    Link(String),
    Whiteout,
    Opaque,
}

fn change(mut entry: tar::Entry<'_, &[u8]>) -> io::Result<Change> {
    let path = absolute(&entry.path_bytes())?;
    let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if name == ".wh..wh..opq" {
        return Ok(Change {
            path: if above.is_empty() { "/".into() } else { above.into() },
            what: What::Opaque,
        });
    }
    if let Some(name) = name.strip_prefix(".wh.") {
        return Ok(Change { path: format!("{above}/{name}"), what: What::Whiteout });
    }
    let mut xattrs = BTreeMap::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            let key = String::from_utf8_lossy(extension.key_bytes()).into_owned();
            if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
            }
        }
    }
    let header = entry.header();
    let device = || -> io::Result<(u32, u32)> {
        Ok((header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)))
    };
    let target = entry.link_name_bytes().map(|bytes| bytes.to_vec()).unwrap_or_default();
    let (mode, uid, gid, mtime) = (header.mode()? & 0o7777, header.uid()?, header.gid()?, header.mtime()?);
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(text(&target)),
        EntryType::Link => return Ok(Change { path, what: What::Link(absolute(&target)?) }),
        EntryType::Fifo => Kind::Fifo,
        EntryType::Char => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
        EntryType::Regular => {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let size = content.len() as u64;
            let digest = hex(&Sha256::digest(&content));
            Kind::File { size, digest, content: (size <= SHOWN_CONTENT).then_some(content) }
        }
        other => return Err(invalid(format!("`{path}` has the tar type {other:?}"))),
    };
    Ok(Change { path, what: What::Node(Node { kind, mode, uid, gid, mtime, xattrs }) })
}

/// `./a/b/`, `a/b` and `/a/b` are all `/a/b`; the root is `/`.
fn absolute(path: &[u8]) -> io::Result<String> {
    let path = text(path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(invalid(format!("`{path}` leaves the tree")));
    }
    Ok(format!("/{}", parts.join("/")))
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(crate) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Form, member, write};
    use expect_test::{Expect, expect};

    fn check(layers: &[&str], expected: Expect) {
        let mut tree = Tree::default();
        for layer in layers {
            let members: Vec<_> = layer.lines().map(|line| member(line).unwrap()).collect();
            if let Err(error) = tree.apply(&write(Form::Tar, &members).unwrap()) {
                return expected.assert_eq(&format!("error: {error}\n"));
            }
        }
        expected.assert_eq(&tree.print(None, &BTreeMap::new()));
    }

    #[test]
    fn upper_layers_hide_lower_ones() {
        check(
            &[
                "a/\na/one text=1\na/two text=2\nb/\nb/x text=x\nc text=c",
                "a/\na/.wh.one text=\nb/\nb/y text=y\nb/.wh..wh..opq text=\nc/ mode=0700",
            ],
            expect![[r#"
                /a directory 0755 0:0
                /a/two file 0644 0:0 "2"
                /b directory 0755 0:0
                /b/y file 0644 0:0 "y"
                /c directory 0700 0:0
            "#]],
        );
    }

    #[test]
    fn links_and_attributes_are_shown() {
        check(
            &[
                "f text=x owner=1:2 mode=4755 xattr=user.a=\\x01b\ng => f\ns -> f owner=3:4\nq type=fifo\nn type=char:1:3",
            ],
            expect![[r#"
                /f file 4755 1:2 "x" user.a=\x01b
                /g file 4755 1:2 "x" user.a=\x01b => /f
                /n char 0644 0:0 1:3
                /q fifo 0644 0:0
                /s symlink 3:4 -> f
            "#]],
        );
    }

    #[test]
    fn layers_that_no_program_should_write_are_errors() {
        check(&["a text=1\na text=2"], expect![["error: `/a` stands twice in one layer\n"]]);
        check(&["l -> d\nl/x text="], expect![["error: `/l/x` stands below `/l`, not a directory\n"]]);
        check(&["d/../x text="], expect![["error: `d/../x` leaves the tree\n"]]);
        check(&["x => y"], expect![["error: `/x` is a hard link to the missing `/y`\n"]]);
    }
}
