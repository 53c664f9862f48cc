//! Reading: files become blobs as they stream by, then the documents are asked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{ArchiveError, Loaded, docker, index};
use crate::manifest::DOCUMENT_LIMIT;
use crate::store::Store;
use crate::{Descriptor, Digest};

/// The files of an archive that are read as documents.
const DOCUMENTS: [&str; 3] = ["index.json", "manifest.json", "oci-layout"];

/// Links of a docker archive that are followed until one gives up.
const MOST_LINKS: usize = 8;

/// What an archive has brought so far.
pub(super) struct Intake<'a> {
    pub store: &'a Store,
    documents: BTreeMap<String, Vec<u8>>,
    files: BTreeMap<String, (Digest, u64)>,
    links: BTreeMap<String, String>,
}

impl<'a> Intake<'a> {
    pub fn new(store: &'a Store) -> Intake<'a> {
        Intake { store, documents: BTreeMap::new(), files: BTreeMap::new(), links: BTreeMap::new() }
    }

    /// Takes one file.
    pub fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<(), ArchiveError> {
        if DOCUMENTS.contains(&name) {
            let bytes = read_document(name, size, content)?;
            self.documents.insert(name.to_owned(), bytes);
            return Ok(());
        }
        let mut blob = self.store.blob_writer()?;
        io::copy(content, &mut blob).map_err(|source| ArchiveError::Io {
            action: "store",
            path: name.into(),
            source,
        })?;
        let found = blob.finish()?;
        if let Some(hex) = name.strip_prefix("blobs/sha256/")
            && found.0.hex() != hex
        {
            return Err(ArchiveError::WrongDigest { name: name.to_owned(), found: found.0 });
        }
        self.files.insert(name.to_owned(), found);
        Ok(())
    }

    /// Takes a symbolic link: old docker archives have one for a layer that occurs twice.
    pub fn link(&mut self, name: &str, target: &str) {
        let mut parts: Vec<&str> = name.split('/').collect();
        parts.pop();
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        self.links.insert(name.to_owned(), parts.join("/"));
    }

    /// The blob that a file of the archive became.
    pub fn blob(&self, name: &str) -> Result<(Digest, u64), ArchiveError> {
        let mut at = name.trim_start_matches("./");
        for _ in 0..MOST_LINKS {
            match (self.files.get(at), self.links.get(at)) {
                (Some(found), _) => return Ok(*found),
                (None, Some(target)) => at = target,
                (None, None) => break,
            }
        }
        Err(ArchiveError::Incomplete(name.to_owned()))
    }

    /// Everything is in: what images are there?
    pub fn finish(self) -> Result<Vec<Loaded>, ArchiveError> {
        match (self.documents.get("index.json"), self.documents.get("manifest.json")) {
            (Some(document), _) => index::images(document, self.store),
            (None, Some(document)) => docker::images(document, &self),
            (None, None) => Err(ArchiveError::Malformed(
                "it has neither an `index.json`, as OCI layouts have, nor a `manifest.json`, as docker's archives have"
                    .to_owned(),
            )),
        }
    }
}

/// Reads a layout that is a directory. Only blobs that its documents name, and that the store lacks, are read.
pub(super) fn layout(directory: &Path, store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    let path = directory.join("index.json");
    let io_at = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ArchiveError::Io { action, path, source }
    };
    let mut file = File::open(&path).map_err(io_at("read", &path))?;
    let size = file.metadata().map_err(io_at("read", &path))?.len();
    let document = read_document("index.json", size, &mut file)?;
    index::images_with(&document, store, &|descriptor: &Descriptor| {
        let name = format!("blobs/{}/{}", descriptor.digest.algorithm().name(), descriptor.digest.hex());
        let path = directory.join(&name);
        match File::open(&path) {
            Ok(mut file) => Ok(store.import_blob(&mut file, descriptor)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ArchiveError::Incomplete(name)),
            Err(source) => Err(ArchiveError::Io { action: "read", path, source }),
        }
    })
}

fn read_document(name: &str, size: u64, content: &mut dyn Read) -> Result<Vec<u8>, ArchiveError> {
    if size > DOCUMENT_LIMIT {
        return Err(ArchiveError::Malformed(format!("`{name}` has {size} bytes")));
    }
    let mut bytes = Vec::new();
    content.take(DOCUMENT_LIMIT).read_to_end(&mut bytes).map_err(|source| ArchiveError::Io {
        action: "read",
        path: name.into(),
        source,
    })?;
    Ok(bytes)
}
