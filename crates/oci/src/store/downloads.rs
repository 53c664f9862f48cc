//! Downloads: which bytes an upstream gave in answer to which request, and when.
//!
//! A request may have been answered differently at different times; all of its answers stay, so that what was locked
//! weeks ago is found by its digest, and the latest is what a new request gets. Bodies are blobs. Collection takes what
//! was used longest ago, after the results of steps have had their room.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::catalog::parse;
use super::{Batch, Store, StoreError};
use crate::Digest;

/// An answer that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The request: whatever decides its answer, in one text.
    pub request: String,
    /// The body, a blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Status and headers, and what else the caller must know to give the answer again. JSON.
    pub answer: String,
    /// When the upstream last said so, seconds since 1970.
    pub fetched: i64,
}

/// Answers that no transaction speaks of yet.
pub(super) type PendingDownloads = HashMap<(String, Digest), Download>;

const COLUMNS: &str = "request, digest, size, answer, fetched";

impl Store {
    /// The latest answer to a request, its body leased until this process ends.
    pub fn latest_download(&self, request: &str) -> Result<Option<Download>, StoreError> {
        let ours = {
            let pending = self.pending();
            let own = pending.downloads.values().filter(|download| download.request == request);
            own.max_by_key(|download| download.fetched).cloned()
        };
        let query = format!(
            "SELECT {COLUMNS} FROM downloads WHERE request = ?1 ORDER BY fetched DESC, used DESC LIMIT 1"
        );
        let theirs = {
            let connection = self.connection();
            connection.prepare_cached(&query)?.query_row([request], read).optional()?
        };
        let theirs = theirs.transpose()?;
        // Of two of the same second ours is the later: what is written is older than what is not yet.
        let later = match (ours, theirs) {
            (Some(ours), Some(theirs)) if theirs.fetched > ours.fetched => Some(theirs),
            (Some(ours), _) => Some(ours),
            (None, theirs) => theirs,
        };
        self.leased(later)
    }

    /// The answer to a request that had this body.
    pub fn download_as(&self, request: &str, digest: &Digest) -> Result<Option<Download>, StoreError> {
        if let Some(ours) = self.pending().downloads.get(&(request.to_owned(), *digest)).cloned() {
            return self.leased(Some(ours));
        }
        let query = format!("SELECT {COLUMNS} FROM downloads WHERE request = ?1 AND digest = ?2");
        let theirs = {
            let connection = self.connection();
            connection
                .prepare_cached(&query)?
                .query_row(params![request, digest.to_string()], read)
                .optional()?
        };
        self.leased(theirs.transpose()?)
    }

    /// All answers that had this body, sorted by request.
    pub fn downloads_of(&self, digest: &Digest) -> Result<Vec<Download>, StoreError> {
        let mut found: HashMap<String, Download> = HashMap::new();
        {
            let connection = self.connection();
            let query = format!("SELECT {COLUMNS} FROM downloads WHERE digest = ?1");
            let mut statement = connection.prepare_cached(&query)?;
            for row in statement.query_map([digest.to_string()], read)? {
                let download = row??;
                found.insert(download.request.clone(), download);
            }
        }
        for ((request, body), download) in &self.pending().downloads {
            if body == digest {
                found.insert(request.clone(), download.clone());
            }
        }
        let mut found: Vec<Download> = found.into_values().collect();
        found.sort_by(|a, b| a.request.cmp(&b.request));
        Ok(found)
    }

    /// Keeps an answer, whose body must be in the store. It becomes visible to other processes with the next commit.
    pub fn keep_download(&self, download: Download) {
        self.pending().downloads.insert((download.request.clone(), download.digest), download);
    }

    /// Makes visible what was kept so far.
    pub fn commit_downloads(&self) -> Result<(), StoreError> {
        self.commit(&Batch::default())
    }

    /// One whose body somebody took away is none.
    fn leased(&self, download: Option<Download>) -> Result<Option<Download>, StoreError> {
        match download {
            Some(download) if self.has_blob(&download.digest)? => Ok(Some(download)),
            _ => Ok(None),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<Download, StoreError>> {
    let (request, digest, size): (_, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (answer, fetched) = (row.get(3)?, row.get(4)?);
    Ok(parse(digest).map(|digest| Download { request, digest, size: size.max(0) as u64, answer, fetched }))
}

/// Writes what was kept; `used`: the tick of this commit.
pub(super) fn insert(transaction: &Connection, pending: &PendingDownloads) -> Result<(), StoreError> {
    for download in pending.values() {
        let mut insert = transaction.prepare_cached(
            "INSERT OR REPLACE INTO downloads VALUES
             (?1, ?2, ?3, ?4, ?5, (SELECT value + 1 FROM settings WHERE name = 'tick'))",
        )?;
        insert.execute(params![
            download.request,
            download.digest.to_string(),
            download.size as i64,
            download.answer,
            download.fetched
        ])?;
    }
    Ok(())
}

/// Bodies in the order in which they were used, the latest first.
pub(super) fn by_use(connection: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let query = "SELECT digest, MAX(size) FROM downloads GROUP BY digest ORDER BY MAX(used) DESC, digest";
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.max(0) as u64)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Deletes the rows of bodies that go away.
pub(super) fn forget(connection: &Connection, kept: &HashSet<String>) -> Result<(), StoreError> {
    for (digest, _) in by_use(connection)? {
        if !kept.contains(&digest) {
            connection.prepare_cached("DELETE FROM downloads WHERE digest = ?1")?.execute([digest])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::open;
    use super::*;

    fn keep(store: &Store, request: &str, body: &str, fetched: i64) -> Digest {
        let digest = store.put_blob(body.as_bytes()).unwrap();
        let (request, answer) = (request.to_owned(), format!("{{\"body\":\"{body}\"}}"));
        store.keep_download(Download { request, digest, size: body.len() as u64, answer, fetched });
        digest
    }

    #[test]
    fn the_latest_answer_counts_and_earlier_ones_are_found_by_digest() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let first = keep(&store, "GET /a", "one", 1);
        store.commit_downloads().unwrap();
        let second = keep(&store, "GET /a", "two", 2);
        assert_eq!(store.latest_download("GET /a").unwrap().unwrap().digest, second, "also before a commit");
        store.commit_downloads().unwrap();
        assert_eq!(store.latest_download("GET /a").unwrap().unwrap().digest, second);
        assert_eq!(store.download_as("GET /a", &first).unwrap().unwrap().answer, "{\"body\":\"one\"}");
        assert_eq!(store.latest_download("GET /b").unwrap(), None);
        // The upstream has gone back to what it was.
        keep(&store, "GET /a", "one", 3);
        store.commit_downloads().unwrap();
        assert_eq!(store.latest_download("GET /a").unwrap().unwrap().digest, first);
        keep(&store, "GET /b", "one", 1);
        let requests: Vec<_> = store.downloads_of(&first).unwrap().into_iter().map(|d| d.request).collect();
        assert_eq!(requests, ["GET /a", "GET /b"]);
    }

    #[test]
    fn collection_takes_what_was_used_longest_ago() {
        let directory = tempfile::tempdir().unwrap();
        for (name, time) in [("b", 1), ("a", 2)] {
            let store = open(directory.path());
            keep(&store, name, &name.repeat(600), time);
            store.commit_downloads().unwrap();
        }
        let store = open(directory.path());
        assert_eq!(store.gc(Some(1000)).unwrap().blobs, 1);
        assert!(store.latest_download("b").unwrap().is_none());
        assert!(store.latest_download("a").unwrap().is_some());
    }
}
