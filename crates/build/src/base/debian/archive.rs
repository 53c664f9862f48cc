//! Getting things out of an archive, each checked before anybody looks into it.
//!
//! The Release file is believed for its signature, an index for its digest in the Release file, a package for its digest
//! in the index. What has a digest is kept in the store as a blob, so it is fetched once for all assemblies.

use super::catalog::Package;
use super::purl::intake;
use super::release::{BadRelease, Listed, Packing, Release};
use super::signature::{Keyring, SignatureError, Verified};
use crate::fetch::{Fetch, FetchError};
use oci::Digest;
use oci::digest::DigestWriter;
use oci::layer::Decompressor;
use oci::record::Intake;
use oci::store::{Store, StoreError};
use std::io::{self, Read, Write};

/// Where the packages of one suite come from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The archive's root, without a slash at its end.
    pub uri: String,
    /// The suite.
    pub suite: String,
    /// Components; at least one.
    pub components: Vec<String>,
    /// Who may have signed it.
    pub keys: Vec<KeyFile>,
    /// Whether the source names its keys (`Signed-By`), or any key counts that apt trusts.
    pub signed_by: bool,
    /// Whether its Release file can run out.
    pub valid_until: ValidUntil,
}

/// What a Release file's `Valid-Until` and future dates are taken for. apt refuses such a file unless told otherwise; a
/// snapshot of an archive has one that has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidUntil {
    /// It is refused.
    Checked,
    /// It is taken: this machine's apt takes everything so.
    Ignored,
    /// It is taken: the source itself says so, and the image's apt is told the same.
    IgnoredBySource,
}

/// A keyring and what its file is called on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The file's path; the image uses its own file of this name if it has one.
    pub path: String,
    /// Its content, binary or armoured.
    pub bytes: Vec<u8>,
}

/// Why something could not be had from an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The Release file is not vouched for.
    #[error("`{url}` cannot be trusted")]
    Signature {
        /// The Release file.
        url: String,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// A keyring cannot be read.
    #[error("keyring `{path}` is of no use")]
    Keyring {
        /// Its file.
        path: String,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The Release file is vouched for, but makes no sense.
    #[error("`{url}` is not a Release file")]
    Release {
        /// The Release file.
        url: String,
        /// Why.
        #[source]
        source: BadRelease,
    },
    /// It is the Release file of another suite.
    #[error("`{url}` is the Release file of `{found}`, not of `{wanted}`")]
    Suite {
        /// The Release file.
        url: String,
        /// What was asked for.
        wanted: String,
        /// What it says.
        found: String,
    },
    /// It ran out.
    #[error("`{url}` was valid until {} only: the mirror is out of date, or somebody keeps updates from us", super::date::Day(*until))]
    Expired {
        /// The Release file.
        url: String,
        /// Seconds since 1970.
        until: i64,
    },
    /// It is dated in the future.
    #[error("`{url}` is dated {}, which is in the future: is the clock right?", super::date::Day(*date))]
    NotYet {
        /// The Release file.
        url: String,
        /// Seconds since 1970.
        date: i64,
    },
    /// The suite has no such index.
    #[error("suite `{suite}` has no packages of component `{component}` for {architecture}")]
    NoIndex {
        /// The suite.
        suite: String,
        /// The component.
        component: String,
        /// Debian's name of the architecture.
        architecture: String,
    },
    /// The bytes are not those that were announced.
    #[error("`{url}` is not what the archive's index says: {what}")]
    Tampered {
        /// What was fetched.
        url: String,
        /// How they differ.
        what: String,
    },
    /// An index is right by its digest, but cannot be unpacked.
    #[error("cannot unpack `{url}`")]
    Unpack {
        /// The index.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A Release file with its detached signature, or both in one.
const RELEASE_LIMIT: u64 = 32 << 20;

/// What an index unpacks to if the Release file does not say; the largest are some hundred megabytes.
const INDEX_LIMIT: u64 = 2 << 30;

/// How often a transfer that breaks is begun again.
const ATTEMPTS: u32 = 3;

/// A verified suite.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Where it is from.
    pub source: Source,
    /// What it holds.
    pub release: Release,
    /// The Release file that was fetched, for the record.
    pub intakes: Vec<Intake>,
}

/// Fetches for one assembly.
pub struct Archive<'a> {
    /// Where bytes come from.
    pub fetch: &'a dyn Fetch,
    /// Where they are kept.
    pub store: &'a Store,
    /// Seconds since 1970: what "expired" is measured by.
    pub now: i64,
    /// Told of every byte that arrives.
    pub arrived: &'a (dyn Fn(u64) + Sync),
}

impl Archive<'_> {
    /// Fetches and verifies a suite's Release file: `InRelease`, or `Release` with `Release.gpg`.
    pub fn suite(&self, source: &Source) -> Result<Suite, ArchiveError> {
        let keyring = keyring(&source.keys)?;
        let base = format!("{}/dists/{}", source.uri, source.suite);
        let mut url = format!("{base}/InRelease");
        let (verified, intakes) = match self.small(&url) {
            Ok((bytes, intake)) => (keyring.verify_inline(&bytes, self.now), vec![intake]),
            Err(error) if error.not_found() => {
                url = format!("{base}/Release");
                let (text, intake) = self.small(&url)?;
                let (signature, beside) = self.small(&format!("{base}/Release.gpg"))?;
                (keyring.verify_detached(&text, &signature, self.now), vec![intake, beside])
            }
            Err(error) => return Err(error.into()),
        };
        let verified =
            verified.map_err(|error| ArchiveError::Signature { url: url.clone(), source: error })?;
        let release = self.accept(source, &url, &verified)?;
        Ok(Suite { source: source.clone(), release, intakes })
    }

    fn accept(&self, source: &Source, url: &str, verified: &Verified) -> Result<Release, ArchiveError> {
        /// What clocks may differ by.
        const SLACK: i64 = 24 * 3600;
        let url = url.to_owned();
        let release = match Release::parse(&verified.text) {
            Ok(release) => release,
            Err(error) => return Err(ArchiveError::Release { url, source: error }),
        };
        if !release.is_named(&source.suite) {
            let found = release.codename.or(release.suite).unwrap_or_default();
            return Err(ArchiveError::Suite { url, wanted: source.suite.clone(), found });
        }
        match release.valid_until {
            _ if source.valid_until != ValidUntil::Checked => {}
            Some(until) if until < self.now => return Err(ArchiveError::Expired { url, until }),
            _ if release.date > self.now + SLACK => {
                return Err(ArchiveError::NotYet { url, date: release.date });
            }
            _ => {}
        }
        Ok(release)
    }

    /// The package indexes of a suite for an architecture, unpacked: one per component, two where packages for every
    /// architecture have an index of their own.
    pub fn indexes(&self, suite: &Suite, architecture: &str) -> Result<Vec<(String, Intake)>, ArchiveError> {
        let release = &suite.release;
        let apart = !release.all_in_each && release.architectures.iter().any(|name| name == "all");
        let mut texts = Vec::new();
        for component in &suite.source.components {
            let path = format!("{component}/binary-{architecture}/Packages");
            let Some(found) = release.packed(&path) else {
                let (suite, component) = (suite.source.suite.clone(), component.clone());
                return Err(ArchiveError::NoIndex {
                    suite,
                    component,
                    architecture: architecture.to_owned(),
                });
            };
            texts.push(self.index(suite, &path, found)?);
            let path = format!("{component}/binary-all/Packages");
            if let Some(found) = release.packed(&path).filter(|_| apart) {
                texts.push(self.index(suite, &path, found)?);
            }
        }
        Ok(texts)
    }

    fn index(
        &self,
        suite: &Suite,
        plain: &str,
        (path, packing, listed): (String, Packing, &Listed),
    ) -> Result<(String, Intake), ArchiveError> {
        let base = format!("{}/dists/{}", suite.source.uri, suite.source.suite);
        let mut url = format!("{base}/{path}");
        if suite.release.by_hash {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let by_hash = format!("{base}/{directory}/by-hash/SHA256/{}", listed.digest.hex());
            match self.blob(&by_hash, &listed.digest, listed.size) {
                Ok(()) => url = by_hash,
                // Mirrors that promise it for another archive's sake do not always have it.
                Err(ArchiveError::Fetch(error)) if error.not_found() => {}
                Err(error) => return Err(error),
            }
        }
        self.blob(&url, &listed.digest, listed.size)?;
        let announced = suite.release.file(plain).map(|listed| listed.size);
        let text = self.unpack(&url, &listed.digest, packing, announced)?;
        Ok((text, Intake { url, digest: Some(listed.digest), size: listed.size, ..Intake::default() }))
    }

    fn unpack(
        &self,
        url: &str,
        blob: &Digest,
        packing: Packing,
        announced: Option<u64>,
    ) -> Result<String, ArchiveError> {
        let failed = |source| ArchiveError::Unpack { url: url.to_owned(), source };
        let file = self.store.open_blob(blob)?;
        let limit = announced.unwrap_or(INDEX_LIMIT).min(INDEX_LIMIT);
        let mut bytes = Vec::with_capacity(usize::try_from(announced.unwrap_or(0).min(limit)).unwrap_or(0));
        let input: Box<dyn Read> = match packing {
            Packing::Plain => Box::new(file),
            _ => Box::new(Decompressor::new(file).map_err(failed)?),
        };
        input.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > limit || announced.is_some_and(|size| size != bytes.len() as u64) {
            return Err(ArchiveError::Tampered {
                url: url.to_owned(),
                what: format!("it unpacks to another size than {limit} bytes"),
            });
        }
        // Descriptions are UTF-8; a byte that is not does not make a package unusable.
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Sees to it that a package file is in the store.
    pub fn package(&self, suite: &Suite, package: &Package) -> Result<Intake, ArchiveError> {
        let url = format!("{}/{}", suite.source.uri, package.path);
        self.blob(&url, &package.digest, package.size)?;
        Ok(intake(url, suite.release.origin.as_deref(), package))
    }

    /// Sees to it that the store has a blob, which a URL has.
    fn blob(&self, url: &str, digest: &Digest, size: u64) -> Result<(), ArchiveError> {
        let mut attempt = 1;
        loop {
            if self.store.has_blob(digest)? {
                return Ok(());
            }
            let mut writer = Counted { inner: self.store.blob_writer()?, arrived: self.arrived };
            match self.fetch.fetch(url, &mut writer, size) {
                Ok(_) => {
                    let (found, length) = writer.inner.finish()?;
                    return check(url, (digest, size), (&found, length));
                }
                Err(FetchError::TooLarge { .. }) => {
                    return Err(ArchiveError::Tampered {
                        url: url.to_owned(),
                        what: format!("it is longer than {size} bytes"),
                    });
                }
                Err(error) if error.retryable() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A file whose digest nobody knows beforehand.
    fn small(&self, url: &str) -> Result<(Vec<u8>, Intake), FetchError> {
        let mut attempt = 1;
        loop {
            let mut writer = DigestWriter::new(Vec::new());
            match self.fetch.fetch(url, &mut writer, RELEASE_LIMIT) {
                Ok(_) => {
                    let (bytes, digest, size) = writer.finish();
                    (self.arrived)(size);
                    return Ok((
                        bytes,
                        Intake { url: url.to_owned(), digest: Some(digest), size, ..Intake::default() },
                    ));
                }
                Err(error) if error.retryable() && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

fn keyring(files: &[KeyFile]) -> Result<Keyring, ArchiveError> {
    let mut keyring = Keyring::default();
    let mut failure =
        Some(ArchiveError::Keyring { path: String::new(), source: SignatureError::EmptyKeyring });
    for file in files {
        match Keyring::parse(&file.bytes) {
            Ok(found) => {
                keyring.add(found);
                failure = None;
            }
            // One that is of use is enough.
            Err(source) => {
                failure = failure.map(|_| ArchiveError::Keyring { path: file.path.clone(), source });
            }
        }
    }
    failure.map_or(Ok(keyring), Err)
}

fn check(url: &str, wanted: (&Digest, u64), found: (&Digest, u64)) -> Result<(), ArchiveError> {
    if wanted == found {
        return Ok(());
    }
    let what = if wanted.1 == found.1 {
        format!("its digest is {}, not {}", found.0, wanted.0)
    } else {
        format!("it has {} bytes, not {}", found.1, wanted.1)
    };
    Err(ArchiveError::Tampered { url: url.to_owned(), what })
}

struct Counted<'a, W> {
    inner: W,
    arrived: &'a (dyn Fn(u64) + Sync),
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        (self.arrived)(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
