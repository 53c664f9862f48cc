//! The history of builds.

use rusqlite::{Connection, Row, params};

use super::{BuildState, NewBuild, Store, StoreError, catalog};

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

type RawRow = (String, String, i64, Option<i64>, String, Option<String>, String);

fn read_row(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

fn from_row((id, name, started, finished, state, image, detail): RawRow) -> Result<NewBuild, StoreError> {
    let all = [BuildState::Running, BuildState::Succeeded, BuildState::Failed, BuildState::Cancelled];
    let state = all.into_iter().find(|known| known.name() == state).unwrap_or(BuildState::Failed);
    Ok(NewBuild { id, name, started, finished, state, image: image.map(catalog::parse).transpose()?, detail })
}
