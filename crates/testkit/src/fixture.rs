//! Directory trees written as text, so that a test shows its input where it is used.
//!
//! ```text
//! //- /Dockerfile
//! FROM scratch
//! //- /bin/tool mode=0755 owner=3:4 xattr=user.colour=red
//! content up to the next heading
//! //- /link -> target
//! //- /again => bin/tool
//! //- /empty/ mode=0700
//! //- /queue type=fifo
//! //- /null type=char:1:3
//! //- /noeol eol=no
//! //- /windows eol=crlf
//! //- /escaped text=a\tb\0
//! //- /big size=100000
//! //- /src.tar.gz archive=gzip
//! dir/ mode=0755
//! dir/file owner=1000:1000 text=hello\n
//! ```
//!
//! A name that starts with `@` instead of `/` stands in a directory beside the context: `@secrets/token`.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

use crate::archive;

/// 2020-01-01 in seconds since 1970: the time of everything written, unless a test says otherwise.
pub const EPOCH: i64 = 1_577_836_800;

/// What a fixture cannot be read or written for.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// The text itself is wrong.
    #[error("fixture line {line}: {message}")]
    Text {
        /// Counted from one, in the fixture's text.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The tree could not be written.
    #[error("write `{path}`")]
    Write {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// One file, directory, link or device of a fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// As written, without the leading `/` or `@` and without a trailing `/`.
    pub path: String,
    /// Whether the name stood after `@`: beside the context instead of in it.
    pub beside: bool,
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits; `None` is 0644 for files and 0755 for directories.
    pub mode: Option<u32>,
    /// User and group; `None` leaves the writer's own.
    pub owner: Option<(u32, u32)>,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// The kinds of things a fixture can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file and its content.
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(String),
    /// A further name of a file written before.
    Hardlink(String),
    /// A named pipe.
    Fifo,
    /// A socket (nobody listens).
    Socket,
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
}

/// A directory tree as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// In the order of the text.
    pub nodes: Vec<Node>,
    /// The modification time of everything written, in seconds since 1970.
    pub mtime: i64,
}

impl Default for Fixture {
    fn default() -> Fixture {
        Fixture { nodes: Vec::new(), mtime: EPOCH }
    }
}

impl Fixture {
    /// Reads the text; lines before the first heading must be empty.
    pub fn parse(text: &str) -> Result<Fixture, FixtureError> {
        let mut nodes = Vec::new();
        let mut heading: Option<(usize, &str)> = None;
        let mut body = String::new();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            if let Some(rest) = line.strip_prefix("//- ") {
                if let Some((at, previous)) = heading.take() {
                    nodes.push(node(previous, &body, at)?);
                }
                heading = Some((index + 1, rest.trim_end()));
                body.clear();
            } else if heading.is_some() {
                body.push_str(line);
            } else if !line.trim().is_empty() {
                return Err(wrong(index + 1, "text before the first `//- ` heading"));
            }
        }
        if let Some((at, previous)) = heading {
            nodes.push(node(previous, &body, at)?);
        }
        Ok(Fixture { nodes, mtime: EPOCH })
    }

    /// Writes what starts with `/` into `context` and what starts with `@` below `beside`.
    pub fn write(&self, context: &Path, beside: &Path) -> Result<(), FixtureError> {
        for node in &self.nodes {
            let root = if node.beside { beside } else { context };
            let path = root.join(&node.path);
            write_node(node, root, &path).map_err(|source| FixtureError::Write { path, source })?;
        }
        // Times and directory modes last: writing into a directory would change them again.
        for node in self.nodes.iter().rev() {
            let root = if node.beside { beside } else { context };
            let path = root.join(&node.path);
            finish_node(node, root, &path, self.mtime)
                .map_err(|source| FixtureError::Write { path, source })?;
        }
        Ok(())
    }
}

/// Writes a fixture's text into a fresh temporary directory; for tests, which end on a mistake in their text.
pub fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let fixture = Fixture::parse(text).unwrap_or_else(|error| panic!("{error}"));
    fixture.write(directory.path(), directory.path()).unwrap_or_else(|error| panic!("{error}"));
    directory
}

fn wrong(line: usize, message: impl Into<String>) -> FixtureError {
    FixtureError::Text { line, message: message.into() }
}

/// One heading and the lines below it.
fn node(heading: &str, body: &str, line: usize) -> Result<Node, FixtureError> {
    let beside = heading.starts_with('@');
    let Some(heading) = heading.strip_prefix(['/', '@']) else {
        return Err(wrong(line, "a heading's path starts with `/` or `@`"));
    };
    let member = archive::member(heading).map_err(|message| wrong(line, message))?;
    let mut kind = member.kind;
    if let NodeKind::File(content) = &mut kind {
        if let Some(form) = member.archive {
            let mut members = Vec::new();
            for (index, text) in body.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
                members.push(archive::member(text).map_err(|message| wrong(line + 1 + index, message))?);
            }
            *content = archive::write(form, &members).map_err(|error| wrong(line, error.to_string()))?;
        } else if !member.inline {
            *content = member.line_ends.apply(body);
        }
    } else if !body.trim().is_empty() {
        return Err(wrong(line, "only files have content"));
    }
    Ok(Node {
        path: member.path,
        beside,
        kind,
        mode: member.mode,
        owner: member.owner,
        xattrs: member.xattrs,
    })
}

fn write_node(node: &Node, root: &Path, path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let special = |kind, device| {
        rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), device).map_err(io::Error::from)
    };
    match &node.kind {
        NodeKind::File(content) => fs::write(path, content),
        NodeKind::Directory => fs::create_dir_all(path),
        NodeKind::Symlink(target) => symlink(target, path),
        NodeKind::Hardlink(target) => fs::hard_link(root.join(target), path),
        NodeKind::Fifo => special(FileType::Fifo, 0),
        NodeKind::Socket => special(FileType::Socket, 0),
        NodeKind::CharDevice(major, minor) => {
            special(FileType::CharacterDevice, rustix::fs::makedev(*major, *minor))
        }
        NodeKind::BlockDevice(major, minor) => {
            special(FileType::BlockDevice, rustix::fs::makedev(*major, *minor))
        }
    }
}

/// Owner, attributes, mode and times, and the times of the directories above.
fn finish_node(node: &Node, root: &Path, path: &Path, mtime: i64) -> io::Result<()> {
    if let Some((uid, gid)) = node.owner {
        let ids = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(CWD, path, ids.0, ids.1, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    for (name, value) in &node.xattrs {
        rustix::fs::lsetxattr(path, name.as_str(), value, XattrFlags::empty())?;
    }
    let plain = match node.kind {
        NodeKind::Symlink(_) | NodeKind::Hardlink(_) => None,
        NodeKind::Directory => Some(0o755),
        _ => Some(0o644),
    };
    if let Some(mode) = plain {
        fs::set_permissions(path, fs::Permissions::from_mode(node.mode.unwrap_or(mode)))?;
    }
    set_time(path, mtime)?;
    for above in path.ancestors().skip(1).take_while(|above| above.starts_with(root) && *above != root) {
        set_time(above, mtime)?;
    }
    Ok(())
}

fn set_time(path: &Path, mtime: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_tree_is_written_as_its_text_says() {
        let text = "//- /a/b mode=0600\none\ntwo\n//- /a/l -> b\n//- /a/h => a/b\n//- /d/ mode=0700\n//- /q type=fifo\n";
        let directory = directory(text);
        let path = |name: &str| directory.path().join(name);
        assert_eq!(fs::read_to_string(path("a/b")).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(path("a/b")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(path("a/h")).unwrap().ino(), fs::metadata(path("a/b")).unwrap().ino());
        assert_eq!(fs::read_link(path("a/l")).unwrap(), Path::new("b"));
        assert_eq!(fs::metadata(path("d")).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(path("a")).unwrap().mtime(), EPOCH);
        assert!(fs::metadata(path("q")).unwrap().mode() & 0o170000 == 0o010000);
    }

    #[test]
    fn contents_can_be_bytes() {
        let fixture =
            Fixture::parse("//- /a text=x\\t\\0\n//- /b eol=crlf\none\n//- /c eol=no\none\n").unwrap();
        let contents: Vec<_> = fixture.nodes.iter().map(|node| node.kind.clone()).collect();
        let file = |text: &[u8]| NodeKind::File(text.to_vec());
        assert_eq!(contents, [file(b"x\t\0"), file(b"one\r\n"), file(b"one")]);
    }

    #[test]
    fn mistakes_name_their_line() {
        let error = Fixture::parse("//- /a\n//- /b colour=red\n").unwrap_err();
        assert_eq!(error.to_string(), "fixture line 2: unknown attribute `colour=red`");
    }
}
