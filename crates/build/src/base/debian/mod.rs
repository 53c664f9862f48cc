//! Debian and what is made like it: a base image straight from the signed archive.
//!
//! ```text
//!   Release file ── signature ──> indexes ── digests ──> catalog ── resolve ──> packages
//!     ── fetched and unpacked side by side ──> tree + dpkg's database ── dpkg --configure -a ──> layer
//! ```
//! The set of packages and what dpkg says of them are those of `mmdebstrap --variant=minbase`. No package manager of the
//! machine is needed: the image's own dpkg configures it in a sandbox, without network.

pub mod archive;
pub mod catalog;
pub mod deb;
pub mod deb822;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod signature;
pub mod version;

mod architecture;
mod assemble;
mod configure;
mod database;
mod date;
mod image;
mod purl;
mod sources;
mod tree;

pub use architecture::architecture;
pub use archive::{ArchiveError, KeyFile, Source, ValidUntil};
pub use assemble::FillError;
pub use configure::{ConfigureError, Sandbox};
pub use date::parse as parse_date;
pub use image::store_image;
pub use resolve::ResolveError;

use crate::fetch::Fetch;
use archive::{Archive, Suite};
use assemble::{Filled, Filling};
use catalog::Catalog;
use configure::Configuration;
use oci::layer::{self, Rules};
use oci::record::{Intake, Key, Record};
use oci::store::{Batch, NewStep, Store, StoreError, WorkDir};
use oci::{Digest, ImageConfig, LayerId, Platform, SnapshotId};
use resolve::{Resolved, Selection};
use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

/// What base is wanted.
#[derive(Debug, Clone)]
pub struct Request {
    /// For which platform.
    pub platform: Platform,
    /// The archive's suites: the one that was asked for first, then its updates.
    pub sources: Vec<Source>,
    /// Further packages: `NAME` or `NAME=VERSION`.
    pub include: Vec<String>,
    /// The command as the user gave it, for the image's history.
    pub command: String,
    /// Seconds since 1970: what "expired" is measured by.
    pub now: i64,
    /// Threads for what the processor does.
    pub jobs: usize,
    /// Makes the layer even if the store has one of the same packages.
    pub no_cache: bool,
}

/// A base that was assembled, its layer in the store.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The one layer.
    pub layer: LayerId,
    /// The image's configuration, without diff ids: those come with the layer's blob (see [`store_image`]).
    pub config: ImageConfig,
    /// The packages, by name.
    pub packages: Vec<Installed>,
    /// SOURCE_DATE_EPOCH of the base.
    pub epoch: i64,
    /// What was fetched for it, and how it was made.
    pub record: Record,
    /// The record in the store.
    pub stored_record: Digest,
    /// Whether the store had a layer of the same packages already.
    pub cached: bool,
}

/// A package of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, by Debian's name; `all` for none.
    pub architecture: String,
    /// Of the package file.
    pub digest: Digest,
}

/// How far an assembly is. Sent by several threads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The Release files and indexes are fetched.
    Indexes,
    /// Bytes that arrived, since the last time.
    Arrived(u64),
    /// The packages are known: so many, of so many bytes together.
    Packages {
        /// How many.
        count: usize,
        /// Bytes of their files.
        bytes: u64,
    },
    /// Everything is unpacked, `dpkg` configures.
    Configuring,
    /// The layer is taken into the store.
    Committing,
}

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// No source has the suite.
    #[error("no source was given")]
    NoSource,
    /// Debian has no name for the platform's architecture.
    #[error("Debian has no architecture for platform {0}")]
    Architecture(Platform),
    /// The archive is not reachable, or not to be trusted.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no consistent set of packages.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The packages could not be unpacked.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// The packages could not be configured.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// This machine cannot run programs of the platform.
    #[error("this machine cannot run programs for {platform}, which configuring its packages needs")]
    Foreign {
        /// The platform.
        platform: Platform,
    },
    /// The layer could not be made.
    #[error("cannot make a layer of the base")]
    Layer(#[from] layer::TreeError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Part of the key of a base: what is changed in here changes it.
const METHOD: &str = "debian 1";

/// Packages that a base has without being essential or required.
const ALWAYS: &str = "apt";

/// Assembles a base.
pub fn assemble(
    request: &Request,
    store: &Store,
    sandbox: &dyn Sandbox,
    fetch: &dyn Fetch,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Assembled, BaseError> {
    let begun = Instant::now();
    let architecture =
        architecture(&request.platform).ok_or_else(|| BaseError::Architecture(request.platform.clone()))?;
    progress(Progress::Indexes);
    let archive =
        Archive { fetch, store, now: request.now, arrived: &|bytes| progress(Progress::Arrived(bytes)) };
    let (suites, resolved, intakes) = choose(request, &archive, architecture)?;
    let all = || resolved.system.iter().chain(&resolved.included);
    progress(Progress::Packages { count: all().count(), bytes: all().map(|package| package.size).sum() });

    let inputs = inputs(request, architecture, &suites, &resolved);
    let key = Key(Digest::of(format!("{METHOD}\n{inputs:?}").as_bytes()));
    let cached = if request.no_cache { None } else { store.step(&key)? };
    let found = match cached {
        Some(step) => {
            let read = |layer| store.record(&step.record).map(|record| (layer, record, step.record));
            step.layer.map(read).transpose()?
        }
        None => None,
    };
    let cached = found.is_some();
    let (layer, record, stored_record) = match found {
        Some(found) => found,
        None => {
            let filling =
                Filling { archive: &archive, suites: &suites, resolved: &resolved, jobs: request.jobs };
            let (layer, mut record) = make(request, store, sandbox, &filling, progress)?;
            (record.key, record.inputs) = (key, inputs);
            record.usage.wall_ms = begun.elapsed().as_millis() as u64;
            record.intakes = intakes.into_iter().chain(record.intakes).collect();
            let stored = store.put_record(&record)?;
            let step = NewStep { key, record: stored, layer: Some(layer) };
            store.commit(&Batch { steps: vec![step], ..Batch::default() })?;
            (layer, record, stored)
        }
    };
    let epoch = record.source_date_epoch;
    Ok(Assembled {
        layer,
        config: image::config(request, epoch),
        packages: installed(&resolved),
        epoch,
        record,
        stored_record,
        cached,
    })
}

/// Which packages: from the archive's word, as of now.
fn choose(
    request: &Request,
    archive: &Archive<'_>,
    architecture: &str,
) -> Result<(Vec<Suite>, Resolved, Vec<Intake>), BaseError> {
    if request.sources.is_empty() {
        return Err(BaseError::NoSource);
    }
    let each = |source: &Source| {
        let suite = archive.suite(source)?;
        // Security updates end earlier for some architectures than for others; apt passes over them too.
        let lacking = source.suite != request.sources[0].suite && !suite.release.supports(architecture);
        let indexes = if lacking { Vec::new() } else { archive.indexes(&suite, architecture)? };
        Ok::<_, ArchiveError>((suite, indexes))
    };
    let found = thread::scope(|scope| {
        let threads: Vec<_> =
            request.sources.iter().map(|source| scope.spawn(move || each(source))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    let mut catalog = Catalog::new(architecture);
    let mut intakes = Vec::new();
    for (origin, (suite, indexes)) in found.iter().enumerate() {
        intakes.extend(suite.intakes.iter().cloned());
        for (text, intake) in indexes {
            catalog.add(text, origin);
            intakes.push(intake.clone());
        }
    }
    let selection = Selection { always: vec![ALWAYS.to_owned()], include: request.include.clone() };
    let resolved = resolve::resolve(&catalog, &selection)?;
    drop(catalog);
    Ok((found.into_iter().map(|(suite, _)| suite).collect(), resolved, intakes))
}

/// Makes the layer, and its record without key and inputs.
fn make(
    request: &Request,
    store: &Store,
    sandbox: &dyn Sandbox,
    filling: &Filling<'_>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(LayerId, Record), BaseError> {
    let work = store.work_dir()?;
    let packages = work.path().join("packages");
    let filled = assemble::fill(filling, &work.upper(), &packages)?;
    let name = name(&filling.suites[0]);
    assemble::prepare_apt(&work.upper(), &name, &request.sources)?;
    let epoch = epoch(filling.suites, &filled);
    progress(Progress::Configuring);
    let configuration = Configuration {
        upper: &work.upper(),
        work: &work.work(),
        included: &filling.resolved.included,
        directory: &packages,
        epoch,
    };
    let output = configure::configure(sandbox, &configuration).map_err(|error| match error {
        ConfigureError::Sandbox(crate::sandbox::SandboxError::ExecFormat { .. }) => {
            BaseError::Foreign { platform: request.platform.clone() }
        }
        error => error.into(),
    })?;
    progress(Progress::Committing);
    assemble::give_apt_its_directories(&work.upper())?;
    image::remove_traces(&work.upper());
    let (layer, mut record) = commit(request, store, work, epoch)?;
    record.intakes = filled.intakes;
    record.log = Some(store.put_blob(&output)?);
    Ok((layer, record))
}

fn commit(
    request: &Request,
    store: &Store,
    work: WorkDir,
    epoch: i64,
) -> Result<(LayerId, Record), BaseError> {
    let upper = work.upper();
    let normalised = layer::normalise(&upper, &Rules::default(), epoch, store.form(), &|_| false)?;
    let scanned = layer::scan_directory(&upper, store.form(), request.jobs)?;
    let written =
        oci::record::Written { files: scanned.index.len() as u64, bytes: scanned.index.total_size() };
    let keys = scanned.keys.iter().map(|key| String::from_utf8_lossy(&key.path).into_owned()).collect();
    let layer = store.commit_layer(work, scanned.index)?;
    let record = Record {
        instruction: request.command.clone(),
        key: Key(Digest::of(b"")),
        parent: SnapshotId::of(&[]),
        layer: Some(layer),
        written,
        normalised,
        unreproducible: keys,
        source_date_epoch: epoch,
        inputs: BTreeMap::new(),
        unobserved: Vec::new(),
        intakes: Vec::new(),
        reads: None,
        log: None,
        usage: oci::record::Usage::default(),
        limits: BTreeMap::new(),
        warnings: Vec::new(),
    };
    Ok((layer, record))
}

/// What the file with the image's sources is called: after the distribution, as in its own images.
fn name(suite: &Suite) -> String {
    let origin = suite.release.origin.as_deref().unwrap_or_default().to_ascii_lowercase();
    let name: String = origin.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    if name.is_empty() { "archive".to_owned() } else { name }
}

/// What a base depends on, by name: the same inputs make the same layer.
fn inputs(
    request: &Request,
    architecture: &str,
    suites: &[Suite],
    resolved: &Resolved,
) -> BTreeMap<String, String> {
    let mut inputs = BTreeMap::from([("architecture".to_owned(), architecture.to_owned())]);
    for (number, (source, suite)) in request.sources.iter().zip(suites).enumerate() {
        let keys: Vec<String> =
            source.keys.iter().map(|key| format!("{}={}", key.path, Digest::of(&key.bytes))).collect();
        let flags = (source.signed_by, source.valid_until == ValidUntil::IgnoredBySource);
        let said = format!(
            "{} {} {} {} {flags:?}",
            source.uri,
            source.suite,
            source.components.join(","),
            keys.join(",")
        );
        inputs.insert(format!("source {number}"), said);
        if number == 0 {
            inputs.insert("release date".to_owned(), suite.release.date.to_string());
        }
    }
    for (kind, packages) in [("system", &resolved.system), ("included", &resolved.included)] {
        for package in packages {
            let said = format!("{} {} {}", package.version, package.architecture, package.digest);
            inputs.insert(format!("{kind} {}", package.name), said);
        }
    }
    inputs
}

/// The date of the suite that was asked for; later if a package is later than that, which those of the suite's updates
/// may be. So the base of a stable suite changes with its packages and not with the hour at which somebody signed its
/// updates anew. Never later than the archive itself says it is.
fn epoch(suites: &[Suite], filled: &Filled) -> i64 {
    let latest = suites.iter().map(|suite| suite.release.date).max().unwrap_or(0);
    let first = suites.first().map_or(0, |suite| suite.release.date);
    filled.newest.min(latest).max(first)
}

fn installed(resolved: &Resolved) -> Vec<Installed> {
    let mut packages: Vec<Installed> = resolved
        .system
        .iter()
        .chain(&resolved.included)
        .map(|package| Installed {
            name: package.name.clone(),
            version: package.version.to_string(),
            architecture: package.architecture.clone(),
            digest: package.digest,
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

#[cfg(test)]
mod tests;
