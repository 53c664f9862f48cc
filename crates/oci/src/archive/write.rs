//! Writing layouts: as a tar, which streams, and as a directory, which is added to.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use super::index::{IMAGE_NAME, REF_NAME, entries};
use super::parts::{Part, parts};
use super::{ArchiveError, Export};
use crate::layer::tar_write::{Header, pad, write_end, write_header};
use crate::manifest::DOCUMENT_LIMIT;
use crate::store::Store;
use crate::{Descriptor, Digest, ImageIndex, Raw};

/// What makes a directory a layout. (OCI image specification, "oci-layout file")
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Where a blob stands in a layout.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// A tar in the making.
pub(super) struct TarOut<'a> {
    out: &'a mut dyn Write,
}

impl<'a> TarOut<'a> {
    pub fn new(out: &'a mut dyn Write) -> TarOut<'a> {
        TarOut { out }
    }

    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.file(name, bytes.len() as u64, &mut &bytes[..])
    }

    pub fn blob(&mut self, blob: &Descriptor, store: &Store) -> Result<(), ArchiveError> {
        let mut file = store.open_blob(&blob.digest)?;
        self.file(&blob_name(&blob.digest), blob.size, &mut file)
    }

    pub fn directory(&mut self, name: &str) -> Result<(), ArchiveError> {
        self.header(name, b'5', 0o755, 0)
    }

    pub fn finish(self) -> Result<(), ArchiveError> {
        write_end(self.out).and_then(|()| self.out.flush()).map_err(ArchiveError::Output)
    }

    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<(), ArchiveError> {
        self.header(name, b'0', 0o644, size)?;
        let copied = io::copy(&mut content.take(size), self.out).map_err(ArchiveError::Output)?;
        if copied != size {
            return Err(ArchiveError::Incomplete(name.to_owned()));
        }
        pad(self.out, size).map_err(ArchiveError::Output)
    }

    fn header(&mut self, name: &str, type_flag: u8, mode: u32, size: u64) -> Result<(), ArchiveError> {
        let header = Header {
            name: name.as_bytes(),
            type_flag,
            link: b"",
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            size,
            device: (0, 0),
            xattrs: &[],
        };
        write_header(self.out, &header).map_err(ArchiveError::Output)
    }
}

/// Writes a layout as a tar.
pub(super) fn tar(out: &mut dyn Write, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    let mut tar = TarOut::new(out);
    write_layout(&mut tar, images, store)?;
    tar.finish()
}

/// Writes a layout's files: the documents first, so that a reader knows early what comes.
pub(super) fn write_layout(
    tar: &mut TarOut<'_>,
    images: &[Export],
    store: &Store,
) -> Result<(), ArchiveError> {
    let mut index = Vec::new();
    for image in images {
        index.extend(entries(image, store)?);
    }
    tar.bytes("oci-layout", OCI_LAYOUT)?;
    tar.bytes("index.json", Raw::write(ImageIndex::new(index.clone())).bytes())?;
    tar.directory("blobs/")?;
    tar.directory("blobs/sha256/")?;
    for blob in blobs(&index, store)? {
        tar.blob(&blob, store)?;
    }
    Ok(())
}

/// Every blob of these images that the store has, each once.
fn blobs(images: &[Descriptor], store: &Store) -> Result<Vec<Descriptor>, ArchiveError> {
    let mut seen = BTreeSet::new();
    let mut blobs = Vec::new();
    let mut add = |blob: &Descriptor| {
        if seen.insert(blob.digest) {
            blobs.push(blob.clone());
        }
    };
    for image in images {
        add(image);
        parts(image, store, &mut |part| {
            match part {
                Part::Layer(layer) if !layer.urls.is_empty() && !store.has_blob(&layer.digest)? => {}
                Part::Document(blob) | Part::Layer(blob) => add(blob),
            }
            Ok(())
        })?;
    }
    Ok(blobs)
}

/// Writes a layout as a directory.
pub(super) fn layout(directory: &Path, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    let mut new = Vec::new();
    for image in images {
        new.extend(entries(image, store)?);
    }
    for blob in blobs(&new, store)? {
        let path = directory.join(blob_name(&blob.digest));
        if fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() == blob.size) {
            continue;
        }
        let mut from = store.open_blob(&blob.digest)?;
        place(&path, &mut |file| io::copy(&mut from, file).map(drop))?;
    }
    place(&directory.join("oci-layout"), &mut |file| file.write_all(OCI_LAYOUT))?;
    let merged = merge(present(directory)?, new);
    let index = Raw::write(ImageIndex::new(merged));
    place(&directory.join("index.json"), &mut |file| file.write_all(index.bytes()))
}

/// The images that a directory has already.
fn present(directory: &Path) -> Result<Vec<Descriptor>, ArchiveError> {
    let path = directory.join("index.json");
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ArchiveError::Io { action: "read", path, source }),
    };
    let mut bytes = Vec::new();
    file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(|source| ArchiveError::Io {
        action: "read",
        path,
        source,
    })?;
    let index = Raw::<ImageIndex>::parse(bytes)
        .map_err(|error| ArchiveError::Malformed(format!("`index.json`: {error}")))?;
    Ok(index.into_parts().1.manifests)
}

/// A name means one image: the new one. An image without a name stays while it is another one.
fn merge(old: Vec<Descriptor>, new: Vec<Descriptor>) -> Vec<Descriptor> {
    let names = |entry: &Descriptor| [IMAGE_NAME, REF_NAME].map(|key| entry.annotations.get(key).cloned());
    let taken: BTreeSet<_> = new.iter().map(names).collect();
    let nameless = [None, None];
    let stays = |entry: &Descriptor| {
        let names = names(entry);
        if names == nameless {
            new.iter().all(|other| other.digest != entry.digest)
        } else {
            !taken.contains(&names)
        }
    };
    let mut merged: Vec<Descriptor> = old.into_iter().filter(stays).collect();
    merged.extend(new);
    merged
}

/// Writes a file aside and renames it into place.
fn place(path: &Path, write: &mut dyn FnMut(&mut fs::File) -> io::Result<()>) -> Result<(), ArchiveError> {
    let failed = |action| {
        let path = path.to_owned();
        move |source| ArchiveError::Io { action, path, source }
    };
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed("create the directory of"))?;
    let mut file = tempfile::Builder::new()
        .prefix(".kapok-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(parent)
        .map_err(failed("write"))?;
    write(file.as_file_mut()).map_err(failed("write"))?;
    file.persist(path).map_err(|error| failed("write")(error.error))?;
    Ok(())
}
