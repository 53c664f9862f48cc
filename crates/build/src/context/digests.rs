//! Content digests of a context's files: from the stat cache, else by reading, with several threads.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use oci::Digest;
use sha2::{Digest as _, Sha256};

use super::{Context, ContextError, Node, NodeKind, io_error};

/// Bytes for one `read`.
const BUFFER: usize = 128 << 10;

impl Context {
    /// The digests of these files' content, in the same order.
    pub fn digests<P: AsRef<[u8]> + Sync>(&self, files: &[(P, Node)]) -> Result<Vec<Digest>, ContextError> {
        let mut digests: Vec<Option<Digest>> = {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            let mut known = |node: &Node| match node.kind {
                // Cannot be read, and has nothing to be read.
                NodeKind::Socket => Some(Digest::of(b"")),
                _ => cache.get(&node.stamp),
            };
            files.iter().map(|(_, node)| known(node)).collect()
        };
        let unknown: Vec<usize> = (0..files.len()).filter(|&at| digests[at].is_none()).collect();
        let read = self.read_all(files, &unknown)?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, digest) in unknown.into_iter().zip(read) {
            cache.insert(files[at].1.stamp, digest);
            digests[at] = Some(Digest::Sha256(digest));
        }
        Ok(digests.into_iter().flatten().collect())
    }

    fn read_all<P: AsRef<[u8]> + Sync>(
        &self,
        files: &[(P, Node)],
        wanted: &[usize],
    ) -> Result<Vec<[u8; 32]>, ContextError> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![[0; 32]; wanted.len()]);
        let failed = Mutex::new(None);
        let work = || {
            let mut buffer = vec![0; BUFFER];
            loop {
                let position = next.fetch_add(1, Ordering::Relaxed);
                let Some(&at) = wanted.get(position) else { return };
                let (path, node) = &files[at];
                match self.read_one(path.as_ref(), node, &mut buffer) {
                    Ok(digest) => results.lock().unwrap_or_else(PoisonError::into_inner)[position] = digest,
                    Err(error) => {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        next.store(wanted.len(), Ordering::Relaxed);
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.threads.max(1).min(wanted.len()) {
                scope.spawn(work);
            }
            work();
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn read_one(&self, path: &[u8], node: &Node, buffer: &mut [u8]) -> Result<[u8; 32], ContextError> {
        let mut file = self.open_file(path)?;
        let digest = hash(&mut file, buffer).map_err(|source| io_error("read", path, source))?;
        self.check_unchanged(path, node, &file)?;
        Ok(digest)
    }
}

fn hash(file: &mut File, buffer: &mut [u8]) -> std::io::Result<[u8; 32]> {
    let mut state = Sha256::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(state.finalize().into()),
            Ok(count) => state.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
