//! The files in which images travel: OCI image layouts and Docker's archives.
//!
//! Both are trees of files. Reading takes every file into the store as a blob as it streams by, and only then asks what
//! the documents say; nothing is listed before all that it needs is there and has the digest that it should have.
//! Writing makes the same bytes for the same images. (OCI image specification, "Image Layout")

mod docker;
mod error;
mod index;
mod intake;
mod parts;
mod write;

use std::io::{Read, Write};
use std::path::Path;

pub use error::ArchiveError;

use crate::layer::tar::{TarKind, TarReader};
use crate::layer::{Decompressor, UnpackError, UnpackLimits};
use crate::store::Store;
use crate::tree::path::shown;
use crate::{Digest, Reference};
use intake::Intake;

/// An image that an archive brought into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Manifest or index.
    pub digest: Digest,
    /// The names that the archive gives it, as far as they are whole references.
    pub references: Vec<Reference>,
    /// The names as they stand there: layouts often have a tag alone.
    pub names: Vec<String>,
}

/// One image to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Manifest or index.
    pub digest: Digest,
    /// The names it gets in the archive.
    pub references: Vec<Reference>,
}

/// Reads an OCI layout or a docker archive, as a tar (compressed or not), into the store. Tags are for the caller to set.
///
/// # Errors
/// The archive is damaged, incomplete, or says something else than its digests.
pub fn load(input: &mut dyn Read, store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    let input = Decompressor::new(input).map_err(UnpackError::Input)?;
    let mut reader = TarReader::new(input, &UnpackLimits::default());
    let mut intake = Intake::new(store);
    while let Some(entry) = reader.next_entry()? {
        let name = shown(&entry.name);
        let name = name.trim_start_matches("./");
        match entry.kind {
            TarKind::File => intake.file(name, entry.size, &mut reader)?,
            TarKind::Symlink => intake.link(name, &shown(&entry.link)),
            _ => {}
        }
    }
    reader.drain()?;
    intake.finish()
}

/// Reads an OCI layout that is a directory into the store.
///
/// # Errors
/// The layout is damaged, incomplete, or says something else than its digests.
pub fn load_layout(directory: &Path, store: &Store) -> Result<Vec<Loaded>, ArchiveError> {
    intake::layout(directory, store)
}

/// Writes an OCI layout as a directory; one that is there already is added to.
///
/// # Errors
/// A blob is missing, or the directory cannot be written.
pub fn save_layout(directory: &Path, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    write::layout(directory, images, store)
}

/// Writes an OCI layout as a tar.
///
/// # Errors
/// A blob is missing, or the output cannot be written.
pub fn save_oci(out: &mut dyn Write, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    write::tar(out, images, store)
}

/// Writes a docker archive, which every Docker loads, as a tar. It is an OCI layout as well, unless a layer is in zstd,
/// which Docker before 23 does not read and which is therefore written without compression.
///
/// # Errors
/// A blob is missing, an image is for several platforms, or the output cannot be written.
pub fn save_docker(out: &mut dyn Write, images: &[Export], store: &Store) -> Result<(), ArchiveError> {
    docker::save(out, images, store)
}
