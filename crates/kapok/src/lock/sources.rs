//! ADD of a URL under a lock.

use std::io::{self, Write};

use build::fetch::{Fetch, FetchError, Fetched};
use oci::Digest;
use oci::lock::{Content, Source, normalised_url};
use oci::store::{BlobWriter, Download, Store};

use super::{LockMode, Locking};

/// Fetches as a lock says, or says what was fetched. Bodies stay in the store.
pub struct LockedFetch<'a> {
    /// The lock.
    pub locking: &'a Locking,
    /// Asks upstreams.
    pub fetch: &'a dyn Fetch,
    /// Has and keeps bodies.
    pub store: &'a Store,
    /// Now, seconds since 1970.
    pub now: i64,
}

impl Fetch for LockedFetch<'_> {
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError> {
        let locked = self.locking.image.sources.get(&normalised_url(url));
        let refused = |reason| FetchError::Refused { url: normalised_url(url), reason };
        match (self.locking.mode, locked) {
            (LockMode::Write, _) => {
                let (fetched, digest) = self.keep(url, out, limit)?;
                let content = Content { digest, size: fetched.size };
                let source =
                    Source { content, modified: fetched.last_modified, name: fetched.file_name.clone() };
                self.locking.took().source(url, source);
                Ok(fetched)
            }
            (_, None) => Err(refused(self.locking.lacking("it"))),
            (_, Some(source)) if self.store.has_blob(&source.content.digest).unwrap_or(false) => {
                self.give(url, source, out)
            }
            (LockMode::Offline, Some(source)) => Err(refused(format!(
                "the store has no copy of it, which the lock names as {}",
                source.content.digest
            ))),
            (LockMode::Locked, Some(source)) => {
                // Bytes that are not the lock's never reach the step.
                let (fetched, digest) = self.keep(url, &mut io::sink(), limit)?;
                let wanted = source.content.digest;
                if digest != wanted {
                    return Err(refused(format!(
                        "it has other bytes ({digest}) than the lock says ({wanted})"
                    )));
                }
                self.give(url, source, out).map(|kept| Fetched { final_url: fetched.final_url, ..kept })
            }
        }
    }
}

impl LockedFetch<'_> {
    /// Fetches, and keeps the body.
    fn keep(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<(Fetched, Digest), FetchError> {
        let sink = |source| FetchError::Sink { url: normalised_url(url), source };
        let body = self.store.blob_writer().map_err(|error| sink(io::Error::other(error)))?;
        let mut both = Both { out, body };
        let fetched = self.fetch.fetch(url, &mut both, limit)?;
        let (digest, size) = both.body.finish().map_err(|error| sink(io::Error::other(error)))?;
        let request = format!("ADD {}", normalised_url(url));
        let answer = serde_json::to_string(&fetched).unwrap_or_default();
        self.store.keep_download(Download { request, digest, size, answer, fetched: self.now });
        Ok((fetched, digest))
    }

    fn give(&self, url: &str, source: &Source, out: &mut dyn Write) -> Result<Fetched, FetchError> {
        let sink = |source| FetchError::Sink { url: normalised_url(url), source };
        let mut body =
            self.store.open_blob(&source.content.digest).map_err(|error| sink(io::Error::other(error)))?;
        let size = io::copy(&mut body, out).map_err(sink)?;
        Ok(Fetched {
            final_url: url.to_owned(),
            size,
            last_modified: source.modified,
            file_name: source.name.clone(),
            ..Fetched::default()
        })
    }
}

/// Writes to whom it is for, and to the store.
struct Both<'a, 's> {
    out: &'a mut dyn Write,
    body: BlobWriter<&'s Store>,
}

impl Write for Both<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.body.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
