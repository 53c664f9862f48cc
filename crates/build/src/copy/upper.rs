//! The upper directory in the making: what is below and what was written so far, seen as one.
//!
//! Directories get their mode, owner and time only at the end, when nothing is written into them any more.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use oci::layer::OverlayForm;
use oci::tree::{self, Kind, View};

use super::attributes::{Attributes, apply_directory};
use super::tree::{ItemKind, resolve};
use super::{CopyError, shown};

/// The set-group-id bit: a new directory inherits it and the group.
const SET_GROUP_ID: u32 = 0o2000;

/// An upper directory being filled.
pub struct Upper<'t> {
    root: PathBuf,
    below: Option<&'t View>,
    form: OverlayForm,
    epoch: i64,
    directories: HashMap<Vec<u8>, Directory>,
}

/// A directory that the upper has.
#[derive(Debug, Clone)]
struct Directory {
    attributes: Attributes,
    /// Nothing of what is below shows in it.
    hides: bool,
    /// What is below has a directory here, but must not show: it was removed.
    opaque: bool,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// What it is; of devices only that they are none of the others.
    pub kind: ItemKind,
}

impl<'t> Upper<'t> {
    /// An upper in an empty directory, over what `below` shows.
    pub fn new(root: &Path, below: Option<&'t View>, form: OverlayForm, epoch: i64) -> Upper<'t> {
        let attributes = below
            .and_then(|view| view.lookup(b""))
            .map_or(Attributes::new_directory(epoch), |(_, entry)| Attributes::of_entry(&entry, epoch));
        let hides = below.is_none();
        let root_directory = Directory { attributes, hides, opaque: false };
        let directories = HashMap::from([(Vec::new(), root_directory)]);
        Upper { root: root.to_owned(), below, form, epoch, directories }
    }

    /// Where a path of the tree is on disk.
    pub fn on_disk(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// What is at a path; no link is followed.
    pub fn look(&self, path: &[u8]) -> Result<Option<Existing>, CopyError> {
        if self.directories.contains_key(path) {
            return Ok(Some(Existing { kind: ItemKind::Directory }));
        }
        let directory = tree::parent(path).unwrap_or_default();
        if let Some(above) = self.directories.get(directory) {
            if let Some(found) = self.look_on_disk(path)? {
                return Ok(found);
            }
            if above.hides {
                return Ok(None);
            }
        } else if !self.shows_below(directory) {
            return Ok(None);
        }
        Ok(self.look_below(path))
    }

    /// Whether what is below shows at a path that the upper has no directory for.
    fn shows_below(&self, path: &[u8]) -> bool {
        let mut path = path;
        while let Some(above) = tree::parent(path) {
            if let Some(directory) = self.directories.get(above) {
                return !directory.hides && matches!(self.look_on_disk(path), Ok(None));
            }
            path = above;
        }
        false
    }

    /// What the upper itself has at a path: `Some(None)` where it has a whiteout.
    fn look_on_disk(&self, path: &[u8]) -> Result<Option<Option<Existing>>, CopyError> {
        let on_disk = self.on_disk(path);
        let kind = match fs::symlink_metadata(&on_disk) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(CopyError::io("read", path, error)),
        };
        let kind = if kind.is_symlink() {
            let target = fs::read_link(&on_disk).map_err(|error| CopyError::io("read", path, error))?;
            ItemKind::Symlink(target.as_os_str().as_bytes().to_vec())
        } else if kind.is_dir() {
            ItemKind::Directory
        } else if kind.is_fifo() {
            ItemKind::Fifo
        } else if kind.is_char_device() {
            match fs::symlink_metadata(&on_disk)
                .map(|metadata| std::os::unix::fs::MetadataExt::rdev(&metadata))
            {
                Ok(0) => return Ok(Some(None)),
                _ => ItemKind::CharDevice(0, 0),
            }
        } else {
            ItemKind::File
        };
        Ok(Some(Some(Existing { kind })))
    }

    fn look_below(&self, path: &[u8]) -> Option<Existing> {
        let (_, entry) = self.below?.lookup(path)?;
        let kind = match entry.kind {
            Kind::Directory { .. } => ItemKind::Directory,
            Kind::Symlink { target } => ItemKind::Symlink(target),
            Kind::CharDevice { major, minor } => ItemKind::CharDevice(major, minor),
            Kind::BlockDevice { major, minor } => ItemKind::BlockDevice(major, minor),
            Kind::Fifo => ItemKind::Fifo,
            Kind::File { .. } | Kind::Hardlink { .. } | Kind::Whiteout => ItemKind::File,
        };
        Some(Existing { kind })
    }

    /// Where a path leads, links followed inside the tree.
    pub fn resolve(&self, path: &[u8]) -> Result<Vec<u8>, CopyError> {
        resolve(path, true, &mut |path| Ok(self.look(path)?.map(|existing| existing.kind)))
    }

    /// Whether nothing but what the upper itself writes can be in this directory.
    pub fn is_new(&self, directory: &[u8]) -> bool {
        self.directories.get(directory).is_some_and(|directory| directory.hides)
    }

    /// Makes a directory and all that are missing above it. Those that exist stay as they are; one that is made in a
    /// set-group-id directory inherits that. `path` has no links in it.
    pub fn make_all(&mut self, path: &[u8], mode: u32, owner: Option<(u32, u32)>) -> Result<(), CopyError> {
        let mut at = 0;
        loop {
            let here = &path[..at];
            match self.look(here)?.map(|existing| existing.kind) {
                Some(ItemKind::Directory) => {}
                Some(_) => return Err(CopyError::NotADirectory { path: shown(here) }),
                None if here.is_empty() => {}
                None => {
                    let above = tree::parent(here).unwrap_or_default();
                    self.copy_up(above)?;
                    let parent = &self.directories[above].attributes;
                    let inherits = parent.mode & SET_GROUP_ID != 0;
                    let group = if inherits { parent.gid } else { 0 };
                    let (uid, gid) = owner.unwrap_or((0, group));
                    let mode = if inherits { mode | SET_GROUP_ID } else { mode };
                    let attributes = Attributes { mode, uid, gid, ..Attributes::new_directory(self.epoch) };
                    self.make(here, attributes)?;
                }
            }
            if at == path.len() {
                return Ok(());
            }
            let from = if at == 0 { 0 } else { at + 1 };
            let slash = path[from..].iter().position(|byte| *byte == b'/');
            at = slash.map_or(path.len(), |slash| from + slash);
        }
    }

    /// Makes sure that the upper itself has a directory that exists, with what it has below as attributes.
    pub fn copy_up(&mut self, path: &[u8]) -> Result<(), CopyError> {
        if self.directories.contains_key(path) {
            return Ok(());
        }
        let mut missing = vec![path];
        while let Some(above) = missing.last().and_then(|path| tree::parent(path)) {
            if self.directories.contains_key(above) {
                break;
            }
            missing.push(above);
        }
        for path in missing.into_iter().rev() {
            let entry = self.below.and_then(|view| view.lookup(path)).map(|(_, entry)| entry);
            let attributes = match entry.filter(|entry| entry.is_directory()) {
                Some(entry) => Attributes::of_entry(&entry, self.epoch),
                None => return Err(CopyError::NotADirectory { path: shown(path) }),
            };
            self.make_on_disk(path)?;
            self.directories.insert(path.to_vec(), Directory { attributes, hides: false, opaque: false });
        }
        Ok(())
    }

    /// Makes a directory where nothing is, or where something other than a directory was that may go.
    pub fn make(&mut self, path: &[u8], attributes: Attributes) -> Result<(), CopyError> {
        let above = tree::parent(path).unwrap_or_default();
        self.copy_up(above)?;
        // What the upper removed comes back to light below a new directory, unless that is opaque.
        let removed = matches!(self.look_on_disk(path)?, Some(None));
        if removed {
            fs::remove_file(self.on_disk(path)).map_err(|error| CopyError::io("remove", path, error))?;
        }
        let covers = !self.is_new(above)
            && matches!(self.look_below(path), Some(Existing { kind: ItemKind::Directory }));
        self.make_on_disk(path)?;
        let directory = Directory { attributes, hides: true, opaque: covers };
        self.directories.insert(path.to_vec(), directory);
        Ok(())
    }

    /// Sets what a directory of the upper will have.
    pub fn set(&mut self, path: &[u8], change: impl FnOnce(&mut Attributes)) {
        if let Some(directory) = self.directories.get_mut(path) {
            change(&mut directory.attributes);
        }
    }

    /// Hides what is below in a directory of the upper.
    pub fn hide(&mut self, path: &[u8]) {
        if let Some(directory) = self.directories.get_mut(path) {
            (directory.hides, directory.opaque) = (true, true);
        }
    }

    /// Makes room for something that is no directory, and the directory for it. What is there may not be a directory.
    pub fn make_room(&mut self, path: &[u8]) -> Result<(), CopyError> {
        let above = tree::parent(path).unwrap_or_default();
        self.copy_up(above)?;
        let in_upper = match self.directories.contains_key(path) {
            true => Some(Some(Existing { kind: ItemKind::Directory })),
            false => self.look_on_disk(path)?,
        };
        let there = match &in_upper {
            Some(found) => found.clone(),
            None if self.is_new(above) => None,
            None => self.look_below(path),
        };
        match (there, in_upper) {
            (Some(Existing { kind: ItemKind::Directory }), _) => {
                Err(CopyError::OtherOverDirectory { path: shown(path) })
            }
            (_, Some(_)) => self.remove_on_disk(path),
            (_, None) => Ok(()),
        }
    }

    /// Takes away whatever is at a path, so that something else can be there.
    pub fn clear(&mut self, path: &[u8]) -> Result<(), CopyError> {
        let above = tree::parent(path).unwrap_or_default();
        self.copy_up(above)?;
        if self.directories.contains_key(path) {
            let on_disk = self.on_disk(path);
            fs::remove_dir_all(&on_disk).map_err(|error| CopyError::io("remove", path, error))?;
            let inside = [path, b"/"].concat();
            self.directories.retain(|known, _| known != path && !known.starts_with(&inside));
            return Ok(());
        }
        self.remove_on_disk(path)
    }

    fn remove_on_disk(&self, path: &[u8]) -> Result<(), CopyError> {
        match fs::remove_file(self.on_disk(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CopyError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }

    fn make_on_disk(&self, path: &[u8]) -> Result<(), CopyError> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.mode(0o700).create(self.on_disk(path));
        made.map_err(|error| CopyError::io("create", path, error))
    }

    /// Gives every directory its attributes. Nothing may be written afterwards.
    pub fn finish(self) -> Result<(), CopyError> {
        let opaque = self.form.opaque();
        for (path, directory) in &self.directories {
            let on_disk = self.root.join(OsStr::from_bytes(path));
            let marked = match directory.opaque {
                true => set_xattr(&on_disk, opaque.as_bytes(), b"y"),
                false => Ok(()),
            };
            marked
                .and_then(|()| apply_directory(&on_disk, &directory.attributes))
                .map_err(|error| CopyError::io("set attributes of", path, error))?;
        }
        Ok(())
    }
}

fn set_xattr(path: &Path, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty())?)
}
