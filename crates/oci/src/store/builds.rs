//! The history of builds.

use std::path::PathBuf;

use rusqlite::{Connection, Row, params};

use super::gc::column;
use super::{BuildState, NewBuild, Store, StoreError, catalog, process};

/// How many builds collection leaves in the history, with their logs.
const KEPT: i64 = 100;

const COLUMNS: &str = "SELECT id, name, started, finished, state, image, detail FROM builds";

impl Store {
    /// The latest builds, the newest first.
    pub fn builds(&self, limit: usize) -> Result<Vec<NewBuild>, StoreError> {
        let connection = self.connection();
        let query = format!("{COLUMNS} ORDER BY started DESC, id DESC LIMIT ?1");
        let mut statement = connection.prepare(&query)?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], read_row)?;
        rows.map(|row| from_row(row?)).collect()
    }

    /// The build whose id begins with this, if there is exactly one.
    pub fn build(&self, id_prefix: &str) -> Result<Option<NewBuild>, StoreError> {
        let connection = self.connection();
        let query = format!("{COLUMNS} WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2");
        let mut statement = connection.prepare(&query)?;
        let rows = statement.query_map([id_prefix], read_row)?;
        let mut found: Vec<NewBuild> = rows.map(|row| from_row(row?)).collect::<Result<_, StoreError>>()?;
        match found.len() {
            0 => Ok(None),
            1 => Ok(found.pop()),
            _ => match found.into_iter().find(|build| build.id == id_prefix) {
                Some(exact) => Ok(Some(exact)),
                None => Err(StoreError::Ambiguous(id_prefix.to_owned())),
            },
        }
    }
}

pub(super) fn insert(connection: &Connection, build: &NewBuild) -> Result<(), StoreError> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO builds VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let image = build.image.map(|digest| digest.to_string());
    let state = build.state.name();
    insert.execute(params![
        build.id,
        build.name,
        build.started,
        build.finished,
        state,
        image,
        build.detail
    ])?;
    Ok(())
}

impl BuildState {
    /// The state in one word.
    pub fn name(self) -> &'static str {
        match self {
            BuildState::Running => "running",
            BuildState::Succeeded => "succeeded",
            BuildState::Failed => "failed",
            BuildState::Cancelled => "cancelled",
        }
    }
}

/// Deletes the lines of old builds that no live process works on; how many there were.
pub(super) fn forget_old(connection: &Connection) -> Result<u64, StoreError> {
    let query =
        "DELETE FROM builds WHERE id NOT IN (SELECT id FROM builds ORDER BY started DESC, id DESC LIMIT ?1)
         AND id NOT IN (SELECT id FROM leases WHERE kind = 'build')";
    Ok(connection.prepare_cached(query)?.execute([KEPT])? as u64)
}

/// Directories of logs whose build is in no line of the history. A build has its line before it has logs.
pub(super) fn unowned_logs(store: &Store, connection: &Connection) -> Result<Vec<PathBuf>, StoreError> {
    let known = column(connection, "SELECT id FROM builds")?;
    let directory = store.logs_dir();
    let names = process::names(&directory)?;
    Ok(names.into_iter().filter(|name| !known.contains(name)).map(|name| directory.join(name)).collect())
}

type RawRow = (String, String, i64, Option<i64>, String, Option<String>, String);

fn read_row(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

fn from_row((id, name, started, finished, state, image, detail): RawRow) -> Result<NewBuild, StoreError> {
    let all = [BuildState::Running, BuildState::Succeeded, BuildState::Failed, BuildState::Cancelled];
    let state = all.into_iter().find(|known| known.name() == state).unwrap_or(BuildState::Failed);
    Ok(NewBuild { id, name, started, finished, state, image: image.map(catalog::parse).transpose()?, detail })
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::open;
    use super::*;

    fn begin(store: &Store, numbers: std::ops::Range<i64>) {
        let build = |number: i64| NewBuild {
            id: format!("{number:012x}"),
            name: "app".to_owned(),
            started: number,
            finished: None,
            state: BuildState::Running,
            image: None,
            detail: String::new(),
        };
        let builds: Vec<NewBuild> = numbers.map(build).collect();
        for build in &builds {
            std::fs::create_dir(store.logs_dir().join(&build.id)).unwrap();
        }
        store.sync_and_commit(&Batch { builds, ..Batch::default() }).unwrap();
    }

    fn logs(store: &Store) -> usize {
        std::fs::read_dir(store.logs_dir()).unwrap().count()
    }

    #[test]
    fn collection_keeps_the_latest_builds_and_those_that_run() {
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path());
        begin(&running, 0..1);
        let ended = open(directory.path());
        begin(&ended, 1..KEPT + 3);
        drop(ended);
        let store = open(directory.path());
        std::fs::create_dir(store.logs_dir().join("of nobody")).unwrap();

        assert_eq!(store.gc_preview(None).unwrap().builds, 2);
        assert_eq!(logs(&store), KEPT as usize + 4);
        assert_eq!(store.gc(None).unwrap().builds, 2);
        assert_eq!(logs(&store), KEPT as usize + 1);
        let left = store.builds(1000).unwrap();
        assert_eq!(
            (left.len(), left[0].started, left.last().unwrap().started),
            (KEPT as usize + 1, KEPT + 2, 0)
        );

        drop(running);
        assert_eq!(store.gc(None).unwrap().builds, 1);
        assert_eq!(logs(&store), KEPT as usize);
    }
}
