//! An organisation's certificates as the last layer of a finished image.
//!
//! They go into every bundle that the image has, and into the directories from which distributions make their bundles, so that
//! they survive the next update of those. What the image has not, it is not given. Images that are built on this one do not
//! see the layer: a change of the certificates runs no step again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use oci::config::History;
use oci::record::{Record, Usage, Written};
use oci::tree::Kind;
use oci::{Descriptor, Digest, ImageConfig};

use super::error::StepError;
use super::event::Event;
use super::key::Inputs;
use super::layers::LazyLayer;
use super::secrets::Needles;
use super::snapshot::{Snapshot, shape};
use super::stage::Halt;
use super::trees::CHOSEN;
use super::trust::{Files, bundles, keystore, pem};
use super::world::{StageResult, World};
use crate::plan::PlannedStage;

/// Changes whenever other files are written.
const VERSION: &str = "2";

/// Directories of certificates from which distributions make their bundles, and the ending that files need there.
const ANCHORS: [(&str, &str); 4] = [
    ("/usr/local/share/ca-certificates", "crt"), // Debian, Alpine
    ("/etc/pki/ca-trust/source/anchors", "pem"), // Fedora, RHEL
    ("/etc/pki/trust/anchors", "pem"),           // SUSE
    ("/etc/ca-certificates/trust-source/anchors", "pem"), // Arch
];

/// Keystores of Java outside of its installations.
const KEYSTORES: [&str; 4] = [
    "/etc/ssl/certs/java/cacerts",
    "/etc/pki/ca-trust/extracted/java/cacerts",
    "/etc/pki/java/cacerts",
    "/var/lib/ca-certificates/java-cacerts",
];

/// Directories of Java installations, and such installations.
const JAVAS: [&str; 3] = ["/usr/lib/jvm", "/usr/java", "/opt/java"];

/// What the image's history says of the layer.
const CREATED_BY: &str = "kapok: certificates of the organisation";

/// A file of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NewFile {
    content: Vec<u8>,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl World<'_> {
    /// The layer that makes a finished image trust the organisation; none where nobody asks for one, or where the image has
    /// nothing that it could be put into.
    pub fn certificate_layer(
        &self,
        stage: &PlannedStage,
        result: &StageResult,
    ) -> Result<Option<Arc<LazyLayer>>, Halt> {
        let authorities = pem::certificates(&self.request.finishing.authorities);
        if authorities.is_empty() {
            return Ok(None);
        }
        let mut inputs = Inputs::default();
        inputs.add("action", "certificates");
        inputs.add("version", VERSION);
        inputs.add("parent", self.snapshot_id(&result.layers)?.0.to_string());
        inputs.add("certificates", Digest::of(&authorities.concat()).to_string());
        inputs.add("environment", super::key::list(&stage.config.config.env));
        inputs.add("epoch", stage.epoch.to_string());
        let key = inputs.key();
        let _claim = self.board.claim(&key)?;
        if let Some((found, _)) = self.results.find(&key)? {
            let Some(id) = found.layer else { return Ok(None) };
            if let Some(layer) = self.doors.store.layer(&id)? {
                return Ok(Some(LazyLayer::made(layer)));
            }
        }
        let snapshot = self.snapshot(&result.layers)?;
        let (files, closed) = files(&snapshot, &stage.config.config.env, &authorities);
        for path in closed {
            let message =
                format!("`{path}` is a keystore that cannot be read; the certificates are not in it");
            self.tell(Event::Warning { message, step: None });
        }
        let layer = match files.is_empty() {
            true => None,
            false => Some(self.commit_files(&snapshot, &files, stage.epoch)?),
        };
        self.results.add(&Record {
            instruction: CREATED_BY.to_owned(),
            key,
            parent: snapshot.id(),
            inputs: inputs.into_parts(),
            layer: layer.as_ref().map(|layer| layer.id),
            written: Written {
                files: layer.as_ref().map_or(0, |layer| layer.index.len() as u64),
                bytes: layer.as_ref().map_or(0, |layer| layer.index.total_size()),
            },
            normalised: Vec::new(),
            unreproducible: Vec::new(),
            unobserved: Vec::new(),
            intakes: Vec::new(),
            reads: None,
            log: None,
            usage: Usage::default(),
            limits: BTreeMap::new(),
            source_date_epoch: stage.epoch,
            warnings: Vec::new(),
        })?;
        Ok(layer.map(LazyLayer::made))
    }

    fn commit_files(
        &self,
        snapshot: &Snapshot,
        files: &BTreeMap<String, NewFile>,
        epoch: i64,
    ) -> Result<oci::store::Layer, Halt> {
        let work = snapshot.work_dir(self.doors.store, epoch)?;
        write(snapshot, &work.upper(), files, epoch)
            .map_err(|source| StepError::Io { action: "write the certificates".into(), source })?;
        let none = Needles::default();
        Ok(self.committer(CHOSEN, epoch, &none).commit(work, snapshot.view())?.layer)
    }
}

/// A file of an image by which its programs decide whom they trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustStore {
    /// Where it is, links followed.
    pub path: String,
    /// How many of the certificates it lacks; nothing where it cannot be read.
    pub lacks: Option<usize>,
}

/// The trust stores that are in a snapshot: bundles of the system and of Python, keystores of Java. `authorities` are PEM.
pub fn trust_stores(snapshot: &Snapshot, env: &[String], authorities: &[u8]) -> Vec<TrustStore> {
    let env: Vec<(String, String)> = env
        .iter()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let authorities: BTreeSet<Vec<u8>> = pem::certificates(authorities).into_iter().collect();
    let mut stores: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for path in bundles::lasting(&env, snapshot) {
        let (Some(real), Some(bundle)) = (snapshot.real_path(&path), Files::read(snapshot, &path)) else {
            continue;
        };
        if pem::is_bundle(&bundle) {
            let known: BTreeSet<Vec<u8>> = pem::certificates(&bundle).into_iter().collect();
            stores.insert(real, Some(authorities.iter().filter(|one| !known.contains(*one)).count()));
        }
    }
    for path in keystores(&env, snapshot) {
        let (Some(real), Some(store)) = (snapshot.real_path(&path), Files::read(snapshot, &path)) else {
            continue;
        };
        let lacks =
            |one: &Vec<u8>| keystore::with(&store, std::slice::from_ref(one)).map(|new| new.is_some());
        let lacking: Result<Vec<bool>, keystore::Closed> = authorities.iter().map(lacks).collect();
        stores.insert(real, lacking.ok().map(|all| all.into_iter().filter(|lacks| *lacks).count()));
    }
    stores.into_iter().map(|(path, lacks)| TrustStore { path, lacks }).collect()
}

/// The line of the image's history that stands for the layer.
pub fn history(created: Option<&String>) -> History {
    History { created: created.cloned(), created_by: Some(CREATED_BY.to_owned()), ..History::default() }
}

/// Takes the layer off an image again, if it is its last.
pub fn without(config: &mut ImageConfig, layers: &mut Vec<Descriptor>) {
    let is_last = config.history.last().is_some_and(|last| last.created_by.as_deref() == Some(CREATED_BY));
    if is_last && !layers.is_empty() {
        config.history.pop();
        config.rootfs.diff_ids.pop();
        layers.pop();
    }
}

/// The files of the layer by path, without the first slash, and keystores that cannot be read.
fn files(
    snapshot: &Snapshot,
    env: &[String],
    authorities: &[Vec<u8>],
) -> (BTreeMap<String, NewFile>, Vec<String>) {
    let env: Vec<(String, String)> = env
        .iter()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut files = BTreeMap::new();
    let mut closed = Vec::new();
    for path in bundles::lasting(&env, snapshot) {
        if let Some((path, file)) = changed(snapshot, &path, |old| {
            pem::is_bundle(old).then(|| bundle_with(old, authorities)).flatten()
        }) {
            files.insert(path, file);
        }
    }
    for path in keystores(&env, snapshot) {
        let mut unreadable = false;
        let new = changed(snapshot, &path, |old| match keystore::with(old, authorities) {
            Ok(new) => new,
            Err(keystore::Closed) => {
                unreadable = true;
                None
            }
        });
        files.extend(new);
        if unreadable {
            closed.push(path);
        }
    }
    for (directory, ending) in ANCHORS {
        let Some(real) = snapshot.real_path(directory).filter(|real| is_directory(snapshot, real)) else {
            continue;
        };
        for (number, certificate) in authorities.iter().enumerate() {
            let name = format!("{}/organisation-{}.{ending}", real.trim_start_matches('/'), number + 1);
            let content = pem::write(certificate).into_bytes();
            files.insert(name, NewFile { content, mode: 0o644, uid: 0, gid: 0 });
        }
    }
    (files, closed)
}

/// A bundle with those of the certificates that it lacks; nothing where it lacks none.
fn bundle_with(old: &[u8], authorities: &[Vec<u8>]) -> Option<Vec<u8>> {
    let known: BTreeSet<Vec<u8>> = pem::certificates(old).into_iter().collect();
    let missing: Vec<&Vec<u8>> = authorities.iter().filter(|one| !known.contains(*one)).collect();
    let mut new = old.to_vec();
    if !new.is_empty() && !new.ends_with(b"\n") {
        new.push(b'\n');
    }
    missing.iter().for_each(|one| new.extend(pem::write(one).into_bytes()));
    (!missing.is_empty()).then_some(new)
}

/// A file of the snapshot with other content; nothing where there is no such file, or no other content.
fn changed(
    snapshot: &Snapshot,
    path: &str,
    content: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<(String, NewFile)> {
    let real = snapshot.real_path(path)?.trim_start_matches('/').to_owned();
    let (_, entry) = snapshot.view().lookup(real.as_bytes())?;
    let old = Files::read(snapshot, path)?;
    let content = content(&old)?;
    Some((real, NewFile { content, mode: entry.mode, uid: entry.uid, gid: entry.gid }))
}

fn keystores(env: &[(String, String)], snapshot: &Snapshot) -> Vec<String> {
    let mut homes: Vec<String> =
        env.iter().filter(|(name, _)| name == "JAVA_HOME").map(|(_, home)| home.clone()).collect();
    for directory in JAVAS {
        homes.push(directory.to_owned());
        homes.extend(snapshot.names(directory).iter().map(|name| format!("{directory}/{name}")));
    }
    let inside = homes.iter().flat_map(|home| {
        ["lib/security/cacerts", "jre/lib/security/cacerts"].map(|path| format!("{home}/{path}"))
    });
    KEYSTORES.iter().map(|path| (*path).to_owned()).chain(inside).collect()
}

fn is_directory(snapshot: &Snapshot, path: &str) -> bool {
    let entry = snapshot.view().lookup(path.trim_start_matches('/').as_bytes());
    entry.is_some_and(|(_, entry)| matches!(entry.kind, Kind::Directory { .. }))
}

/// Writes the files into an upper. Directories on the way stay as they are.
fn write(
    snapshot: &Snapshot,
    upper: &Path,
    files: &BTreeMap<String, NewFile>,
    epoch: i64,
) -> std::io::Result<()> {
    let mut directories = BTreeSet::new();
    for (path, file) in files {
        let on_disk = upper.join(path);
        if let Some(above) = on_disk.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(&on_disk, &file.content)?;
        shape(&on_disk, file.mode, file.uid, file.gid, epoch)?;
        let mut above = Path::new(path);
        while let Some(next) = above.parent().filter(|next| !next.as_os_str().is_empty()) {
            directories.insert(next.to_owned());
            above = next;
        }
    }
    // The deepest first, for writing into a directory changes its time.
    for directory in directories.iter().rev() {
        let entry = snapshot.view().lookup(directory.as_os_str().as_bytes()).map(|(_, entry)| entry);
        let (mode, uid, gid, mtime) =
            entry.map_or((0o755, 0, 0, epoch), |entry| (entry.mode, entry.uid, entry.gid, entry.mtime));
        shape(&upper.join(OsStr::new(directory)), mode, uid, gid, mtime)?;
    }
    let root = snapshot.view().lookup(b"").map(|(_, entry)| entry);
    let (mode, uid, gid, mtime) =
        root.map_or((0o755, 0, 0, epoch), |entry| (entry.mode, entry.uid, entry.gid, entry.mtime));
    shape(upper, mode, uid, gid, mtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_gets_what_it_lacks_once() {
        let (one, two) = (vec![0x30, 1, 0], vec![0x30, 1, 1]);
        let old = pem::write(&one);
        let new = bundle_with(old.as_bytes(), &[one.clone(), two.clone()]).unwrap();
        assert_eq!(pem::certificates(&new), [one.clone(), two.clone()]);
        assert_eq!(bundle_with(&new, &[one, two]), None);
    }

    #[test]
    fn the_layer_comes_off_only_where_it_is_the_last() {
        let mut config = ImageConfig::for_platform(&oci::Platform::linux("amd64"));
        let blob = |text: &str| Descriptor::of(oci::descriptor::media_type::OCI_LAYER_GZIP, text.as_bytes());
        let line = |by: &str| History { created_by: Some(by.to_owned()), ..History::default() };
        config.history = vec![line("RUN true"), history(None)];
        config.rootfs.diff_ids =
            ["a", "b"].map(|text| oci::DiffId(Digest::of(text.as_bytes()))).into_iter().collect();
        let mut layers = vec![blob("a"), blob("b")];
        without(&mut config, &mut layers);
        assert_eq!((&layers, config.history.len()), (&vec![blob("a")], 1));
        assert_eq!(config.rootfs.diff_ids, [oci::DiffId(Digest::of(b"a"))]);
        without(&mut config, &mut layers);
        assert_eq!(layers, [blob("a")]);
    }
}
