//! Caches that machines share: results of steps, with their records, in a registry or a directory.
//!
//! A cache is an OCI artifact, one manifest under one name:
//!
//! ```text
//!   artifactType   application/vnd.kapok.cache.v1
//!   config         which key led to which record and layer; of each layer its blob, diff id and path index  (Contents)
//!   layers[0]      the records, and what the steps said                                                     (Bundle)
//!   layers[1..]    path indexes and layers, each a blob that is fetched only when somebody needs it
//! ```
//! What a cache says is believed as far as it can be verified: a record by its digest and its key, a path index by the
//! layer's id, a layer by digest and diff id, and by its id once it is unpacked.

mod bundle;
mod contents;
mod export;
mod layout;
mod sources;

use oci::Reference;
use std::path::PathBuf;

pub use export::Exporter;
pub use sources::Sources;

use super::Registries;
use crate::cli::values::CachePlace;
use crate::failure::Failure;

/// Where a cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under a name in a registry.
    Registry(Reference),
    /// In a directory, an OCI layout.
    Directory(PathBuf),
}

impl Place {
    /// What a flag names; paths are relative to `directory`.
    pub fn of(
        flag: &CachePlace,
        registries: &Registries,
        directory: &std::path::Path,
    ) -> Result<Place, Failure> {
        Ok(match flag {
            CachePlace::Registry(name) => Place::Registry(registries.reference(name)?),
            CachePlace::Local(path) => Place::Directory(directory.join(path)),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Registry(reference) => f.write_str(&reference.familiar()),
            Place::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}
