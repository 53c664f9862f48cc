//! From a layer's directory and index to its tar, and to its compressed blob.
//! (OCI image specification, "Image Layer Filesystem Changeset")

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;

use crate::digest::DigestWriter;
use crate::layer::cursor::{DirCursor, failed};
use crate::layer::tar_write::{Header, pad, write_end, write_header};
use crate::layer::{Compression, Compressor, TreeError};
use crate::tree::path::{file_name, join, parent, shown};
use crate::tree::{Entry, Kind, PathIndex};
use crate::{DiffId, Digest};

/// The diff id of the layer that changes nothing, a tar of two empty blocks; Docker writes the same.
const EMPTY_DIFF_ID: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// Files are read in pieces of this many bytes.
const PIECE: usize = 256 * 1024;

/// Writes the layer's tar: the same index makes the same bytes. Entries come in the order of the index; the root only if
/// it is not an ordinary one (mode 755, owned by root), so that a layer without changes is an empty tar, as Docker's.
pub fn write_tar(directory: &Path, index: &PathIndex, out: &mut dyn Write) -> Result<(), TreeError> {
    let mut cursor = DirCursor::new(directory).map_err(failed("open", b""))?;
    let mut buffer = vec![0u8; if index.is_empty_layer() { 0 } else { PIECE }];
    for entry in index.iter() {
        if entry.path.is_empty()
            && entry == (Entry { kind: entry.kind.clone(), ..Entry::implied_directory(b"") })
        {
            write_opaque(&entry, out)?;
            continue;
        }
        write_entry(&entry, out)?;
        match &entry.kind {
            Kind::File { .. } => copy_file(&mut cursor, &entry, &mut buffer, out)?,
            Kind::Directory { .. } => write_opaque(&entry, out)?,
            _ => {}
        }
    }
    write_end(out).map_err(TreeError::Output)
}

fn write_entry(entry: &Entry, out: &mut dyn Write) -> Result<(), TreeError> {
    let mut name = entry.path.clone();
    let (mut link, mut device) = (&b""[..], (0, 0));
    let type_flag = match &entry.kind {
        Kind::File { .. } => b'0',
        Kind::Hardlink { to } => {
            link = to;
            b'1'
        }
        Kind::Symlink { target } => {
            link = target;
            b'2'
        }
        Kind::CharDevice { major, minor } => {
            device = (*major, *minor);
            b'3'
        }
        Kind::BlockDevice { major, minor } => {
            device = (*major, *minor);
            b'4'
        }
        Kind::Directory { .. } => {
            if name.is_empty() {
                name.push(b'.');
            }
            name.push(b'/');
            b'5'
        }
        Kind::Fifo => b'6',
        Kind::Whiteout => {
            let hidden = [b".wh.", file_name(&entry.path)].concat();
            name = join(parent(&entry.path).unwrap_or_default(), &hidden);
            b'0'
        }
    };
    let Entry { mode, uid, gid, mtime, size, .. } = *entry;
    let header =
        Header { name: &name, type_flag, link, mode, uid, gid, mtime, size, device, xattrs: &entry.xattrs };
    write_header(out, &header).map_err(TreeError::Output)
}

/// The mark of an opaque directory comes right after it, before what is in it.
fn write_opaque(directory: &Entry, out: &mut dyn Write) -> Result<(), TreeError> {
    if directory.kind != (Kind::Directory { opaque: true }) {
        return Ok(());
    }
    // The name of a whiteout for `.wh..opq`, as it happens.
    write_entry(&Entry::whiteout(&join(&directory.path, b".wh..opq")), out)
}

fn copy_file(
    cursor: &mut DirCursor,
    entry: &Entry,
    buffer: &mut [u8],
    out: &mut dyn Write,
) -> Result<(), TreeError> {
    let path = &entry.path;
    if entry.size == 0 {
        return Ok(());
    }
    let mut file = std::fs::File::from(cursor.open(path, OFlags::RDONLY).map_err(failed("open", path))?);
    let mut left = entry.size;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match file.read(&mut buffer[..wanted]) {
            Ok(0) => return Err(TreeError::Changed { path: shown(path) }),
            Ok(count) => {
                out.write_all(&buffer[..count]).map_err(TreeError::Output)?;
                left -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed("read", path)(error)),
        }
    }
    pad(out, entry.size).map_err(TreeError::Output)
}

/// A layer's tar, compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLayer {
    /// Of the tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub digest: Digest,
    /// Bytes of the blob.
    pub size: u64,
}

/// How a layer's tar is compressed.
#[derive(Clone, Copy, Debug)]
pub struct Packing<'a> {
    /// By which method.
    pub compression: Compression,
    /// How hard; `None` is the usual.
    pub level: Option<u32>,
    /// How many threads: they change the time, never the bytes.
    pub threads: usize,
    /// Set by whoever does not want the layer any more. It is looked at with every piece of a file.
    pub stop: &'a AtomicBool,
}

/// Writes the layer's tar, compressed, and knows both digests afterwards: one pass over the files.
///
/// # Errors
/// See [`TreeError`]; [`TreeError::Stopped`] soon after `stop` was set.
pub fn pack_layer(
    directory: &Path,
    index: &PathIndex,
    packing: &Packing<'_>,
    out: &mut dyn Write,
) -> Result<PackedLayer, TreeError> {
    let Packing { compression, level, threads, stop } = *packing;
    let blob = DigestWriter::new(out);
    let compressor = Compressor::new(compression, level, threads, blob).map_err(TreeError::Output)?;
    let mut tar = DigestWriter::new(Stoppable { inner: compressor, stop });
    write_tar(directory, index, &mut tar)
        .map_err(|error| if stop.load(Ordering::Relaxed) { TreeError::Stopped } else { error })?;
    let (Stoppable { inner: compressor, .. }, diff_id, _) = tar.finish();
    let mut blob = compressor.finish().map_err(TreeError::Output)?;
    blob.flush().map_err(TreeError::Output)?;
    let (_, digest, size) = blob.finish();
    Ok(PackedLayer { diff_id: DiffId(diff_id), digest, size })
}

/// Passes writes on until somebody says stop.
struct Stoppable<'a, W> {
    inner: W,
    stop: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(io::Error::other("stopped")),
            false => self.inner.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The diff id of the layer that changes nothing.
pub fn empty_diff_id() -> DiffId {
    EMPTY_DIFF_ID.parse().unwrap_or(DiffId(Digest::of(&[0; 1024])))
}
