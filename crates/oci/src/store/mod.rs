//! The store: blobs, unpacked layers, step results, images and tags, in one directory that several processes share.
//!
//! ```text
//!   blobs/sha256/HEX      everything that a digest names: manifests, configurations, layers' tars, records, logs
//!   layers/HEX/tree       an unpacked layer, an overlay lower      (HEX: its LayerId)
//!   layers/HEX/index      its path index
//!   catalog.sqlite        what there is, what names it, what used it last
//!   running/PROCESS       locked as long as the process lives
//!   work/PROCESS/N        what that process is making
//!   cache/NAME  logs/     whatever callers keep; never needed for an image
//! ```
//! Nothing is ever half-written. A file appears by rename, and the catalog speaks of it after that: what lacks a row when
//! a process was killed is an orphan, and no row lacks its file. Whether the disk has it is another question, which only
//! a machine that goes down asks: `settle` answers it. What a process makes or looks up
//! is leased in the catalog before it touches the file, until the process ends; collection in another process takes
//! rows and files away only under the catalog's write lock, and only what nobody leases.

mod batch;
mod blobs;
mod builds;
mod catalog;
mod downloads;
mod error;
mod gc;
mod images;
mod layers;
mod leases;
mod origins;
mod process;
mod repositories;
mod settle;
mod sizes;
mod steps;
mod verify;
mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::layer::OverlayForm;
use crate::tree::PathIndex;
use crate::{Digest, LayerId};

pub use batch::{Batch, BuildState, NewBuild, NewStep};
pub use blobs::BlobWriter;
pub use downloads::Download;
pub use error::StoreError;
pub use gc::GcReport;
pub use images::{Document, Image, ImageSummary, Tag};
pub use layers::{ImportedLayer, Layer, LayerBlob};
pub use repositories::RepositoryManifest;
pub use steps::CachedStep;
pub use verify::VerifyReport;
pub use work::WorkDir;

use catalog::NewLayerBlob;
use leases::Leases;
use process::Process;

/// A store, open. Shared by the threads of a process; several processes may open the same one.
pub struct Store {
    root: PathBuf,
    form: OverlayForm,
    /// For `syncfs`.
    handle: OwnedFd,
    process: Process,
    /// This run of the machine.
    boot: Option<String>,
    connection: Mutex<Connection>,
    pending: Mutex<Pending>,
    committing: Mutex<()>,
    indexes: Mutex<HashMap<LayerId, Arc<PathIndex>>>,
    leases: Leases,
    sweepers: Mutex<Vec<JoinHandle<()>>>,
    next_work: AtomicU64,
    /// Whether `work/PROCESS` was made.
    has_work: AtomicBool,
}

/// What this process put into the store and no transaction speaks of yet.
#[derive(Clone, Default)]
struct Pending {
    blobs: HashMap<Digest, u64>,
    layers: HashMap<LayerId, (u64, u64)>,
    layer_blobs: Vec<NewLayerBlob>,
    downloads: downloads::PendingDownloads,
}

impl Store {
    /// Opens the store at `root`, or makes one. What dead processes left is removed beside, by a thread: programs that
    /// must fork a helper while they have no threads do so before. `form` must be the one that the store was made with:
    /// root's layers and a user's differ on the disk.
    pub fn open(root: &Path, form: OverlayForm) -> Result<Store, StoreError> {
        Store::open_in(root, form, settle::boot())
    }

    fn open_in(root: &Path, form: OverlayForm, boot: Option<String>) -> Result<Store, StoreError> {
        let handle = process::prepare(root, form)?;
        let process = Process::begin(root)?;
        let connection = catalog::open(root, form)?;
        let store = Store {
            root: root.to_owned(),
            form,
            handle,
            process,
            boot,
            connection: Mutex::new(connection),
            pending: Mutex::default(),
            committing: Mutex::default(),
            indexes: Mutex::default(),
            leases: Leases::default(),
            sweepers: Mutex::default(),
            next_work: AtomicU64::new(0),
            has_work: AtomicBool::new(false),
        };
        store.sweep()?;
        store.recover()?;
        Ok(store)
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How its layers are kept on the disk.
    pub fn form(&self) -> OverlayForm {
        self.form
    }

    /// Where builds' logs are written while they run.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// A directory for something that may vanish at any time: stat caches of contexts, cache mounts. `name` is one
    /// component of a path.
    pub fn cache_dir(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.root.join("cache").join(name);
        std::fs::create_dir_all(&path).map_err(error::io("make", &path))?;
        Ok(path)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked left no transaction behind: dropping one rolls it back.
        self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.root).field("form", &self.form).finish_non_exhaustive()
    }
}
