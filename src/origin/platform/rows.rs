//! The rows of the state in the object's SQLite database: one table, a JSON text for each row.

use flagsmith_edge_platform::sqlite::Database;
use worker::{Result, SqlStorageValue, Storage};

use crate::changes::Changes;
use crate::state::State;

const TABLE: &str = "origin_row";
/// A table without rowid, so that each change is one written row.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS origin_row
    (kind TEXT NOT NULL, id INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID";
const READ: &str = "SELECT kind, json FROM origin_row";
const WRITE: &str = "INSERT OR REPLACE INTO origin_row (kind, id, json) VALUES (?, ?, ?)";
const DELETE: &str = "DELETE FROM origin_row WHERE kind = ? AND id = ?";

/// The stored rows.
pub struct Rows(Database);

impl Rows {
    /// The rows in an object's storage.
    pub fn of(storage: &Storage) -> Rows {
        Rows(Database::of(storage))
    }

    /// Reads the whole state. Fails if a row cannot be read, so that nothing is served without it.
    pub fn read(&self) -> Result<State> {
        let mut state = State::default();
        if !self.0.has(TABLE)? {
            return Ok(state);
        }
        self.0.for_each(READ, vec![], |row| match row {
            [SqlStorageValue::String(kind), SqlStorageValue::String(json)] => {
                state.load_row(kind, json).map_err(|error| worker::Error::from(error.to_string()))
            }
            _ => Err(worker::Error::from("a row has no kind or no JSON text")),
        })?;
        Ok(state)
    }

    /// Writes the changes of a request, all or none.
    pub fn write(&self, changes: &Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.0.transaction(|| {
            self.0.execute(SCHEMA, vec![])?;
            for (kind, id, row) in changes.rows() {
                match row {
                    Some(row) => {
                        self.0.execute(WRITE, vec![kind.into(), id.into(), row.to_string().into()])?
                    }
                    None => self.0.execute(DELETE, vec![kind.into(), id.into()])?,
                }
            }
            Ok(())
        })
    }
}
