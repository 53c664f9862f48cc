//! Blobs: files named by their digest.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Deref;
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::catalog::exists;
use super::error::io as failed;
use super::leases::Leased;
use super::{Store, StoreError};
use crate::digest::{Algorithm, DigestReader, DigestWriter, Hasher};
use crate::{Descriptor, Digest};

/// Documents and logs that are read into memory are no larger; layers are read as files.
const READ_LIMIT: u64 = 64 << 20;

/// Pieces in which blobs are written.
const PIECE: usize = 256 * 1024;

/// A new blob while it is written; it vanishes unless finished. `S` leads to the store: a reference, or an `Arc` for
/// writers that outlive the call that made them.
pub struct BlobWriter<S: Deref<Target = Store>> {
    store: S,
    out: DigestWriter<BufWriter<NamedTempFile>>,
}

impl Store {
    /// Stores some bytes.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.has_blob(&digest)? {
            return Ok(digest);
        }
        let mut file = self.temporary_file()?;
        file.write_all(bytes).map_err(failed("write", file.path()))?;
        self.place_blob(file, digest, bytes.len() as u64)?;
        Ok(digest)
    }

    /// A writer for a blob that is too large for memory, or not known yet.
    pub fn blob_writer(&self) -> Result<BlobWriter<&Store>, StoreError> {
        BlobWriter::new(self)
    }

    /// Takes a blob in, and refuses it unless digest and size are as announced. Nothing is read if it is there already.
    pub fn import_blob(&self, input: &mut dyn Read, announced: &Descriptor) -> Result<(), StoreError> {
        let Descriptor { digest, size, .. } = announced;
        if self.has_blob(digest)? {
            return Ok(());
        }
        let mut file = self.temporary_file()?;
        // One byte more than announced is enough to know that it is too much.
        let mut reader = DigestReader::new(input.take(size.saturating_add(1)), digest.algorithm());
        io::copy(&mut reader, &mut file).map_err(failed("write", file.path()))?;
        let (found, length) = reader.finish();
        if length != *size {
            return Err(StoreError::WrongSize { digest: *digest, expected: *size, found: length });
        }
        if found != *digest {
            return Err(StoreError::WrongDigest { expected: *digest, found });
        }
        self.place_blob(file, *digest, *size)
    }

    /// Whether the blob is there. What is found there stays until this process ends.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        if self.pending().blobs.contains_key(digest) {
            return Ok(true);
        }
        let text = digest.to_string();
        let connection = self.connection();
        if !exists(&connection, "SELECT 1 FROM blobs WHERE digest = ?1", &text)? {
            return Ok(false);
        }
        // The lease may come too late: only a row that is there after it counts.
        self.lease(&connection, Leased::Blob, &text)?;
        // One whose file somebody took away is none: it is made or fetched again.
        Ok(exists(&connection, "SELECT 1 FROM blobs WHERE digest = ?1", &text)?
            && self.blob_path(digest).exists())
    }

    /// Where a blob is, if it is there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// A blob's size in bytes.
    pub fn blob_size(&self, digest: &Digest) -> Result<u64, StoreError> {
        let file = self.open_blob(digest)?;
        Ok(file.metadata().map_err(failed("look at", &self.blob_path(digest)))?.len())
    }

    /// A blob, for reading. Its content is what its name says unless the disk damaged it; `verify` looks.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NoBlob(*digest)),
            other => other.map_err(failed("open", &path)),
        }
    }

    /// A blob of at most 64 MiB, its digest verified.
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        let path = self.blob_path(digest);
        self.open_blob(digest)?.take(READ_LIMIT).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        let mut hasher = Hasher::new(digest.algorithm());
        hasher.update(&bytes);
        match hasher.finish() {
            found if found == *digest => Ok(bytes),
            found => Err(StoreError::WrongDigest { expected: *digest, found }),
        }
    }

    fn temporary_file(&self) -> Result<NamedTempFile, StoreError> {
        let directory = self.process_work()?;
        tempfile::Builder::new()
            .prefix("blob-")
            .tempfile_in(&directory)
            .map_err(failed("write in", &directory))
    }

    /// Gives a written file its name.
    fn place_blob(&self, file: NamedTempFile, digest: Digest, size: u64) -> Result<(), StoreError> {
        // First the lease, then the file: collection never takes away what was just made.
        self.lease(&self.connection(), Leased::Blob, &digest.to_string())?;
        let path = self.blob_path(&digest);
        let temporary = file.into_temp_path();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&temporary, mode).map_err(failed("write", &path))?;
        temporary.persist(&path).map_err(|error| failed("write", &path)(error.error))?;
        self.pending().blobs.insert(digest, size);
        Ok(())
    }
}

impl<S: Deref<Target = Store>> BlobWriter<S> {
    /// A writer into the store.
    pub fn new(store: S) -> Result<BlobWriter<S>, StoreError> {
        Self::with_capacity(store, PIECE)
    }

    /// A writer that holds nothing back: what it took can be read from [`reader`](Self::reader) at once. For callers
    /// that write large pieces.
    pub fn unbuffered(store: S) -> Result<BlobWriter<S>, StoreError> {
        Self::with_capacity(store, 0)
    }

    fn with_capacity(store: S, capacity: usize) -> Result<BlobWriter<S>, StoreError> {
        let out = DigestWriter::new(BufWriter::with_capacity(capacity, store.temporary_file()?));
        Ok(BlobWriter { store, out })
    }

    /// What is written so far, to be read while more is written, and after it is finished or dropped.
    pub fn reader(&self) -> Result<File, StoreError> {
        let file = self.out.get_ref().get_ref();
        file.reopen().map_err(failed("open", file.path()))
    }

    /// Makes the blob; its digest (SHA-256) and its size.
    pub fn finish(self) -> Result<(Digest, u64), StoreError> {
        let (out, digest, size) = self.out.finish();
        debug_assert_eq!(digest.algorithm(), Algorithm::Sha256);
        place(&self.store, out, digest, size)?;
        Ok((digest, size))
    }

    /// The digest (SHA-256) and the size of what was written so far.
    pub fn digest(&self) -> (Digest, u64) {
        self.out.digest()
    }

    /// Makes the blob if it has this digest, of either algorithm; its size. Of other bytes nothing is left.
    pub fn finish_as(self, expected: &Digest) -> Result<u64, StoreError> {
        let (mut out, mut found, size) = self.out.finish();
        if expected.algorithm() != found.algorithm() {
            found =
                digest_again(&mut out, expected.algorithm()).map_err(failed("read", out.get_ref().path()))?;
        }
        if found != *expected {
            return Err(StoreError::WrongDigest { expected: *expected, found });
        }
        place(&self.store, out, found, size)?;
        Ok(size)
    }
}

fn place(store: &Store, out: BufWriter<NamedTempFile>, digest: Digest, size: u64) -> Result<(), StoreError> {
    let file = out.into_inner().map_err(|error| failed("write", &store.root)(error.into_error()))?;
    if store.has_blob(&digest)? { Ok(()) } else { store.place_blob(file, digest, size) }
}

/// The digest of what was written, by another algorithm than the writer's.
fn digest_again(out: &mut BufWriter<NamedTempFile>, algorithm: Algorithm) -> io::Result<Digest> {
    out.flush()?;
    let mut reader = DigestReader::new(out.get_ref().reopen()?, algorithm);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish().0)
}

impl<S: Deref<Target = Store>> Write for BlobWriter<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
