//! The history of builds.

use std::path::PathBuf;

use rusqlite::{Connection, Row, params};

use super::gc::column;
use super::{BuildState, NewBuild, Store, StoreError, catalog, process};

/// How many builds collection leaves in the history, with their logs.
const KEPT: i64 = 100;

const COLUMNS: &str = "SELECT id, project, name, started, finished, state, image, detail FROM builds";

impl Store {
    /// The latest builds, the newest first.
    pub fn builds(&self, limit: usize) -> Result<Vec<NewBuild>, StoreError> {
        let connection = self.connection();
        let query = format!("{COLUMNS} ORDER BY started DESC, id DESC LIMIT ?1");
        let mut statement = connection.prepare(&query)?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], read_row)?;
        rows.map(|row| from_row(row?)).collect()
    }

    /// The latest builds of one image of a project, the newest first.
    pub fn builds_of(&self, project: &str, name: &str, limit: usize) -> Result<Vec<NewBuild>, StoreError> {
        let connection = self.connection();
        let query =
            format!("{COLUMNS} WHERE project = ?1 AND name = ?2 ORDER BY started DESC, id DESC LIMIT ?3");
        let mut statement = connection.prepare_cached(&query)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![project, name, limit], read_row)?;
        rows.map(|row| from_row(row?)).collect()
    }

    /// Removes the lines of old builds of an image of a project: all but so many of the latest that ended so, and what began
    /// before a moment. The latest build of all stays. Answers how many went.
    pub fn forget_builds(
        &self,
        (project, name): (&str, &str),
        state: BuildState,
        keep: Option<usize>,
        before: Option<i64>,
    ) -> Result<u64, StoreError> {
        let connection = self.connection();
        let keep = keep.and_then(|keep| i64::try_from(keep).ok()).unwrap_or(-1);
        let query = "DELETE FROM builds WHERE project = ?1 AND name = ?2 AND state = ?3
            AND id NOT IN (SELECT id FROM builds WHERE project = ?1 AND name = ?2 ORDER BY started DESC, id DESC LIMIT 1)
            AND (started < ?5 OR ?4 >= 0 AND id NOT IN (
                SELECT id FROM builds WHERE project = ?1 AND name = ?2 AND state = ?3
                ORDER BY started DESC, id DESC LIMIT max(?4, 0)))";
        let before = before.unwrap_or(i64::MIN);
        let mut statement = connection.prepare_cached(query)?;
        Ok(statement.execute(params![project, name, state.name(), keep, before])? as u64)
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
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO builds (id, project, name, started, finished, state, image, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let image = build.image.map(|digest| digest.to_string());
    let state = build.state.name();
    insert.execute(params![
        build.id,
        build.project,
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
         AND id NOT IN (SELECT id FROM leases WHERE kind = 'build')
         AND id NOT IN (
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY project, name ORDER BY started DESC, id DESC) AS age
                FROM builds WHERE project <> ''
            ) WHERE age <= 2)";
    Ok(connection.prepare_cached(query)?.execute([KEPT])? as u64)
}

/// Directories of logs whose build is in no line of the history. A build has its line before it has logs.
pub(super) fn unowned_logs(store: &Store, connection: &Connection) -> Result<Vec<PathBuf>, StoreError> {
    let known = column(connection, "SELECT id FROM builds")?;
    let directory = store.logs_dir();
    let names = process::names(&directory)?;
    Ok(names.into_iter().filter(|name| !known.contains(name)).map(|name| directory.join(name)).collect())
}

type RawRow = (String, String, String, i64, Option<i64>, String, Option<String>, String);

fn read_row(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn from_row(
    (id, project, name, started, finished, state, image, detail): RawRow,
) -> Result<NewBuild, StoreError> {
    let all = [BuildState::Running, BuildState::Succeeded, BuildState::Failed, BuildState::Cancelled];
    let state = all.into_iter().find(|known| known.name() == state).unwrap_or(BuildState::Failed);
    Ok(NewBuild {
        id,
        project,
        name,
        started,
        finished,
        state,
        image: image.map(catalog::parse).transpose()?,
        detail,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::super::tests::open;
    use super::*;

    fn begin(store: &Store, numbers: std::ops::Range<i64>) {
        let build = |number: i64| NewBuild {
            id: format!("{number:012x}"),
            project: String::new(),
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
        store.commit(&Batch { builds, ..Batch::default() }).unwrap();
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

    #[test]
    fn each_image_of_a_project_has_a_history_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let build = |number: i64, name: &str, state| NewBuild {
            id: format!("{number:012x}"),
            project: "/p".to_owned(),
            name: name.to_owned(),
            started: number,
            finished: None,
            state,
            image: None,
            detail: String::new(),
        };
        let states = [BuildState::Succeeded, BuildState::Failed];
        let builds = (0..20).map(|number| build(number, "app", states[number as usize % 2]));
        let builds = builds.chain([build(3, "other", BuildState::Failed)]).skip(1).collect();
        store.commit(&Batch { builds, ..Batch::default() }).unwrap();
        let names = |name| {
            let all = store.builds_of("/p", name, 100).unwrap();
            all.into_iter().map(|build| build.started).collect::<Vec<_>>()
        };
        assert_eq!(names("other"), [3]);
        let app = ("/p", "app");
        assert_eq!(store.forget_builds(app, BuildState::Succeeded, Some(2), None).unwrap(), 7);
        assert_eq!(names("app"), [19, 18, 17, 16, 15, 13, 11, 9, 7, 5, 1]);
        // The latest of all stays, however little is to be kept.
        assert_eq!(store.forget_builds(app, BuildState::Failed, Some(0), None).unwrap(), 8);
        assert_eq!(store.forget_builds(app, BuildState::Succeeded, None, Some(18)).unwrap(), 1);
        assert_eq!(names("app"), [19, 18]);
    }
}
