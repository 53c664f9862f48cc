//! What ADD downloaded before: asked for again, and sent again only if it changed.
//!
//! A body whose upstream gave it a strong entity tag (RFC 9110, 8.8.3) stays among the store's downloads. Collection may
//! take it at any time; then it is downloaded once more.

use std::io::{self, Write};

use oci::Digest;
use oci::store::{BlobWriter, Download, Store};

use crate::fetch::{Fetch, FetchError, Fetched};

/// Fetches through another [`Fetch`], and remembers.
pub struct Downloads<'a> {
    store: &'a Store,
    fetch: &'a dyn Fetch,
    /// Seconds since 1970; none: nothing is remembered.
    now: Option<i64>,
}

impl<'a> Downloads<'a> {
    /// `fresh`: what was downloaded before does not count. `now`: seconds since 1970.
    pub fn new(store: &'a Store, fetch: &'a dyn Fetch, fresh: bool, now: i64) -> Downloads<'a> {
        Downloads { store, fetch, now: (!fresh).then_some(now) }
    }

    /// What is known of a URL, if its body is still here; nothing that is wrong with that is worth a failure.
    fn known(&self, url: &str) -> Option<(Download, Fetched)> {
        let download = self.store.latest_download(&request(url)).ok()??;
        let fetched: Fetched = serde_json::from_str(&download.answer).ok()?;
        strong(&fetched)?;
        Some((download, fetched))
    }

    /// Keeps a body for the next build.
    fn keep(&self, url: &str, fetched: &Fetched, now: i64, body: BlobWriter<&Store>) -> Option<()> {
        strong(fetched)?;
        let (digest, size) = body.finish().ok()?;
        let answer = serde_json::to_string(fetched).ok()?;
        self.store.keep_download(Download { request: request(url), digest, size, answer, fetched: now });
        Some(())
    }
}

/// How the store's downloads call it. The URL may hold a password, so it stands there only as a digest.
fn request(url: &str) -> String {
    format!("ADD {}", Digest::of(url.as_bytes()))
}

impl Fetch for Downloads<'_> {
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError> {
        let Some(now) = self.now else { return self.fetch.fetch(url, out, limit) };
        let mut both = Both { out, body: self.store.blob_writer().ok() };
        let fetched = match self.known(url).filter(|(_, fetched)| fetched.size <= limit) {
            None => self.fetch.fetch(url, &mut both, limit)?,
            Some((download, fetched)) => {
                let etag = fetched.etag.as_deref().unwrap_or_default();
                match self.fetch.fetch_unless(url, etag, &mut both, limit)? {
                    Some(changed) => changed,
                    None => {
                        let sink = |source| FetchError::Sink { url: url.to_owned(), source };
                        let body = self.store.open_blob(&download.digest);
                        let mut body = body.map_err(|error| sink(io::Error::other(error)))?;
                        io::copy(&mut body, both.out).map_err(sink)?;
                        // So that collection knows that it is still of use.
                        self.store.keep_download(Download { fetched: now, ..download });
                        return Ok(fetched);
                    }
                }
            }
        };
        if let Some(body) = both.body {
            self.keep(url, &fetched, now, body);
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

    fn check(store: &Store, upstream: &Upstream, fresh: bool, now: i64, asked: &str) {
        let mut out = Vec::new();
        let fetched =
            Downloads::new(store, upstream, fresh, now).fetch("http://localhost/a", &mut out, 100).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), upstream.body);
        assert_eq!((fetched.size, fetched.last_modified), (upstream.body.len() as u64, Some(7)));
        assert_eq!(upstream.asked.lock().unwrap().last().unwrap(), asked);
    }

    #[test]
    fn what_did_not_change_is_not_sent_again() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), OverlayForm::User).unwrap();
        let (old, new) = (Upstream::new("\"1\"", "old"), Upstream::new("\"2\"", "new"));
        check(&store, &old, false, 1, "all");
        check(&store, &old, false, 2, "unless \"1\"");
        check(&store, &old, true, 3, "all");
        check(&store, &new, false, 4, "unless \"1\"");
        check(&store, &new, false, 5, "unless \"2\"");
    }

    #[test]
    fn a_weak_tag_says_nothing_about_bytes() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), OverlayForm::User).unwrap();
        let upstream = Upstream::new("W/\"1\"", "text");
        check(&store, &upstream, false, 6, "all");
        check(&store, &upstream, false, 7, "all");
    }
}
