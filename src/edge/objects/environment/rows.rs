//! The rows of an environment's object: its state, and the published document in chunks.

use worker::{Result, SqlStorageValue, Storage};

use crate::document::ClientKey;
use crate::publish::Publisher;
use flagsmith_edge_platform::sqlite::Database;

/// A row holds 2 MB.
const CHUNK_LENGTH: usize = 1_000_000;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS publisher
        (id INTEGER PRIMARY KEY CHECK (id = 1), client_key TEXT NOT NULL, state TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS chunk (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);";
const READ: &str = "SELECT client_key, state FROM publisher";
const WRITE: &str = "INSERT OR REPLACE INTO publisher (id, client_key, state) VALUES (1, ?, ?)";
const READ_CHUNKS: &str = "SELECT bytes FROM chunk ORDER BY number";
const DELETE_CHUNKS: &str = "DELETE FROM chunk";
const WRITE_CHUNK: &str = "INSERT INTO chunk (number, bytes) VALUES (?, ?)";

/// The stored state of the environment.
#[derive(Clone, Default, PartialEq)]
pub struct StoredEnvironment {
    /// Empty until the environment is published here.
    pub client_key: ClientKey,
    /// The published version, and the tasks that remain.
    pub publisher: Publisher,
}

/// The rows of one environment.
pub struct EnvironmentRows(Database);

impl EnvironmentRows {
    /// The rows in an object's storage.
    pub fn of(storage: &Storage) -> EnvironmentRows {
        EnvironmentRows(Database::of(storage))
    }

    /// Returns the state. An environment that was never written has none.
    pub fn read(&self) -> Result<StoredEnvironment> {
        if !self.0.has("publisher")? {
            return Ok(StoredEnvironment::default());
        }
        match self.0.rows(READ, vec![])?.concat().as_slice() {
            [SqlStorageValue::String(client_key), SqlStorageValue::String(state)] => Ok(StoredEnvironment {
                client_key: ClientKey::unchecked(client_key),
                publisher: serde_json::from_str(state)?,
            }),
            _ => Ok(StoredEnvironment::default()),
        }
    }

    /// Writes the state. An environment that publishes nothing has no document either.
    pub fn write(&self, environment: &StoredEnvironment) -> Result<()> {
        self.0.transaction(|| {
            self.write_state(environment)?;
            if environment.publisher.published.is_none() {
                self.0.execute(DELETE_CHUNKS, vec![])?;
            }
            Ok(())
        })
    }

    /// Writes the state and the document that it publishes.
    pub fn publish(&self, environment: &StoredEnvironment, document: &[u8]) -> Result<()> {
        self.0.transaction(|| {
            self.write_state(environment)?;
            self.0.execute(DELETE_CHUNKS, vec![])?;
            for (number, chunk) in (0_i64..).zip(document.chunks(CHUNK_LENGTH)) {
                self.0.execute(WRITE_CHUNK, vec![number.into(), chunk.to_vec().into()])?;
            }
            Ok(())
        })
    }

    /// The published document.
    pub fn document(&self) -> Result<Vec<u8>> {
        Ok(document(self.0.rows(READ_CHUNKS, vec![])?))
    }

    fn write_state(&self, StoredEnvironment { client_key, publisher }: &StoredEnvironment) -> Result<()> {
        self.0.execute(SCHEMA, vec![])?;
        let state = serde_json::to_string(publisher)?;
        self.0.execute(WRITE, vec![client_key.as_str().into(), state.into()])
    }
}

/// The document in the rows of its chunks.
fn document(rows: Vec<Vec<SqlStorageValue>>) -> Vec<u8> {
    let mut document = Vec::new();
    for chunk in rows.into_iter().flatten() {
        if let SqlStorageValue::Blob(bytes) = chunk {
            document.extend(bytes);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn the_document_is_made_of_its_chunks() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for length in [1, 300, 500, 999, 1_000, 1_001] {
            let rows = bytes.chunks(length).map(|chunk| vec![chunk.to_vec().into()]).collect();
            assert_eq!(document(rows), bytes, "{length}");
        }
        assert!(document(Vec::new()).is_empty());
    }
}
