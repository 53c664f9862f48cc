//! OCI image layouts. (OCI image specification, "Image Layout")

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::{ArchiveError, Export, Loaded, failed};
use crate::layer::tar_write::{Header, pad, write_end, write_header};
use crate::manifest::DOCUMENT_LIMIT;
use crate::store::{Document, Store, StoreError};
use crate::{Descriptor, Digest, ImageIndex, Raw, Reference};

/// A name within an archive: by the specification a tag, by the habit of some tools a whole reference.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The whole name, as containerd and BuildKit write it.
const IMAGE_NAME: &str = "io.containerd.image.name";
pub(super) const LAYOUT_FILE: &str = "oci-layout";
pub(super) const INDEX_FILE: &str = "index.json";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Reads an OCI layout that is a directory into the store: only what its index speaks of.
pub fn load_layout(directory: &Path, store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    let path = directory.join(INDEX_FILE);
    let index = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ArchiveError::NoImage),
        other => parse::<ImageIndex>(
            INDEX_FILE,
            &read_document(other.map_err(failed("open", &path))?, INDEX_FILE)?,
        )?,
    };
    let bring = |descriptor: &Descriptor| -> Result<bool, ArchiveError> {
        if store.has_blob(&descriptor.digest)? {
            return Ok(true);
        }
        let path = directory.join(blob_name(&descriptor.digest));
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(failed("open", &path))?,
        };
        store.import_blob(&mut file, descriptor)?;
        Ok(true)
    };
    load_index(&index, store, &bring)
}

/// Takes what an index speaks of into the store; `bring` says whether it could bring a blob.
pub(super) fn load_index(
    index: &ImageIndex,
    store: &Store,
    bring: &dyn Fn(&Descriptor) -> Result<bool, ArchiveError>,
) -> Result<Vec<Loaded>, ArchiveError> {
    let mut loaded: Vec<Loaded> = Vec::new();
    for descriptor in &index.manifests {
        load_tree(descriptor, store, bring, 0)?;
        let reference = reference_of(descriptor);
        let names = [IMAGE_NAME, REF_NAME].iter().filter_map(|key| descriptor.annotations.get(*key)).cloned();
        match loaded.iter_mut().find(|known| known.digest == descriptor.digest) {
            Some(known) => {
                known.references.extend(reference);
                known.names.extend(names);
            }
            None => loaded.push(Loaded {
                digest: descriptor.digest,
                references: reference.into_iter().collect(),
                names: names.collect(),
            }),
        }
    }
    Ok(loaded)
}

/// A manifest and what it needs, or an index and those of its manifests that are there.
fn load_tree(
    descriptor: &Descriptor,
    store: &Store,
    bring: &dyn Fn(&Descriptor) -> Result<bool, ArchiveError>,
    depth: usize,
) -> Result<(), ArchiveError> {
    const DEEPEST: usize = 4;
    let lacking = |descriptor: &Descriptor| ArchiveError::Lacking(blob_name(&descriptor.digest));
    if !bring(descriptor)? {
        // Somebody who saves one platform of several leaves the others out.
        return if depth > 0 { Ok(()) } else { Err(lacking(descriptor)) };
    }
    check_size(descriptor, store)?;
    match store.document(&descriptor.digest)? {
        Document::Manifest(manifest) => {
            for part in std::iter::once(&manifest.value().config).chain(&manifest.value().layers) {
                if !bring(part)? {
                    return Err(lacking(part));
                }
                check_size(part, store)?;
            }
        }
        Document::Index(index) if depth < DEEPEST => {
            for manifest in &index.value().manifests {
                load_tree(manifest, store, bring, depth + 1)?;
            }
        }
        Document::Index(_) => {}
    }
    Ok(())
}

fn check_size(descriptor: &Descriptor, store: &Store) -> Result<(), StoreError> {
    let Descriptor { digest, size: expected, .. } = *descriptor;
    match store.blob_size(&digest)? {
        found if found == expected => Ok(()),
        found => Err(StoreError::WrongSize { digest, expected, found }),
    }
}

/// Writes an OCI layout as a directory. One that is there already is added to: a name that it has is taken over.
pub fn save_layout(directory: &Path, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    write_blobs(directory, images, store)?;
    let name = |descriptor: &Descriptor| descriptor.annotations.get(IMAGE_NAME).cloned();
    add_entries(directory, index_entries(images, store)?, &|known, new| {
        name(known).is_some() && name(known) == name(new)
    })
}

/// Writes one image into such a directory, under a name that stands there as it is: mostly a tag. Another image that had
/// the name loses it.
pub fn save_layout_as(
    directory: &Path,
    image: &Digest,
    name: Option<&str>,
    store: &Store,
) -> Result<(), ArchiveError> {
    let images = [Export { digest: *image, references: Vec::new() }];
    write_blobs(directory, &images, store)?;
    let mut entries = index_entries(&images, store)?;
    if let (Some(name), Some(entry)) = (name, entries.first_mut()) {
        entry.annotations.insert(REF_NAME.to_owned(), name.to_owned());
    }
    let tag = |descriptor: &Descriptor| descriptor.annotations.get(REF_NAME).cloned();
    add_entries(directory, entries, &|known, new| tag(known).is_some() && tag(known) == tag(new))
}

fn write_blobs(directory: &Path, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    let blobs = reachable(images, store)?;
    fs::create_dir_all(directory).map_err(failed("make", directory))?;
    for digest in blobs.keys() {
        let path = directory.join(blob_name(digest));
        if path.exists() {
            continue;
        }
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        let temporary = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(parent)
            .map_err(failed("write in", parent))?;
        let mut source = store.open_blob(digest)?;
        // Between two files the kernel copies by itself, or shares the blocks.
        io::copy(&mut source, &mut temporary.as_file()).map_err(failed("write", &path))?;
        place(temporary, &path)?;
    }
    Ok(())
}

/// Adds entries to the index of a layout, in place of those that are the same or have the same name.
fn add_entries(
    directory: &Path,
    entries: Vec<Descriptor>,
    same_name: &dyn Fn(&Descriptor, &Descriptor) -> bool,
) -> Result<(), ArchiveError> {
    let index_path = directory.join(INDEX_FILE);
    let mut index = match File::open(&index_path) {
        Ok(file) => parse(INDEX_FILE, &read_document(file, INDEX_FILE)?)?,
        Err(_) => ImageIndex::new(Vec::new()),
    };
    for descriptor in entries {
        index.manifests.retain(|known| *known != descriptor && !same_name(known, &descriptor));
        index.manifests.push(descriptor);
    }
    for (name, bytes) in [(LAYOUT_FILE, LAYOUT), (INDEX_FILE, Raw::write(index).bytes())] {
        let path = directory.join(name);
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(directory)
            .map_err(failed("write in", directory))?;
        file.write_all(bytes).map_err(failed("write", &path))?;
        place(file, &path)?;
    }
    Ok(())
}

fn place(file: tempfile::NamedTempFile, path: &Path) -> Result<(), ArchiveError> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(file.path(), mode).map_err(failed("write", path))?;
    file.persist(path).map(drop).map_err(|error| failed("write", path)(error.error))
}

/// Writes an OCI layout as a tar. The same images make the same bytes.
pub fn save_oci(out: &mut dyn Write, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    write_layout(out, images, store, &[])
}

/// Writes a layout as a tar, and some more files at its end.
pub(super) fn write_layout(
    out: &mut dyn Write,
    images: &[Export],
    store: &Store,
    more: &[(&str, Vec<u8>)],
) -> Result<(), ArchiveError> {
    let blobs = reachable(images, store)?;
    let mut directories = vec!["blobs/".to_owned()];
    for digest in blobs.keys() {
        let directory = format!("blobs/{}/", digest.algorithm());
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    for directory in &directories {
        write_header(out, &header(directory, b'5', 0)).map_err(ArchiveError::Output)?;
    }
    for (digest, size) in &blobs {
        let mut file = store.open_blob(digest)?.take(*size);
        write_header(out, &header(&blob_name(digest), b'0', *size)).map_err(ArchiveError::Output)?;
        let copied = copy(&mut file, out).map_err(ArchiveError::Output)?;
        if copied != *size {
            return Err(StoreError::WrongSize { digest: *digest, expected: *size, found: copied }.into());
        }
        pad(out, *size).map_err(ArchiveError::Output)?;
    }
    let index = Raw::write(ImageIndex::new(index_entries(images, store)?));
    let files = [(INDEX_FILE, index.bytes()), (LAYOUT_FILE, LAYOUT)];
    for (name, bytes) in files.into_iter().chain(more.iter().map(|(name, bytes)| (*name, &bytes[..]))) {
        write_header(out, &header(name, b'0', bytes.len() as u64)).map_err(ArchiveError::Output)?;
        out.write_all(bytes).map_err(ArchiveError::Output)?;
        pad(out, bytes.len() as u64).map_err(ArchiveError::Output)?;
    }
    write_end(out).and_then(|()| out.flush()).map_err(ArchiveError::Output)
}

fn copy(input: &mut dyn Read, out: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = vec![0u8; 256 * 1024];
    let mut copied = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                out.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn header(name: &str, type_flag: u8, size: u64) -> Header<'_> {
    let mode = if type_flag == b'5' { 0o755 } else { 0o644 };
    let name = name.as_bytes();
    Header { name, type_flag, link: b"", mode, uid: 0, gid: 0, mtime: 0, size, device: (0, 0), xattrs: &[] }
}

/// Every blob that the images need and that is here, with its size; a manifest's parts must be.
fn reachable(images: &[Export], store: &Store) -> Result<BTreeMap<Digest, u64>, ArchiveError> {
    let mut blobs = BTreeMap::new();
    let mut todo: Vec<Digest> = images.iter().map(|image| image.digest).collect();
    while let Some(digest) = todo.pop() {
        if blobs.contains_key(&digest) {
            continue;
        }
        blobs.insert(digest, store.blob_size(&digest)?);
        match store.document(&digest)? {
            Document::Manifest(manifest) => {
                for part in std::iter::once(&manifest.value().config).chain(&manifest.value().layers) {
                    blobs.insert(part.digest, store.blob_size(&part.digest)?);
                }
            }
            Document::Index(index) => {
                for manifest in &index.value().manifests {
                    if store.has_blob(&manifest.digest)? {
                        todo.push(manifest.digest);
                    }
                }
            }
        }
    }
    Ok(blobs)
}

/// The entries of `index.json`: one for each name, or one without.
fn index_entries(images: &[Export], store: &Store) -> Result<Vec<Descriptor>, ArchiveError> {
    let mut entries = Vec::new();
    for image in images {
        let mut descriptor = store.describe(&image.digest)?;
        if let Document::Manifest(_) = store.document(&image.digest)? {
            let found = store.image(&image.digest, &crate::Platform::host())?;
            descriptor.platform = found.map(|image| image.config.value().platform());
        }
        if image.references.is_empty() {
            entries.push(descriptor.clone());
        }
        for reference in &image.references {
            let mut named = descriptor.clone();
            named.annotations.insert(IMAGE_NAME.to_owned(), reference.to_string());
            if let Some(tag) = reference.tag() {
                named.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
            }
            entries.push(named);
        }
    }
    Ok(entries)
}

fn reference_of(descriptor: &Descriptor) -> Option<Reference> {
    let name = |key| descriptor.annotations.get(key);
    if let Some(reference) = name(IMAGE_NAME).and_then(|text| text.parse().ok()) {
        return Some(reference);
    }
    // A bare word is a tag of a name that the archive does not say.
    name(REF_NAME).filter(|text| text.contains([':', '/'])).and_then(|text| text.parse().ok())
}

pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

pub(super) fn read_document(input: impl Read, name: &str) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    input.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(failed("read", Path::new(name)))?;
    if bytes.len() as u64 > DOCUMENT_LIMIT { Err(ArchiveError::TooLarge(name.to_owned())) } else { Ok(bytes) }
}

pub(super) fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|source| ArchiveError::Document { name: name.to_owned(), source })
}
