//! From an archive that anybody may have written to a directory.
//!
//! Whatever the archive says, nothing is written outside the directory: names are taken apart, `..` may not leave, links
//! in the middle of a path are followed in the model of the tree and never by the kernel, and every call goes through a
//! handle on a directory that was reached without following links. What only overlayfs may say is refused or left out.

use std::io::Read;
use std::path::Path;

use crate::layer::tar::{TarEntry, TarKind, TarReader};
use crate::layer::tree_writer::TreeWriter;
use crate::layer::{Decompressor, OverlayForm, UnpackError, keeps_xattr};
use crate::tree::path::{file_name, join, parent, shown};
use crate::tree::{Entry, Kind, PathIndex};

/// What is more than any honest archive holds. There is no limit on the ratio of compression: a layer of zeros is honest
/// and shrinks to a thirty-thousandth; what counts is what it makes on the disk.
#[derive(Clone, Debug)]
pub struct UnpackLimits {
    /// Bytes of the uncompressed archive, and of its files with holes filled.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of one path.
    pub path_length: usize,
    /// Components of one path.
    pub path_depth: usize,
}

/// What names that begin with `.wh.` mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// The archive is an image layer: they delete. (OCI image specification, "Whiteouts")
    Delete,
    /// The archive is any archive: they are files like others.
    Plain,
}

/// How to unpack.
#[derive(Clone, Debug)]
pub struct UnpackOptions {
    /// The form of the directory that is written.
    pub form: OverlayForm,
    /// What `.wh.` names mean.
    pub whiteouts: Whiteouts,
    /// The directory already holds something, which stays unless an entry replaces it.
    pub existing: bool,
    /// A directory in the archive does not replace a symbolic link to a directory: what is in it goes where the link leads.
    pub keep_directory_symlinks: bool,
    /// Every entry gets this owner instead of its own.
    pub owner: Option<(u32, u32)>,
    /// Bounds.
    pub limits: UnpackLimits,
}

/// Unpacks an image layer, compressed or not, into a fresh directory, and reads the archive to its very end.
pub fn unpack_tar(
    input: impl Read,
    directory: &Path,
    form: OverlayForm,
    limits: &UnpackLimits,
) -> Result<PathIndex, UnpackError> {
    unpack(input, directory, &UnpackOptions::layer(form, limits.clone()))
}

/// Unpacks an archive, compressed or not. The index is that of the entries that the archive brought. Of several entries
/// with one name the last counts; a directory on a directory only changes its attributes. Device nodes that may not be
/// made here are in the index all the same.
pub fn unpack(input: impl Read, directory: &Path, options: &UnpackOptions) -> Result<PathIndex, UnpackError> {
    let input = Decompressor::new(input).map_err(UnpackError::Input)?;
    let mut reader = TarReader::new(input, &options.limits);
    let mut writer = TreeWriter::new(directory, options)?;
    while let Some(entry) = reader.next_entry()? {
        take(entry, &mut reader, &mut writer, options)?;
    }
    reader.drain()?;
    writer.finish()
}

/// Takes one entry of an archive to the directory.
fn take(
    entry: TarEntry,
    content: &mut dyn Read,
    writer: &mut TreeWriter<'_>,
    options: &UnpackOptions,
) -> Result<(), UnpackError> {
    let refused = |why| UnpackError::Refused { path: shown(&entry.name), why };
    let path = clean(&entry.name, &options.limits, &refused)?;
    if options.whiteouts == Whiteouts::Delete {
        let aufs = |name: &[u8]| name.starts_with(b".wh..wh.") && name != b".wh..wh..opq";
        // What AUFS, Docker's first driver, kept beside the files. Docker skips it too.
        if path.split(|b| *b == b'/').any(aufs) {
            return Ok(());
        }
        if parent(&path).unwrap_or_default().split(|b| *b == b'/').any(|name| name.starts_with(b".wh.")) {
            return Err(refused("a whiteout is no directory"));
        }
        if let Some(hidden) = file_name(&path).strip_prefix(b".wh.") {
            let directory = writer.directory_for(parent(&path).unwrap_or_default())?;
            return match hidden {
                b".wh..opq" => writer.make_opaque(&directory),
                b"" | b"." | b".." => Err(refused("it hides nothing that could be there")),
                name => writer.hide(&join(&directory, name)),
            };
        }
    }
    let new = new_entry(&entry, &options.limits, options, &refused)?;
    if path.is_empty() {
        return match new.kind {
            // Docker leaves the directory that an archive is added to as it is.
            Kind::Directory { .. } if options.whiteouts == Whiteouts::Plain => Ok(()),
            Kind::Directory { .. } => writer.put_directory(Entry { path, ..new }),
            _ => Err(refused("the root is a directory")),
        };
    }
    let place = join(&writer.directory_for(parent(&path).unwrap_or_default())?, file_name(&path));
    match new.kind {
        Kind::Directory { .. } => writer.put_directory(Entry { path: place, ..new }),
        Kind::Hardlink { ref to } => {
            let target = join(&writer.directory_for_link(parent(to).unwrap_or_default())?, file_name(to));
            match writer.put_link(&place, &target)? {
                true => Ok(()),
                false => Err(refused("it is a link to nothing that the archive brought before")),
            }
        }
        Kind::File { .. } => writer.put_file(Entry { path: place, ..new }, content, entry.sparse),
        _ => writer.put_other(Entry { path: place, ..new }),
    }
}

/// What an entry is to become; its path is set later.
fn new_entry(
    entry: &TarEntry,
    limits: &UnpackLimits,
    options: &UnpackOptions,
    refused: &dyn Fn(&'static str) -> UnpackError,
) -> Result<Entry, UnpackError> {
    let (major, minor) = entry.device;
    let kind = match entry.kind {
        // The digest is known when the content was read.
        TarKind::File => Kind::File { digest: crate::Digest::Sha256([0; 32]) },
        TarKind::Directory => Kind::Directory { opaque: false },
        TarKind::Symlink if entry.link.is_empty() || entry.link.contains(&0) => {
            return Err(refused("it is a symbolic link without a target"));
        }
        TarKind::Symlink => Kind::Symlink { target: entry.link.clone() },
        TarKind::Hardlink => Kind::Hardlink { to: clean(&entry.link, limits, refused)? },
        TarKind::CharDevice if (major, minor) == (0, 0) => {
            return Err(refused("the device 0:0 is overlayfs's own sign for a deleted file"));
        }
        TarKind::CharDevice => Kind::CharDevice { major, minor },
        TarKind::BlockDevice => Kind::BlockDevice { major, minor },
        TarKind::Fifo => Kind::Fifo,
        TarKind::Other(_) => return Err(refused("it is of a type that is not known")),
    };
    let carries_xattrs = matches!(entry.kind, TarKind::File | TarKind::Directory);
    let keeps = |name: &[u8]| {
        carries_xattrs && keeps_xattr(name) && (name != b"security.capability" || entry.kind == TarKind::File)
    };
    let (uid, gid) = options.owner.unwrap_or((entry.uid, entry.gid));
    if uid == u32::MAX || gid == u32::MAX {
        return Err(refused("4294967295 is no user or group"));
    }
    Ok(Entry {
        kind,
        // Linux has no modes of symbolic links.
        mode: if entry.kind == TarKind::Symlink { 0o777 } else { entry.mode },
        uid,
        gid,
        mtime: entry.mtime,
        size: entry.size,
        xattrs: entry.xattrs.iter().filter(|(name, _)| keeps(name)).cloned().collect(),
        ..Entry::implied_directory(b"")
    })
}

/// A name as a path of the tree: absolute names begin at its root, `.` and empty parts go, `..` may not leave.
fn clean(
    name: &[u8],
    limits: &UnpackLimits,
    refused: &dyn Fn(&'static str) -> UnpackError,
) -> Result<Vec<u8>, UnpackError> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or_else(|| refused("it leaves the tree"))?;
            }
            part if part.contains(&0) => return Err(refused("its name has a NUL in it")),
            part => parts.push(part),
        }
        if parts.len() > limits.path_depth {
            return Err(UnpackError::Limit {
                what: "directories in one path",
                limit: limits.path_depth as u64,
            });
        }
    }
    let path = parts.join(&b'/');
    if path.len() > limits.path_length {
        return Err(UnpackError::Limit { what: "bytes in one path", limit: limits.path_length as u64 });
    }
    Ok(path)
}

impl UnpackOptions {
    /// For an image layer.
    pub fn layer(form: OverlayForm, limits: UnpackLimits) -> UnpackOptions {
        UnpackOptions {
            form,
            whiteouts: Whiteouts::Delete,
            existing: false,
            keep_directory_symlinks: false,
            owner: None,
            limits,
        }
    }

    /// For an archive that somebody gave: ADD, a build context on stdin.
    pub fn plain(form: OverlayForm, limits: UnpackLimits) -> UnpackOptions {
        UnpackOptions { whiteouts: Whiteouts::Plain, ..UnpackOptions::layer(form, limits) }
    }
}

impl Default for UnpackLimits {
    fn default() -> UnpackLimits {
        UnpackLimits { bytes: 256 << 30, entries: 8 << 20, path_length: 4095, path_depth: 1024 }
    }
}
