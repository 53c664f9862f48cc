//! A snapshot's files for other programs: one tar archive, or a directory.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci::layer::write_tar;
use oci::store::{Layer, Store};
use oci::tree::{Entry, Kind, PathIndex, View};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

use crate::failure::Failure;

/// The merged files of some layers.
#[derive(Default)]
pub struct Files {
    /// Directories before what is in them; hard links name the first file of theirs.
    entries: Vec<Entry>,
    /// Where the content of a file is, by its place in `entries`.
    contents: HashMap<usize, PathBuf>,
}

impl Files {
    /// Merges layers, bottom first.
    pub fn of(layers: &[Layer]) -> Files {
        let view = View::new(layers.iter().map(|layer| Arc::clone(&layer.index)).collect());
        let mut files = Files::default();
        let mut first_names: HashMap<(usize, Vec<u8>), Vec<u8>> = HashMap::new();
        for (number, mut entry) in view.walk(b"") {
            let Some(layer) = layers.get(number) else { continue };
            match &mut entry.kind {
                // Which layer hid what is below has no meaning once they are merged.
                Kind::Directory { opaque } => *opaque = false,
                Kind::File { .. } => {
                    let file = linked_to(&layer.index, &entry.path);
                    match first_names.get(&(number, file.clone())) {
                        Some(first) => {
                            entry.kind = Kind::Hardlink { to: first.clone() };
                            entry.size = 0;
                        }
                        None => {
                            files.contents.insert(files.entries.len(), layer.directory.join(path_of(&file)));
                            first_names.insert((number, file), entry.path.clone());
                        }
                    }
                }
                _ => {}
            }
            files.entries.push(entry);
        }
        files
    }

    /// What is at a path, as `docker cp` has it: under its own name; or, where the path ends in `/.` or is the root, what is in
    /// that directory. Nothing where there is no such path.
    pub fn at(&self, path: &str) -> Option<Files> {
        let inside = path.ends_with("/.") || path.ends_with('/') || path == ".";
        let path = path.strip_suffix("/.").unwrap_or(path).trim_matches('/').as_bytes();
        let path = if path == b"." { b"" } else { path };
        let name = if inside { b"" } else { path.rsplit(|byte| *byte == b'/').next().unwrap_or_default() };
        let moved = |known: &[u8]| {
            let rest = match path {
                b"" => known,
                path if known == path => b"",
                path => known.strip_prefix(path)?.strip_prefix(b"/")?,
            };
            let both = [name, rest];
            Some(both.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b'/'))
        };
        let mut part = Files::default();
        let mut found = path.is_empty();
        for (number, entry) in self.entries.iter().enumerate() {
            let Some(place) = moved(&entry.path) else { continue };
            found = true;
            let (mut entry, mut content) =
                (Entry { path: place, ..entry.clone() }, self.contents.get(&number));
            if let Kind::Hardlink { to } = &entry.kind {
                match moved(to) {
                    Some(to) => entry.kind = Kind::Hardlink { to },
                    // Its first name stays outside: then this is the file.
                    None => {
                        let first = self.entries.iter().position(|known| known.path == *to)?;
                        entry = Entry { path: entry.path, ..self.entries[first].clone() };
                        content = self.contents.get(&first);
                    }
                }
            }
            if let Some(content) = content {
                part.contents.insert(part.entries.len(), content.clone());
            }
            part.entries.push(entry);
        }
        found.then_some(part)
    }

    /// The same below a directory: `linux_arm64` of an export for several platforms.
    pub fn below(self, directory: &str) -> Files {
        let prefixed = |path: &[u8]| match path {
            b"" => directory.as_bytes().to_vec(),
            path => [directory.as_bytes(), b"/", path].concat(),
        };
        let mut entries = self.entries;
        for entry in &mut entries {
            entry.path = prefixed(&entry.path);
            if let Kind::Hardlink { to } = &mut entry.kind {
                *to = prefixed(to);
            }
        }
        Files { entries, contents: self.contents }
    }

    /// Adds those of another export, whose paths are others.
    pub fn append(&mut self, other: Files) {
        let before = self.entries.len();
        self.entries.extend(other.entries);
        self.contents.extend(other.contents.into_iter().map(|(number, path)| (before + number, path)));
    }

    /// Writes them as a tar archive, owners and attributes included.
    pub fn write_tar(&self, store: &Store, out: &mut dyn Write) -> Result<(), Failure> {
        // The archive writer wants one directory. Links cost next to nothing, and are gone with the work directory.
        let work = store.work_dir()?;
        let root = work.path().join("export");
        fs::create_dir(&root).map_err(Failure::file("make", &root))?;
        for (number, entry) in self.entries.iter().enumerate() {
            let path = root.join(path_of(&entry.path));
            let made = match (&entry.kind, self.contents.get(&number)) {
                (Kind::Directory { .. }, _) => made(fs::create_dir(&path)),
                (Kind::File { .. }, Some(content)) => {
                    fs::hard_link(content, &path).or_else(|_| fs::copy(content, &path).map(drop))
                }
                _ => Ok(()),
            };
            made.map_err(Failure::file("export", &path))?;
        }
        let index = PathIndex::build(self.entries.clone()).map_err(oci::store::StoreError::from)?;
        write_tar(&root, &index, out).map_err(oci::store::StoreError::from)?;
        Ok(())
    }

    /// Writes them below a directory, as the user's files: modes, times and links are kept, owners are not. What is
    /// there already stays, unless a file of the same name takes its place. Answers the paths that could not be made.
    pub fn write_directory(&self, directory: &Path) -> Result<Vec<String>, Failure> {
        fs::create_dir_all(directory).map_err(Failure::file("make", directory))?;
        let mut refused = Vec::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let path = directory.join(path_of(&entry.path));
            match self.write_entry(directory, &path, entry, self.contents.get(&number)) {
                Ok(()) => {}
                Err(error) if is_device(entry) && error.kind() == ErrorKind::PermissionDenied => {
                    refused.push(path.display().to_string());
                }
                Err(error) => return Err(Failure::file("write", &path)(error)),
            }
        }
        // Directories last and from the inside: writing into them changed their times, and a mode may forbid it.
        for entry in self.entries.iter().rev().filter(|entry| entry.is_directory() && !entry.path.is_empty())
        {
            let path = directory.join(path_of(&entry.path));
            let done = fs::set_permissions(&path, Permissions::from_mode(entry.mode))
                .and_then(|()| set_time(&path, entry));
            done.map_err(Failure::file("write", &path))?;
        }
        Ok(refused)
    }

    fn write_entry(
        &self,
        root: &Path,
        path: &Path,
        entry: &Entry,
        content: Option<&PathBuf>,
    ) -> std::io::Result<()> {
        if entry.path.is_empty() {
            return Ok(());
        }
        // Never through a link that is there already: the name itself is replaced.
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() && entry.is_directory() => return Ok(()),
            Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
            Ok(_) => fs::remove_file(path)?,
            Err(_) => {}
        }
        match &entry.kind {
            Kind::Directory { .. } => return fs::create_dir(path),
            Kind::File { .. } => {
                let Some(content) = content else { return Ok(()) };
                fs::copy(content, path)?;
                fs::set_permissions(path, Permissions::from_mode(entry.mode))?;
            }
            Kind::Symlink { target } => std::os::unix::fs::symlink(OsStr::from_bytes(target), path)?,
            Kind::Hardlink { to } => return fs::hard_link(root.join(path_of(to)), path),
            Kind::Fifo => node(path, FileType::Fifo, entry.mode, (0, 0))?,
            Kind::CharDevice { major, minor } => {
                node(path, FileType::CharacterDevice, entry.mode, (*major, *minor))?;
            }
            Kind::BlockDevice { major, minor } => {
                node(path, FileType::BlockDevice, entry.mode, (*major, *minor))?
            }
            Kind::Whiteout => return Ok(()),
        }
        set_time(path, entry)
    }
}

/// The name under which the layer's index has the file's content.
fn linked_to(index: &PathIndex, path: &[u8]) -> Vec<u8> {
    match index.get(path).map(|entry| entry.kind) {
        Some(Kind::Hardlink { to }) => to,
        _ => path.to_vec(),
    }
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn is_device(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::CharDevice { .. } | Kind::BlockDevice { .. })
}

fn made(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn node(path: &Path, kind: FileType, mode: u32, (major, minor): (u32, u32)) -> std::io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    Ok(rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(mode), device)?)
}

fn set_time(path: &Path, entry: &Entry) -> std::io::Result<()> {
    let time = Timespec { tv_sec: entry.mtime, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use oci::{Digest, LayerId};

    use super::*;

    /// A layer of files with their own path as content; `a=b` is a hard link from `a` to `b`, `a/` a directory.
    fn layer(root: &Path, name: &str, paths: &[&str]) -> Layer {
        let directory = root.join(name);
        fs::create_dir(&directory).expect("a directory");
        let mut entries = vec![Entry::implied_directory(b"")];
        for path in paths {
            let (path, link) = path.split_once('=').map_or((*path, None), |(path, link)| (path, Some(link)));
            let kind = match (path.strip_suffix('/'), link) {
                (Some(_), _) => Kind::Directory { opaque: false },
                (None, Some(link)) => Kind::Hardlink { to: link.into() },
                (None, None) => Kind::File { digest: Digest::of(path.as_bytes()) },
            };
            let path = path.trim_end_matches('/');
            match &kind {
                Kind::Directory { .. } => fs::create_dir(directory.join(path)).expect("a directory"),
                Kind::Hardlink { to } => {
                    fs::hard_link(directory.join(path_of(to)), directory.join(path)).expect("a link");
                }
                _ => fs::write(directory.join(path), path).expect("a file"),
            }
            let size = if matches!(kind, Kind::File { .. }) { path.len() as u64 } else { 0 };
            entries.push(Entry { kind, size, mtime: 60, ..Entry::implied_directory(path.as_bytes()) });
        }
        let index = PathIndex::build(entries).expect("a sound index");
        Layer { id: LayerId(Digest::of(name.as_bytes())), directory, index: Arc::new(index) }
    }

    #[test]
    fn a_hard_link_whose_file_is_hidden_becomes_the_file() {
        let root = tempfile::tempdir().expect("a directory");
        let below = layer(root.path(), "below", &["a", "b=a", "c=a", "dir/", "dir/x"]);
        let above = layer(root.path(), "above", &["a", "new"]);
        let out = root.path().join("out");
        let refused = Files::of(&[below, above]).write_directory(&out).expect("it is written");
        assert!(refused.is_empty());
        assert_eq!(fs::read(out.join("b")).expect("a file"), b"a");
        let inode = |name: &str| fs::metadata(out.join(name)).expect("a file").ino();
        assert_eq!(inode("b"), inode("c"));
        assert_ne!(inode("a"), inode("b"));
        assert_eq!(fs::metadata(out.join("dir")).expect("a directory").mtime(), 60);
    }

    #[test]
    fn a_link_in_the_destination_is_replaced_not_followed() {
        let root = tempfile::tempdir().expect("a directory");
        let only = layer(root.path(), "only", &["dir/", "dir/x"]);
        let (out, elsewhere) = (root.path().join("out"), root.path().join("elsewhere"));
        fs::create_dir(&out).expect("a directory");
        fs::create_dir(&elsewhere).expect("a directory");
        std::os::unix::fs::symlink(&elsewhere, out.join("dir")).expect("a link");
        Files::of(&[only]).below("p").write_directory(&root.path().join("q")).expect("it is written");
        assert!(root.path().join("q/p/dir/x").is_file());
        let only = layer(root.path(), "again", &["dir/", "dir/x"]);
        Files::of(&[only]).write_directory(&out).expect("it is written");
        assert!(fs::read_dir(&elsewhere).expect("it is listed").next().is_none());
    }
}
