//! `kapok.lock`: what the images of a project are made of, one line a thing, to be reviewed in a diff.
//!
//! ```text
//! # kapok.lock 1
//! # What the images are made of. `kapok build --lock` writes it, `kapok build --locked` takes nothing else.
//!
//! image app
//! base docker.io/library/debian:bookworm linux/amd64 sha256:1f2e…
//! add https://example.org/tool.tgz sha256:77aa… 81920 2024-01-31T12:00:00Z
//! commit https://example.org/tool.git refs/heads/main 3f1c…
//! index https://packages.example.org/debian/dists/bookworm/InRelease sha256:9c0d… 151082
//! package https://packages.example.org/debian/pool/c/curl_7.88_amd64.deb sha256:04be… 315652 pkg:deb/debian/curl@7.88?arch=amd64
//! file https://example.org/setup.sh sha256:aa01… 410
//! answer https://example.org/api POST 200 sha256:bb02… 12 for=5d41402abc4b2a76
//! ```
//!
//! An image's lines stand together and say all of it, so that images are locked and merged one by one. Within an image
//! lines are sorted, and the same content is always the same text. There is no clock and no file here: text in, text out.

mod error;
mod parse;
mod render;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::record::{Intake, Verdict};
use crate::{Digest, Platform};

pub use error::LockError;
pub use request::{RequestKey, names_somebody, normalised_url, without_secrets};

/// The version of the format that this reads and writes.
pub const VERSION: u32 = 1;

/// The usual name of the file.
pub const FILE_NAME: &str = "kapok.lock";

/// What the images of a project are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By the image's name, or by the path of its Dockerfile where it has none.
    pub images: BTreeMap<String, ImageLock>,
}

/// What one image is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageLock {
    /// Base images: which manifest a reference was for a platform. The reference is normalised.
    pub bases: BTreeMap<(String, String), Digest>,
    /// Sources of ADD by their normalised URL.
    pub sources: BTreeMap<String, Source>,
    /// Commits by repository and what was asked for there: a branch, a tag, a commit.
    pub commits: BTreeMap<(String, String), String>,
    /// What RUN steps fetched.
    pub downloads: BTreeMap<RequestKey, Download>,
}

/// Bytes by digest and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// Of the bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
}

/// What ADD got from a URL. Beside the bytes its upstream decides the file's time and, sometimes, its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The body.
    pub content: Content,
    /// When it was last changed, seconds since 1970.
    pub modified: Option<i64>,
    /// The file name that the upstream asked for.
    pub name: Option<String>,
}

/// What came in answer to a request of a RUN step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Its status.
    pub status: u16,
    /// Its body, where it had one.
    pub content: Option<Content>,
    /// The same request may have another answer tomorrow: an index.
    pub mutable: bool,
    /// The package URL, where it is a package.
    pub purl: Option<String>,
}

/// Two steps of one image had different answers to the same request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two steps had different answers from `{url}`: {first} and {second}")]
pub struct Conflict {
    /// What was asked for.
    pub url: String,
    /// What the earlier step got.
    pub first: String,
    /// What the later step got, which is locked.
    pub second: String,
}

impl Lock {
    /// Reads a lock's text.
    pub fn parse(text: &str) -> Result<Lock, LockError> {
        parse::parse(text)
    }

    /// The lock of an image.
    pub fn image(&self, name: &str) -> Option<&ImageLock> {
        self.images.get(name)
    }

    /// Takes over the images of another lock; images that only this one has stay.
    pub fn merge(&mut self, other: Lock) {
        self.images.extend(other.images);
    }

    /// Every digest that a site without a network needs, with its size where that is known.
    pub fn contents(&self) -> BTreeMap<Digest, Option<u64>> {
        let mut contents = BTreeMap::new();
        for image in self.images.values() {
            contents.extend(image.bases.values().map(|digest| (*digest, None)));
            let bodies = image.downloads.values().filter_map(|download| download.content);
            let bodies = bodies.chain(image.sources.values().map(|source| source.content));
            contents.extend(bodies.map(|content| (content.digest, Some(content.size))));
        }
        contents
    }
}

impl ImageLock {
    /// Locks a base image.
    pub fn base(&mut self, reference: &str, platform: &Platform, digest: Digest) {
        self.bases.insert((reference.to_owned(), platform.to_string()), digest);
    }

    /// Locks what a RUN step fetched; what was refused or did not come is nothing to lock. Of two different answers the
    /// later one counts, and the caller is told.
    pub fn download(&mut self, intake: &Intake) -> Result<(), Conflict> {
        let (Verdict::Allowed, true) = (&intake.verdict, is_http(&intake.url)) else { return Ok(()) };
        let method = if intake.method.is_empty() { "GET" } else { &intake.method };
        if method == "CONNECT" {
            return Ok(());
        }
        let key = RequestKey::new(method, &intake.url, intake.request.as_ref());
        let download = Download {
            status: intake.status.unwrap_or(200),
            content: intake.digest.map(|digest| Content { digest, size: intake.size }),
            mutable: intake.mutable,
            purl: intake.purl.as_deref().filter(|purl| is_word(purl)).map(str::to_owned),
        };
        let second = download.answer();
        let Some(before) = self.downloads.insert(key, download) else { return Ok(()) };
        let first = before.answer();
        if first == second {
            return Ok(());
        }
        Err(Conflict { url: normalised_url(&intake.url), first, second })
    }

    /// Locks what ADD got from a URL.
    pub fn source(&mut self, url: &str, source: Source) {
        self.sources.insert(normalised_url(url), source);
    }

    /// Locks the commit that a branch, a tag or another name in a Git repository was at.
    pub fn commit(&mut self, repository: &str, asked: &str, commit: &str) {
        self.commits.insert((repository.to_owned(), asked.to_owned()), commit.to_owned());
    }

    /// What must come in answer to a request; `None` if the lock does not have it. `request` as in an intake.
    pub fn find(&self, method: &str, url: &str, request: Option<&Digest>) -> Option<&Download> {
        self.downloads.get(&RequestKey::new(method, url, request))
    }

    /// Whether every answer that a step had is the lock's.
    pub fn agrees(&self, intakes: &[Intake]) -> Result<(), Conflict> {
        for intake in intakes.iter().filter(|intake| intake.verdict.is_allowed() && is_http(&intake.url)) {
            let mut found = ImageLock::default();
            let _ = found.download(intake);
            for (key, download) in found.downloads {
                let locked = self.downloads.get(&key).map_or_else(|| "nothing".to_owned(), Download::answer);
                if locked != download.answer() {
                    let second = download.answer();
                    return Err(Conflict { url: normalised_url(&intake.url), first: locked, second });
                }
            }
        }
        Ok(())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == ImageLock::default()
    }
}

impl Download {
    /// Status and content in a few words, to compare and to show.
    fn answer(&self) -> String {
        match self.content {
            Some(content) if self.status == 200 => content.digest.to_string(),
            Some(content) => format!("status {} with {}", self.status, content.digest),
            None => format!("status {}", self.status),
        }
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// A text that stands in a line as one word.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

/// Feeds the reader with anything; what it takes must read back.
pub fn fuzz_lock(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(lock) = Lock::parse(&text) {
        assert_eq!(Lock::parse(&lock.to_string()), Ok(lock));
    }
    let url = normalised_url(&text);
    assert_eq!(normalised_url(&url), url);
}

/// Any text as one word: what would part it, and the percent sign, is percent-encoded.
fn word(text: &str) -> String {
    request::encoded(text, |c| c.is_whitespace() || c.is_control() || c == '%')
}
