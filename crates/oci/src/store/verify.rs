//! Verification: everything is read, and compared with what its name says.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;

use super::catalog::{begin, parse};
use super::gc::{column, pairs};
use super::{Document, Store, StoreError};
use crate::causes::in_one_line;
use crate::digest::DigestReader;
use crate::layer::index_directory;
use crate::tree::path::shown;
use crate::tree::{Entry, Kind, PathIndex};
use crate::{Descriptor, Digest, LayerId};

/// What verification found; clean when there is no finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Blobs read.
    pub blobs: u64,
    /// Layers read.
    pub layers: u64,
    /// What is wrong, one line each.
    pub findings: Vec<String>,
    /// Files that belong to nothing; collection removes them.
    pub orphans: Vec<PathBuf>,
}

/// Of one layer, as many differences are named.
const DIFFERENCES: usize = 5;

impl Store {
    /// Reads everything, with this many threads, and compares it with what its names say. What other processes are
    /// making meanwhile is not looked at.
    pub fn verify(&self, threads: usize) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let (blobs, layers) = {
            let connection = self.connection();
            // A write transaction: nobody moves a file while files and rows are compared.
            let transaction = begin(&connection)?;
            report.orphans = self.unowned(&transaction)?;
            check_rows(&transaction, &mut report.findings)?;
            let blobs = pairs(&transaction, "SELECT digest, CAST(size AS TEXT) FROM blobs ORDER BY digest")?;
            let layers = column(&transaction, "SELECT id FROM layers")?;
            (blobs, layers)
        };
        self.check_images(&mut report.findings)?;
        self.check_repositories(&mut report.findings)?;
        report.blobs = blobs.len() as u64;
        report.findings.extend(self.check_blobs(&blobs, threads)?);
        let mut layers: Vec<String> = layers.into_iter().collect();
        layers.sort();
        report.layers = layers.len() as u64;
        for layer in layers {
            report.findings.extend(self.check_layer(&parse(layer)?, threads));
        }
        Ok(report)
    }

    fn check_images(&self, findings: &mut Vec<String>) -> Result<(), StoreError> {
        let images = column(&self.connection(), "SELECT digest FROM images")?;
        let mut images: Vec<String> = images.into_iter().collect();
        images.sort();
        for text in images {
            let named: Vec<Digest> = match self.document(&parse(text.clone())?) {
                Ok(Document::Manifest(manifest)) => {
                    let manifest = manifest.value();
                    std::iter::once(&manifest.config).chain(&manifest.layers).map(|d| d.digest).collect()
                }
                Ok(Document::Index(_)) => Vec::new(),
                Err(error) => {
                    findings.push(format!("image {text}: {}", in_one_line(&error)));
                    continue;
                }
            };
            for blob in named {
                if !self.can_have(&blob)? {
                    findings.push(format!("image {text} lacks its blob {blob}"));
                }
            }
        }
        Ok(())
    }

    /// What the registry keeps must be whole: it told whoever pushed it that it has it.
    fn check_repositories(&self, findings: &mut Vec<String>) -> Result<(), StoreError> {
        let query = "SELECT DISTINCT digest, media_type FROM repository_manifests ORDER BY digest";
        let manifests = pairs(&self.connection(), query)?;
        for (text, media_type) in manifests {
            let digest = parse(text.clone())?;
            if !self.has_blob(&digest)? || !Descriptor::new(&media_type, digest, 0).is_manifest() {
                // Its lack is a finding of its own; an index may speak of images that nobody pushed.
                continue;
            }
            let manifest = match self.document(&digest) {
                Ok(Document::Manifest(manifest)) => manifest,
                Ok(Document::Index(_)) => continue,
                Err(error) => {
                    findings.push(format!("manifest {text}: {}", in_one_line(&error)));
                    continue;
                }
            };
            let manifest = manifest.value();
            let layers = manifest.layers.iter().filter(|layer| !is_elsewhere(layer));
            for part in std::iter::once(&manifest.config).chain(layers) {
                if !self.has_blob(&part.digest)? {
                    findings.push(format!("manifest {text} lacks its blob {}", part.digest));
                }
            }
        }
        Ok(())
    }

    fn check_blobs(&self, blobs: &[(String, String)], threads: usize) -> Result<Vec<String>, StoreError> {
        let digests: Vec<(Digest, &str)> = blobs
            .iter()
            .map(|(digest, size)| Ok((parse(digest.clone())?, &size[..])))
            .collect::<Result<_, StoreError>>()?;
        let next = AtomicUsize::new(0);
        let findings = Mutex::new(Vec::new());
        let work = || {
            while let Some((digest, size)) = digests.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Some(finding) = self.check_blob(digest, size) {
                    findings.lock().unwrap_or_else(|e| e.into_inner()).push(finding);
                }
            }
        };
        std::thread::scope(|scope| {
            (1..threads.clamp(1, digests.len().max(1))).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        let mut findings = findings.into_inner().unwrap_or_else(|e| e.into_inner());
        findings.sort();
        Ok(findings)
    }

    fn check_blob(&self, digest: &Digest, size: &str) -> Option<String> {
        let file = match self.open_blob(digest) {
            Ok(file) => file,
            Err(error) => return Some(format!("blob {digest}: {}", in_one_line(&error))),
        };
        let mut reader = DigestReader::new(file, digest.algorithm());
        let mut buffer = vec![0u8; 256 * 1024];
        loop {
            match io::Read::read(&mut reader, &mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(format!("blob {digest} cannot be read: {error}")),
            }
        }
        let (found, length) = reader.finish();
        if found != *digest {
            return Some(format!("blob {digest} has the digest {found}"));
        }
        (length.to_string() != size)
            .then(|| format!("blob {digest} has {length} bytes, the catalog says {size}"))
    }

    /// Whether a blob's file has the bytes that its name says.
    pub(super) fn is_sound_blob(&self, digest: &Digest) -> bool {
        let size = self.blob_size(digest).map(|size| size.to_string());
        size.is_ok_and(|size| self.check_blob(digest, &size).is_none())
    }

    /// Whether a layer's directory is what its index says, and that what its name says.
    pub(super) fn is_sound_layer(&self, id: &LayerId) -> bool {
        self.check_layer(id, 1).is_empty()
    }

    fn check_layer(&self, id: &LayerId, threads: usize) -> Vec<String> {
        let path = self.layer_path(id);
        let index = match fs::read(path.join("index")) {
            Ok(bytes) if LayerId(Digest::of(&bytes)) == *id => PathIndex::decode(bytes),
            Ok(_) => return vec![format!("layer {id}: its index has another digest")],
            Err(error) => return vec![format!("layer {id}: its index cannot be read: {error}")],
        };
        let index = match index.and_then(|index| index.check().map(|()| index)) {
            Ok(index) => index,
            Err(error) => return vec![format!("layer {id}: {error}")],
        };
        match index_directory(&path.join("tree"), self.form, threads) {
            Ok(found) if found == index => Vec::new(),
            Ok(found) => differences(&index, &found)
                .map(|path| format!("layer {id}: `{path}` is not what its index says"))
                .collect(),
            Err(error) => vec![format!("layer {id}: {}", in_one_line(&error))],
        }
    }
}

/// Paths that differ. Device nodes may lack: not everybody may make them.
fn differences(index: &PathIndex, found: &PathIndex) -> impl Iterator<Item = String> {
    let is_device = |entry: &Entry| matches!(entry.kind, Kind::CharDevice { .. } | Kind::BlockDevice { .. });
    let lacking = index.iter().filter(|entry| match found.get(&entry.path) {
        Some(there) => there != *entry,
        None => !is_device(entry),
    });
    let surplus = found.iter().filter(|entry| !index.contains(&entry.path));
    let paths: Vec<String> =
        lacking.chain(surplus).map(|entry| shown(&entry.path)).take(DIFFERENCES).collect();
    paths.into_iter()
}

/// Layers of Windows, which registries do without.
fn is_elsewhere(layer: &Descriptor) -> bool {
    layer.media_type.contains(".nondistributable.")
        || layer.media_type.contains(".foreign.")
        || !layer.urls.is_empty()
}

/// Rows that speak of what has no row.
fn check_rows(connection: &Connection, findings: &mut Vec<String>) -> Result<(), StoreError> {
    let integrity: HashSet<String> = column(connection, "PRAGMA quick_check")?;
    findings.extend(
        integrity
            .into_iter()
            .filter(|line| line != "ok")
            .map(|line| format!("the catalog is damaged: {line}")),
    );
    for (what, query) in [
        ("the name", "SELECT reference, digest FROM tags WHERE digest NOT IN (SELECT digest FROM images)"),
        (
            "the tag",
            "SELECT repository || ':' || tag, digest FROM repository_tags WHERE NOT EXISTS
             (SELECT 1 FROM repository_manifests AS manifests WHERE manifests.repository = repository_tags.repository
              AND manifests.digest = repository_tags.digest)",
        ),
        (
            "the repository",
            "SELECT repository, digest FROM repository_manifests WHERE digest NOT IN (SELECT digest FROM blobs)",
        ),
        ("the image", "SELECT digest, digest FROM images WHERE digest NOT IN (SELECT digest FROM blobs)"),
        ("the step", "SELECT key, record FROM steps WHERE record NOT IN (SELECT digest FROM blobs)"),
        (
            "the step",
            "SELECT key, layer FROM steps WHERE layer IS NOT NULL AND layer NOT IN (SELECT id FROM layers)",
        ),
        (
            "the layer's blob",
            "SELECT digest, digest FROM layer_blobs WHERE digest NOT IN (SELECT digest FROM blobs)",
        ),
        (
            "the layer's blob",
            "SELECT digest, layer FROM layer_blobs WHERE layer NOT IN (SELECT id FROM layers)",
        ),
    ] {
        for (id, lacking) in pairs(connection, query)? {
            findings.push(format!("{what} {id} speaks of {lacking}, which is not there"));
        }
    }
    findings.sort();
    Ok(())
}
