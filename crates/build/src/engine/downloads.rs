//! What ADD downloaded before: asked for again, and sent again only if it changed.
//!
//! A body whose upstream gave it a strong entity tag (RFC 9110, 8.8.3) stays in the store as a blob, with a note beside
//! it. Collection may take the blob at any time; then it is downloaded once more.

use std::io::{self, Write};
use std::path::PathBuf;

use oci::Digest;
use oci::store::{BlobWriter, Store};
use serde::{Deserialize, Serialize};

use crate::fetch::{Fetch, FetchError, Fetched};

/// Fetches through another [`Fetch`], and remembers.
pub struct Downloads<'a> {
    store: &'a Store,
    fetch: &'a dyn Fetch,
    /// Where notes are; none: nothing is remembered.
    notes: Option<PathBuf>,
}

/// What an upstream said about a body, and the body.
#[derive(Serialize, Deserialize)]
struct Note {
    body: Digest,
    fetched: Fetched,
}

impl<'a> Downloads<'a> {
    /// `fresh`: what was downloaded before does not count.
    pub fn new(store: &'a Store, fetch: &'a dyn Fetch, fresh: bool) -> Downloads<'a> {
        let notes = if fresh { None } else { store.cache_dir("downloads").ok() };
        Downloads { store, fetch, notes }
    }

    fn note_path(&self, url: &str) -> Option<PathBuf> {
        Some(self.notes.as_ref()?.join(Digest::of(url.as_bytes()).hex()))
    }

    /// What is known of a URL, if its body is still here; nothing that is wrong with a note is worth a failure.
    fn known(&self, url: &str) -> Option<(Note, String)> {
        let bytes = std::fs::read(self.note_path(url)?).ok()?;
        let note: Note = serde_json::from_slice(&bytes).ok()?;
        let etag = strong(&note.fetched)?.to_owned();
        self.store.has_blob(&note.body).ok()?.then_some((note, etag))
    }

    /// Keeps a body for the next build.
    fn keep(&self, url: &str, fetched: &Fetched, body: BlobWriter<&Store>) -> Option<()> {
        strong(fetched)?;
        let path = self.note_path(url)?;
        let note = Note { body: body.finish().ok()?.0, fetched: fetched.clone() };
        let mut file = tempfile::NamedTempFile::new_in(path.parent()?).ok()?;
        file.write_all(&serde_json::to_vec(&note).ok()?).ok()?;
        file.persist(path).ok().map(drop)
    }
}

impl Fetch for Downloads<'_> {
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError> {
        if self.notes.is_none() {
            return self.fetch.fetch(url, out, limit);
        }
        let mut both = Both { out, body: self.store.blob_writer().ok() };
        let fetched = match self.known(url).filter(|(note, _)| note.fetched.size <= limit) {
            None => self.fetch.fetch(url, &mut both, limit)?,
            Some((note, etag)) => match self.fetch.fetch_unless(url, &etag, &mut both, limit)? {
                Some(changed) => changed,
                None => {
                    let sink = |source| FetchError::Sink { url: url.to_owned(), source };
                    let mut body =
                        self.store.open_blob(&note.body).map_err(|error| sink(io::Error::other(error)))?;
                    io::copy(&mut body, both.out).map_err(sink)?;
                    return Ok(note.fetched);
                }
            },
        };
        if let Some(body) = both.body {
            self.keep(url, &fetched, body);
        }
        Ok(fetched)
    }
}

/// The entity tag, if the same tag means the same bytes.
fn strong(fetched: &Fetched) -> Option<&str> {
    fetched.etag.as_deref().filter(|tag| tag.starts_with('"'))
}

/// Writes to whom it is for, and to the store as long as that works.
struct Both<'a, 's> {
    out: &'a mut dyn Write,
    body: Option<BlobWriter<&'s Store>>,
}

impl Write for Both<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        if let Some(body) = &mut self.body
            && body.write_all(&bytes[..count]).is_err()
        {
            self.body = None;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use oci::layer::OverlayForm;

    use super::*;

    /// An upstream with one body, and what it was asked.
    struct Upstream {
        etag: &'static str,
        body: &'static str,
        asked: Mutex<Vec<String>>,
    }

    impl Upstream {
        fn new(etag: &'static str, body: &'static str) -> Upstream {
            Upstream { etag, body, asked: Mutex::default() }
        }

        fn send(&self, out: &mut dyn Write) -> Fetched {
            out.write_all(self.body.as_bytes()).unwrap();
            let etag = Some(self.etag.to_owned());
            Fetched { size: self.body.len() as u64, etag, last_modified: Some(7), ..Fetched::default() }
        }
    }

    impl Fetch for Upstream {
        fn fetch(&self, _: &str, out: &mut dyn Write, _: u64) -> Result<Fetched, FetchError> {
            self.asked.lock().unwrap().push("all".to_owned());
            Ok(self.send(out))
        }

        fn fetch_unless(
            &self,
            _: &str,
            etag: &str,
            out: &mut dyn Write,
            _: u64,
        ) -> Result<Option<Fetched>, FetchError> {
            self.asked.lock().unwrap().push(format!("unless {etag}"));
            Ok((etag != self.etag).then(|| self.send(out)))
        }
    }

    fn check(store: &Store, upstream: &Upstream, fresh: bool, asked: &str) {
        let mut out = Vec::new();
        let fetched =
            Downloads::new(store, upstream, fresh).fetch("http://localhost/a", &mut out, 100).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), upstream.body);
        assert_eq!((fetched.size, fetched.last_modified), (upstream.body.len() as u64, Some(7)));
        assert_eq!(upstream.asked.lock().unwrap().last().unwrap(), asked);
    }

    #[test]
    fn what_did_not_change_is_not_sent_again() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), OverlayForm::User).unwrap();
        let (old, new) = (Upstream::new("\"1\"", "old"), Upstream::new("\"2\"", "new"));
        check(&store, &old, false, "all");
        check(&store, &old, false, "unless \"1\"");
        check(&store, &old, true, "all");
        check(&store, &new, false, "unless \"1\"");
        check(&store, &new, false, "unless \"2\"");
    }

    #[test]
    fn a_weak_tag_says_nothing_about_bytes() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), OverlayForm::User).unwrap();
        let upstream = Upstream::new("W/\"1\"", "text");
        check(&store, &upstream, false, "all");
        check(&store, &upstream, false, "all");
    }
}
