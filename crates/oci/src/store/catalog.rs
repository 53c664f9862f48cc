//! The catalog: one SQLite database in WAL mode. Rows speak only of files that are there.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::StoreError;
use crate::layer::{Compression, OverlayForm};
use crate::{DiffId, Digest, LayerId};

/// The catalog's format. A newer one is refused, an older one brought up to date.
const FORMAT: i64 = UPDATES.len() as i64;

/// What makes a catalog of each format out of the one before.
const UPDATES: [&str; 6] = [SCHEMA, REPOSITORIES, DOWNLOADS, ORIGINS, PROJECTS, UNSETTLED];

/// How long a process waits for another one's transaction; the longest are those of collection, well under a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pages of 4 KiB in the write-ahead log before they are moved into the database.
const LOG_PAGES: i64 = 256;

const SCHEMA: &str = "
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
-- Everything in blobs/.
CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
-- Everything in layers/.
CREATE TABLE layers (id TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
-- Which blob is which layer; `own`: made here, with this compression and level.
CREATE TABLE layer_blobs (
    digest TEXT PRIMARY KEY, layer TEXT NOT NULL, diff_id TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    own INTEGER NOT NULL, compression TEXT NOT NULL, level INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX layer_blobs_by_layer ON layer_blobs (layer);
CREATE INDEX layer_blobs_by_diff_id ON layer_blobs (diff_id);
-- Results of steps; `used`: the tick of the process that used it last.
CREATE TABLE steps (key TEXT PRIMARY KEY, record TEXT NOT NULL, layer TEXT, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX steps_by_use ON steps (used);
-- Manifests and image indexes that are listed; `config`: Docker's image id.
CREATE TABLE images (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, config TEXT) WITHOUT ROWID;
CREATE TABLE tags (reference TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE builds (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, started INTEGER NOT NULL, finished INTEGER, state TEXT NOT NULL,
    image TEXT, detail TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX builds_by_start ON builds (started);
-- What live processes use; `kind`: blob, layer, step or image.
CREATE TABLE leases (process TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (process, kind, id)) WITHOUT ROWID;
INSERT INTO settings VALUES ('tick', 0);
";

const REPOSITORIES: &str = "
-- What the registry that serves this store has, per repository.
CREATE TABLE repository_blobs (repository TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, digest)) WITHOUT ROWID;
CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest);
CREATE TABLE repository_manifests (
    repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, artifact_type TEXT,
    annotations TEXT NOT NULL, subject TEXT, depth INTEGER NOT NULL, PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX repository_manifests_by_subject ON repository_manifests (repository, subject);
CREATE TABLE repository_tags (
    repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, tag)
) WITHOUT ROWID;
";

const DOWNLOADS: &str = "
-- What upstreams answered; `fetched`: when they last said so; `used`: the tick of the process that used it last.
CREATE TABLE downloads (
    request TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, answer TEXT NOT NULL, fetched INTEGER NOT NULL,
    used INTEGER NOT NULL, PRIMARY KEY (request, digest)
) WITHOUT ROWID;
CREATE INDEX downloads_by_digest ON downloads (digest);
";

const ORIGINS: &str = "
-- Where blobs came from and can be had again.
CREATE TABLE origins (digest TEXT PRIMARY KEY, repository TEXT NOT NULL) WITHOUT ROWID;
";

const PROJECTS: &str = "
-- Which project an image was built for; empty where it stands for itself.
ALTER TABLE builds ADD COLUMN project TEXT NOT NULL DEFAULT '';
CREATE INDEX builds_by_name ON builds (project, name, started);
";

const UNSETTLED: &str = "
-- What was committed and may not be on the disk yet; `kind`: blob or layer; `boot`: in which run of the machine.
CREATE TABLE unsettled (kind TEXT NOT NULL, id TEXT NOT NULL, boot TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
-- The usual gzip is another one since: its blobs are made anew.
DELETE FROM layer_blobs WHERE own = 1 AND compression = 'gzip' AND level = -1;
";

/// A blob of a layer, as its row says.
#[derive(Clone, Debug)]
pub(super) struct NewLayerBlob {
    pub digest: Digest,
    pub layer: LayerId,
    pub diff_id: DiffId,
    pub media_type: String,
    pub size: u64,
    /// Made here, with this compression and level (-1: the usual one).
    pub own: Option<(Compression, i64)>,
}

/// Opens the catalog of the store at `root`, or makes it.
pub(super) fn open(root: &Path, form: OverlayForm) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(root.join("catalog.sqlite"), flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A power failure may lose the last transactions, never consistency; what they spoke of is then an orphan.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // The end of a process costs no sync; instead the log is kept so short that reading it again costs nothing either.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    if version(&connection)? < FORMAT {
        update(&mut connection, form)?;
    }
    let found = version(&connection)?;
    if found != FORMAT {
        return Err(StoreError::Format { path: root.to_owned(), found, known: FORMAT });
    }
    let made: Option<String> = connection
        .query_row("SELECT value FROM settings WHERE name = 'form'", [], |row| row.get(0))
        .optional()?;
    if made.as_deref() != Some(form_name(form)) {
        let made_by = if form == OverlayForm::Trusted { "an ordinary user" } else { "root" };
        return Err(StoreError::OtherForm { path: root.to_owned(), made_by });
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Makes the catalog, or brings an older one up to date.
fn update(connection: &mut Connection, form: OverlayForm) -> Result<(), StoreError> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let found = version(&transaction)?;
    for step in UPDATES.iter().skip(usize::try_from(found).unwrap_or(UPDATES.len())) {
        transaction.execute_batch(step)?;
    }
    if found == 0 {
        transaction.execute("INSERT INTO settings VALUES ('form', ?1)", [form_name(form)])?;
    }
    if found < FORMAT {
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(transaction.commit()?)
}

fn form_name(form: OverlayForm) -> &'static str {
    match form {
        OverlayForm::Trusted => "trusted",
        OverlayForm::User => "user",
    }
}

/// A transaction that has the write lock from its beginning, so that it never has to give up in the middle.
pub(super) fn begin(connection: &Connection) -> Result<Transaction<'_>, StoreError> {
    Ok(Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?)
}

/// Whether a query finds a row.
pub(super) fn exists(connection: &Connection, query: &str, id: &str) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached(query)?.exists([id])?)
}

/// A digest out of the catalog. Rows are only ever written from digests, so another text is damage.
pub(super) fn parse<T: std::str::FromStr>(text: String) -> Result<T, StoreError> {
    text.parse().map_err(|_| {
        let why = "a row of the catalog holds no digest where one should be".into();
        StoreError::Catalog(rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, why))
    })
}
