//! A snapshot: the ordered layers that a step starts from.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci::store::{Layer, Store, StoreError, WorkDir};
use oci::tree::{Kind, View};
use oci::{LayerId, SnapshotId};

use super::error::StepError;
use crate::copy::users::{self, Identity, UserError};

/// Overlayfs stacks 500 lower directories; one is for the mount points that the image lacks.
pub const MOST_LAYERS: usize = 499;

/// No image has larger files of users and groups in good faith.
const SMALL_FILE: u64 = 16 << 20;

/// Layers from the bottom up, without those that hold nothing.
#[derive(Clone)]
pub struct Snapshot {
    layers: Vec<Layer>,
    files: Arc<crate::copy::Snapshot>,
}

impl Snapshot {
    /// A snapshot of these layers; empty ones are left out, so that they change no key.
    pub fn new(layers: Vec<Layer>) -> Snapshot {
        let layers: Vec<Layer> = layers.into_iter().filter(|layer| !layer.index.is_empty_layer()).collect();
        let files = crate::copy::Snapshot {
            view: View::new(layers.iter().map(|layer| layer.index.clone()).collect()),
            directories: layers.iter().map(|layer| layer.directory.clone()).collect(),
        };
        Snapshot { layers, files: Arc::new(files) }
    }

    /// The snapshot that an image is, its layers unpacked if they are not yet: for `run` and `diff`.
    ///
    /// # Errors
    /// A blob is missing or is not what its descriptor says.
    pub fn of_image(store: &Store, image: &crate::plan::BaseImage) -> Result<Snapshot, StoreError> {
        base_layers(store, image)
    }

    /// The snapshot of layers that a build's report names: for `shell`.
    ///
    /// # Errors
    /// A layer is gone: the store was cleaned since.
    pub fn of_layers(store: &Store, ids: &[LayerId]) -> Result<Snapshot, StoreError> {
        let layers = ids.iter().map(|id| store.layer(id)?.ok_or(StoreError::NoLayer(*id)));
        Ok(Snapshot::new(layers.collect::<Result<_, _>>()?))
    }

    /// Nothing: `FROM scratch`.
    pub fn empty() -> Snapshot {
        Snapshot::new(Vec::new())
    }

    /// This snapshot with one more layer on top.
    pub fn with(&self, layer: Layer) -> Snapshot {
        if layer.index.is_empty_layer() {
            return self.clone();
        }
        let mut layers = self.layers.clone();
        layers.push(layer);
        Snapshot::new(layers)
    }

    /// Its identity, by content.
    pub fn id(&self) -> SnapshotId {
        SnapshotId::of(&self.layer_ids())
    }

    /// The layers' ids, bottom first.
    pub fn layer_ids(&self) -> Vec<LayerId> {
        self.layers.iter().map(|layer| layer.id).collect()
    }

    /// The layers' directories, bottom first.
    pub fn directories(&self) -> Vec<PathBuf> {
        self.files.directories.clone()
    }

    /// The layers, bottom first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What is in it.
    pub fn view(&self) -> &View {
        &self.files.view
    }

    /// What is in it and where, in the form that copying takes.
    pub fn files(&self) -> &Arc<crate::copy::Snapshot> {
        &self.files
    }

    /// Whom a USER means here.
    ///
    /// # Errors
    /// The image's files do not have the name.
    pub fn identity(&self, user: &str) -> Result<Identity, UserError> {
        let read = |path| self.read_small(path, SMALL_FILE).unwrap_or_default();
        users::identity(user, &read("etc/passwd"), &read("etc/group"))
    }

    /// A file of at most so many bytes, links followed inside the snapshot; nothing where there is none.
    pub fn read_small(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let (size, file) = self.file(path)?;
        if size > most { None } else { beginning(&file, most) }
    }

    /// A file's first bytes, links followed inside the snapshot; nothing where there is none.
    pub fn read_beginning(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        beginning(&self.file(path)?.1, most)
    }

    /// Where a path leads when links are followed, if something is there.
    pub fn real_path(&self, path: &str) -> Option<String> {
        let resolved = self.view().resolve(path.as_bytes(), true).ok()?;
        resolved.found?;
        Some(format!("/{}", String::from_utf8(resolved.path).ok()?))
    }

    /// The names in a directory, links followed.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let Ok(resolved) = self.view().resolve(directory.as_bytes(), true) else { return Vec::new() };
        let name = |entry: oci::tree::Entry| {
            let path = String::from_utf8(entry.path).ok()?;
            Some(path.rsplit('/').next()?.to_owned())
        };
        self.view().list(&resolved.path).into_iter().filter_map(|(_, entry)| name(entry)).collect()
    }

    /// The layer that what a path leads to is from.
    pub fn layer_of(&self, path: &str) -> Option<LayerId> {
        let (layer, _) = self.view().resolve(path.as_bytes(), true).ok()?.found?;
        self.layers.get(layer).map(|layer| layer.id)
    }

    /// The size of a file, and where it is.
    fn file(&self, path: &str) -> Option<(u64, PathBuf)> {
        let (layer, entry) = self.view().resolve(path.as_bytes(), true).ok()?.found?;
        let is_file = matches!(entry.kind, Kind::File { .. });
        let directory = self.files.directories.get(layer).filter(|_| is_file)?;
        Some((entry.size, directory.join(OsStr::from_bytes(&entry.path))))
    }

    /// A fresh work directory whose upper has the mode, owner and time that `/` has here.
    pub fn work_dir(&self, store: &Store, epoch: i64) -> Result<WorkDir, StepError> {
        let work = store.work_dir()?;
        let root = self.view().lookup(b"").map(|(_, entry)| entry);
        let (mode, uid, gid, mtime) =
            root.map_or((0o755, 0, 0, epoch), |entry| (entry.mode, entry.uid, entry.gid, entry.mtime));
        shape(&work.upper(), mode, uid, gid, mtime)
            .map_err(|source| StepError::Io { action: "prepare the upper directory".into(), source })?;
        Ok(work)
    }
}

fn beginning(file: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Gives a directory or file its mode, owner and time.
pub fn shape(directory: &Path, mode: u32, uid: u32, gid: u32, mtime: i64) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::symlink_metadata(directory)?;
    if meta.uid() != uid || meta.gid() != gid {
        std::os::unix::fs::chown(directory, Some(uid), Some(gid))?;
    }
    if meta.mode() & 0o7777 != mode {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(mode))?;
    }
    let time = rustix::fs::Timespec { tv_sec: mtime, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, directory, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Brings a base image's layers into the store, unpacked.
///
/// # Errors
/// A blob is missing or is not what its descriptor says.
fn base_layers(store: &Store, image: &crate::plan::BaseImage) -> Result<Snapshot, StoreError> {
    let mut layers = Vec::with_capacity(image.layers.len());
    for (position, descriptor) in image.layers.iter().enumerate() {
        let expected = image.config.rootfs.diff_ids.get(position);
        let known = match store.layer_by_blob(&descriptor.digest)? {
            Some(known) => known,
            None => store.import_layer(descriptor, expected)?,
        };
        layers.push(store.layer(&known.id)?.ok_or(StoreError::NoLayer(known.id))?);
    }
    Ok(Snapshot::new(layers))
}
