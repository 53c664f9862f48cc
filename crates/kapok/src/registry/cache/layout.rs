//! A cache in a directory: an OCI image layout with one manifest. (OCI image specification, "Image Layout")

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci::store::Store;
use oci::{Descriptor, Digest, ImageIndex, Raw};

use crate::failure::Failure;
use crate::files;

/// The largest document that is read.
const DOCUMENT_LIMIT: u64 = oci::manifest::DOCUMENT_LIMIT;

/// The manifest of the directory's cache; `None` if there is no cache yet.
pub fn manifest(directory: &Path) -> io::Result<Option<Vec<u8>>> {
    let index = match File::open(directory.join("index.json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => read(other?)?,
    };
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let index: ImageIndex = serde_json::from_slice(&index).map_err(|error| wrong(error.to_string()))?;
    let Some(top) = index.manifests.first() else { return Ok(None) };
    let bytes = read(File::open(blob(directory, &top.digest))?)?;
    match Digest::of_with(top.digest.algorithm(), &bytes) == top.digest {
        true => Ok(Some(bytes)),
        false => Err(wrong(format!("its manifest does not have the digest {}", top.digest))),
    }
}

/// Where a blob of the directory is.
pub fn blob(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("blobs").join(digest.algorithm().name()).join(digest.hex())
}

/// Writes a cache: blobs of the store that are not there yet, then what names them. Other blobs stay, for other machines
/// may be reading.
pub fn write(
    directory: &Path,
    manifest: &Descriptor,
    blobs: &[Descriptor],
    store: &Store,
) -> Result<(), Failure> {
    for part in blobs.iter().chain([manifest]) {
        let path = blob(directory, &part.digest);
        if path.metadata().is_ok_and(|there| there.len() == part.size) {
            continue;
        }
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(Failure::file("make", parent))?;
        let mut source = store.open_blob(&part.digest)?;
        files::replace(&path, |out| {
            io::copy(&mut source, out).map(drop).map_err(Failure::file("write", &path))
        })?;
    }
    let index = Raw::write(ImageIndex::new(vec![manifest.clone()]));
    let documents =
        [("oci-layout", &br#"{"imageLayoutVersion":"1.0.0"}"#[..]), ("index.json", index.bytes())];
    for (name, bytes) in documents {
        let path = directory.join(name);
        files::replace(&path, |out: &mut dyn Write| {
            out.write_all(bytes).map_err(Failure::file("write", &path))
        })?;
    }
    Ok(())
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, DOCUMENT_LIMIT), &mut bytes)?;
    Ok(bytes)
}
