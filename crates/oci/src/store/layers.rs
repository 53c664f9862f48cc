//! Layers: unpacked directories, named by their content, and the blobs that they are or were.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::{OptionalExtension, Row, params};

use super::catalog::{NewLayerBlob, exists, parse};
use super::error::io as failed;
use super::leases::Leased;
use super::{Store, StoreError, WorkDir};
use crate::digest::{Algorithm, DigestReader};
use crate::layer::{
    Compression, Decompressor, Packing, UnpackError, UnpackLimits, index_directory, pack_layer, unpack_tar,
};
use crate::tree::PathIndex;
use crate::{Descriptor, DiffId, LayerId};

/// A layer of the store.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it is.
    pub id: LayerId,
    /// Its directory, an overlay lower; nobody may change it.
    pub directory: PathBuf,
    /// What is in it.
    pub index: Arc<PathIndex>,
}

/// A layer's blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerBlob {
    /// Of the uncompressed tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub descriptor: Descriptor,
}

/// A layer that came as a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedLayer {
    /// What it is, by content.
    pub id: LayerId,
    /// Of the uncompressed tar that the blob holds.
    pub diff_id: DiffId,
}

const LAYER_EXISTS: &str = "SELECT 1 FROM layers WHERE id = ?1";
const LAYER_BLOB: &str = "SELECT digest, layer, diff_id, media_type, size FROM layer_blobs";

impl Store {
    /// Makes the work directory's `upper` a layer; `index` must be what it holds. The same layer twice is one.
    pub fn commit_layer(&self, work: WorkDir, index: PathIndex) -> Result<LayerId, StoreError> {
        let id = index.id();
        let counts = (index.len() as u64, index.total_size());
        self.lease_layer(&id)?;
        if !self.knows_layer(&id)? {
            self.place_layer(&work, &id, &index)?;
            self.pending().layers.insert(id, counts);
        }
        self.indexes.lock().unwrap_or_else(|e| e.into_inner()).insert(id, Arc::new(index));
        Ok(id)
    }

    /// A layer, if it is there. What is found there stays until this process ends.
    pub fn layer(&self, id: &LayerId) -> Result<Option<Layer>, StoreError> {
        let directory = self.layer_path(id).join("tree");
        if let Some(index) = self.indexes.lock().unwrap_or_else(|e| e.into_inner()).get(id) {
            return Ok(Some(Layer { id: *id, directory, index: index.clone() }));
        }
        self.lease_layer(id)?;
        if !self.knows_layer(id)? {
            return Ok(None);
        }
        let path = self.layer_path(id).join("index");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::NoLayer(*id)),
            other => other.map_err(failed("read", &path))?,
        };
        let index = Arc::new(PathIndex::decode(bytes)?);
        self.indexes.lock().unwrap_or_else(|e| e.into_inner()).insert(*id, index.clone());
        Ok(Some(Layer { id: *id, directory, index }))
    }

    /// The blob that [`Store::pack_layer`] made of a layer; never one that was imported, whose tar may have another form:
    /// what is exported must not depend on what the store happened to see before.
    pub fn layer_blob(
        &self,
        id: &LayerId,
        compression: Compression,
        level: Option<u32>,
    ) -> Result<Option<LayerBlob>, StoreError> {
        let own = Some((compression, level.map_or(-1, i64::from)));
        if let Some(blob) =
            self.pending().layer_blobs.iter().find(|blob| blob.layer == *id && blob.own == own)
        {
            return Ok(Some(blob.to_layer_blob()));
        }
        let found = {
            let connection = self.connection();
            let query =
                format!("{LAYER_BLOB} WHERE layer = ?1 AND own = 1 AND compression = ?2 AND level = ?3");
            let mut statement = connection.prepare_cached(&query)?;
            let level = level.map_or(-1, i64::from);
            statement.query_row(params![id.to_string(), compression.name(), level], read_row).optional()?
        };
        let Some(found) = found.map(NewLayerBlob::from_row).transpose()? else { return Ok(None) };
        Ok(self.has_blob(&found.digest)?.then(|| found.to_layer_blob()))
    }

    /// The layer's blob; made now if it is not there yet.
    pub fn pack_layer(
        &self,
        id: &LayerId,
        compression: Compression,
        level: Option<u32>,
        threads: usize,
    ) -> Result<LayerBlob, StoreError> {
        self.pack_layer_unless(id, &Packing { compression, level, threads, stop: &AtomicBool::new(false) })
    }

    /// [`pack_layer`](Self::pack_layer) that ends early, with [`TreeError::Stopped`](crate::layer::TreeError::Stopped),
    /// when somebody says stop.
    pub fn pack_layer_unless(&self, id: &LayerId, packing: &Packing<'_>) -> Result<LayerBlob, StoreError> {
        let Packing { compression, level, .. } = *packing;
        if let Some(blob) = self.layer_blob(id, compression, level)? {
            return Ok(blob);
        }
        let layer = self.layer(id)?.ok_or(StoreError::NoLayer(*id))?;
        let mut writer = self.blob_writer()?;
        let packed = pack_layer(&layer.directory, &layer.index, packing, &mut writer)?;
        let (digest, size) = writer.finish()?;
        debug_assert_eq!((digest, size), (packed.digest, packed.size));
        let blob = NewLayerBlob {
            digest,
            layer: *id,
            diff_id: packed.diff_id,
            media_type: compression.layer_media_type().to_owned(),
            size,
            own: Some((compression, level.map_or(-1, i64::from))),
        };
        let result = blob.to_layer_blob();
        self.pending().layer_blobs.push(blob);
        Ok(result)
    }

    /// The layer that the tar with this diff id holds, if it was unpacked or made here.
    pub fn layer_by_diff_id(&self, diff_id: &DiffId) -> Result<Option<LayerId>, StoreError> {
        let pending =
            self.pending().layer_blobs.iter().find(|blob| blob.diff_id == *diff_id).map(|blob| blob.layer);
        if let Some(layer) = pending {
            return Ok(Some(layer));
        }
        let found = self.find_layer_blob("diff_id", &diff_id.to_string())?;
        self.still_there(found.map(|blob| blob.layer))
    }

    /// The layer that this blob holds, if it was unpacked or made here.
    pub fn layer_by_blob(&self, blob: &crate::Digest) -> Result<Option<ImportedLayer>, StoreError> {
        let pending = self.pending().layer_blobs.iter().find(|known| known.digest == *blob).cloned();
        let found = match pending {
            Some(known) => Some(known),
            None => self.find_layer_blob("digest", &blob.to_string())?,
        };
        let Some(known) = found else { return Ok(None) };
        let id = self.still_there(Some(known.layer))?;
        Ok(id.map(|id| ImportedLayer { id, diff_id: known.diff_id }))
    }

    /// Unpacks a layer's blob, which is in the store, unless that was done before. Digest, and diff id if one is
    /// expected, must be true.
    pub fn import_layer(
        &self,
        blob: &Descriptor,
        expected: Option<&DiffId>,
    ) -> Result<ImportedLayer, StoreError> {
        let check = |found: &DiffId| match expected {
            Some(expected) if expected != found => {
                Err(StoreError::WrongDigest { expected: expected.0, found: found.0 })
            }
            _ => Ok(()),
        };
        if let Some(known) = self.layer_by_blob(&blob.digest)? {
            check(&known.diff_id)?;
            return Ok(known);
        }
        let work = self.work_dir()?;
        let mut raw = DigestReader::new(self.open_blob(&blob.digest)?, blob.digest.algorithm());
        let algorithm = expected.map_or(Algorithm::Sha256, |diff_id| diff_id.0.algorithm());
        let mut tar = DigestReader::new(Decompressor::new(&mut raw).map_err(UnpackError::Input)?, algorithm);
        let index = unpack_tar(&mut tar, &work.upper(), self.form, &UnpackLimits::default())?;
        io::copy(&mut tar, &mut io::sink()).map_err(UnpackError::Input)?;
        let (diff_id, _) = tar.finish();
        io::copy(&mut raw, &mut io::sink()).map_err(UnpackError::Input)?;
        let (found, size) = raw.finish();
        if found != blob.digest {
            return Err(StoreError::WrongDigest { expected: blob.digest, found });
        }
        let diff_id = DiffId(diff_id);
        check(&diff_id)?;
        let id = self.commit_layer(work, index)?;
        let media_type = blob.media_type.clone();
        let row = NewLayerBlob { digest: blob.digest, layer: id, diff_id, media_type, size, own: None };
        self.pending().layer_blobs.push(row);
        Ok(ImportedLayer { id, diff_id })
    }

    /// Where a layer's directory is, or will be once the layer is here.
    pub fn layer_directory(&self, id: &LayerId) -> PathBuf {
        self.layer_path(id).join("tree")
    }

    pub(super) fn layer_path(&self, id: &LayerId) -> PathBuf {
        self.root.join("layers").join(id.0.hex())
    }

    fn lease_layer(&self, id: &LayerId) -> Result<(), StoreError> {
        self.lease(&self.connection(), Leased::Layer, &id.to_string())
    }

    fn knows_layer(&self, id: &LayerId) -> Result<bool, StoreError> {
        if self.pending().layers.contains_key(id) {
            return Ok(true);
        }
        // One whose files somebody took away is none: it is made or unpacked again.
        Ok(exists(&self.connection(), LAYER_EXISTS, &id.to_string())?
            && self.layer_path(id).join("index").exists())
    }

    /// The layer, if it is there and, from now on, stays.
    fn still_there(&self, id: Option<LayerId>) -> Result<Option<LayerId>, StoreError> {
        let Some(id) = id else { return Ok(None) };
        self.lease_layer(&id)?;
        Ok(self.knows_layer(&id)?.then_some(id))
    }

    fn find_layer_blob(&self, column: &str, value: &str) -> Result<Option<NewLayerBlob>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("{LAYER_BLOB} WHERE {column} = ?1"))?;
        statement.query_row([value], read_row).optional()?.map(NewLayerBlob::from_row).transpose()
    }

    /// Moves a finished layer to its place.
    fn place_layer(&self, work: &WorkDir, id: &LayerId, index: &PathIndex) -> Result<(), StoreError> {
        let new = work.path().join("layer");
        fs::create_dir(&new).map_err(failed("make", &new))?;
        fs::write(new.join("index"), index.encode()).map_err(failed("write", &new.join("index")))?;
        fs::rename(work.upper(), new.join("tree")).map_err(failed("move", &work.upper()))?;
        let place = self.layer_path(id);
        loop {
            match fs::rename(&new, &place) {
                Ok(()) => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) => {}
                Err(error) => return Err(failed("move a layer to", &place)(error)),
            }
            // No row speaks of it: another process has just made it, or one died here, or the power failed in between.
            // If it holds what it should, it is the layer.
            if self.knows_layer(id)? || self.holds(&place, index) {
                return Ok(());
            }
            let old = work.path().join("old");
            crate::remove::remove_tree(&old).map_err(failed("remove", &old))?;
            match fs::rename(&place, &old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("move", &place)(error));
                }
                _ => {}
            }
        }
    }

    fn holds(&self, place: &Path, index: &PathIndex) -> bool {
        let same = |file: &mut fs::File| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).is_ok() && bytes == index.encode()
        };
        fs::File::open(place.join("index")).is_ok_and(|mut file| same(&mut file))
            && index_directory(&place.join("tree"), self.form, 2).is_ok_and(|found| found == *index)
    }
}

impl NewLayerBlob {
    fn to_layer_blob(&self) -> LayerBlob {
        let descriptor = Descriptor::new(&self.media_type, self.digest, self.size);
        LayerBlob { diff_id: self.diff_id, descriptor }
    }

    fn from_row((digest, layer, diff_id, media_type, size): RawRow) -> Result<NewLayerBlob, StoreError> {
        let (digest, layer, diff_id) = (parse(digest)?, parse(layer)?, parse(diff_id)?);
        Ok(NewLayerBlob { digest, layer, diff_id, media_type, size: size as u64, own: None })
    }
}

type RawRow = (String, String, String, String, i64);

fn read_row(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::{layer_of, open};
    use super::*;

    #[test]
    fn what_somebody_took_away_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let id = layer_of(&store, &[("file", "content")]);
        let blob = store.put_blob(b"blob").unwrap();
        store.commit(&Batch::default()).unwrap();
        drop(store);
        crate::remove::remove_tree(&directory.path().join("layers").join(id.0.hex())).unwrap();
        fs::remove_file(directory.path().join("blobs/sha256").join(blob.hex())).unwrap();

        let store = open(directory.path());
        assert!(store.layer(&id).unwrap().is_none() && !store.has_blob(&blob).unwrap());
        assert_eq!(layer_of(&store, &[("file", "content")]), id);
        store.put_blob(b"blob").unwrap();
        store.commit(&Batch::default()).unwrap();
        assert!(store.verify(1).unwrap().findings.is_empty());
    }
}
