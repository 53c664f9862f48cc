//! Reading an archive of images as it streams by: what a blob is for may be said only at its end.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;

use super::docker::{self, MANIFEST_FILE};
use super::layout::{INDEX_FILE, LAYOUT_FILE, load_index, parse, read_document};
use super::{ArchiveError, Loaded, failed};
use crate::layer::tar::{TarKind, TarReader};
use crate::layer::{Decompressor, UnpackError, UnpackLimits};
use crate::store::Store;
use crate::tree::components;
use crate::{Descriptor, Digest, ImageIndex};

/// Files in one archive; a large image has a few hundred.
const FILE_LIMIT: u64 = 200_000;

/// What an archive holds, by name.
#[derive(Default)]
pub(super) struct Contents {
    files: HashMap<Vec<u8>, (Digest, u64)>,
    /// Older Dockers write a layer that occurs twice as a link.
    links: HashMap<Vec<u8>, Vec<u8>>,
    index: Option<Vec<u8>>,
    manifest: Option<Vec<u8>>,
    layout: bool,
}

/// Reads an OCI layout or a docker archive, as a tar (compressed or not), into the store.
pub fn load(input: &mut dyn Read, store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    let contents = Contents::read(input, store)?;
    let images = match (&contents.index, &contents.manifest) {
        (Some(index), manifest) if contents.layout => {
            let index = parse::<ImageIndex>(INDEX_FILE, index)?;
            let bring = |descriptor: &Descriptor| Ok(store.has_blob(&descriptor.digest)?);
            let mut images = load_index(&index, store, &bring)?;
            if let Some(manifest) = manifest {
                docker::add_names(
                    &mut images,
                    &parse::<Vec<docker::Entry>>(MANIFEST_FILE, manifest)?,
                    &contents,
                    store,
                )?;
            }
            images
        }
        (_, Some(manifest)) => {
            docker::load(&parse::<Vec<docker::Entry>>(MANIFEST_FILE, manifest)?, &contents, store)?
        }
        _ => return Err(ArchiveError::NoImage),
    };
    Ok(images)
}

impl Contents {
    fn read(input: &mut dyn Read, store: &Store) -> Result<Contents, ArchiveError> {
        let limits = UnpackLimits { entries: FILE_LIMIT, ..UnpackLimits::default() };
        let input = Decompressor::new(input).map_err(UnpackError::Input)?;
        let mut reader = TarReader::new(input, &limits);
        let mut contents = Contents::default();
        while let Some(entry) = reader.next_entry()? {
            let name = key(&entry.name);
            match entry.kind {
                TarKind::File => contents.take(name, &mut reader, store)?,
                TarKind::Symlink => {
                    let directory = crate::tree::parent(&name).unwrap_or_default();
                    let target = key(&[directory, &entry.link].join(&b'/'));
                    contents.links.insert(name, target);
                }
                TarKind::Hardlink => drop(contents.links.insert(name, key(&entry.link))),
                _ => {}
            }
        }
        reader.drain()?;
        Ok(contents)
    }

    fn take(&mut self, name: Vec<u8>, content: &mut dyn Read, store: &Store) -> Result<(), ArchiveError> {
        let document = |name: &str, content: &mut dyn Read| read_document(content, name).map(Some);
        match std::str::from_utf8(&name) {
            Ok(INDEX_FILE) => self.index = document(INDEX_FILE, content)?,
            Ok(MANIFEST_FILE) => self.manifest = document(MANIFEST_FILE, content)?,
            Ok(LAYOUT_FILE) => self.layout = true,
            _ => {
                let mut writer = store.blob_writer()?;
                copy(content, &mut writer)?;
                let (digest, size) = writer.finish()?;
                check_name(&name, &digest)?;
                self.files.insert(name, (digest, size));
            }
        }
        Ok(())
    }

    /// The blob that the archive calls by this name.
    pub(super) fn find(&self, name: &str) -> Result<(Digest, u64), ArchiveError> {
        let mut name = key(name.as_bytes());
        for _ in 0..8 {
            match (self.files.get(&name), self.links.get(&name)) {
                (Some(found), _) => return Ok(*found),
                (None, Some(target)) => name.clone_from(target),
                (None, None) => break,
            }
        }
        Err(ArchiveError::Lacking(String::from_utf8_lossy(&name).into_owned()))
    }
}

/// `blobs/sha256/HEX` must be what it is called. SHA-512 is not known here: such a blob is simply not found later.
fn check_name(name: &[u8], found: &Digest) -> Result<(), ArchiveError> {
    let Some(hex) = name.strip_prefix(b"blobs/sha256/") else { return Ok(()) };
    match found.hex().as_bytes() == hex {
        true => Ok(()),
        false => {
            Err(ArchiveError::WrongDigest { name: String::from_utf8_lossy(name).into_owned(), found: *found })
        }
    }
}

/// A name without `.`, `..` and doubled slashes; it is never used as a path.
fn key(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in components(name) {
        match part {
            b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

fn copy(input: &mut dyn Read, out: &mut dyn Write) -> Result<(), ArchiveError> {
    let mut buffer = vec![0u8; 256 * 1024];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => out.write_all(&buffer[..count]).map_err(failed("write", Path::new("blobs")))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(UnpackError::Input(error).into()),
        }
    }
}
