//! The rows of the registry: environments, server keys by their hash, and the schedule of discoveries.

use serde::de::DeserializeOwned;
use worker::{Result, SqlStorageValue, Storage};

use crate::document::ClientKey;
use crate::publish::{DiscoverySchedule, Registry, RegistryChange};
use flagsmith_edge_platform::sqlite::Database;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS environment (name TEXT PRIMARY KEY, entry TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS server_key (name TEXT PRIMARY KEY, entry TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS discovery (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL);";
const READ_DISCOVERIES: &str = "SELECT state FROM discovery";
const WRITE_DISCOVERIES: &str = "INSERT OR REPLACE INTO discovery (id, state) VALUES (1, ?)";
const ENVIRONMENTS: &str = "environment";
const SERVER_KEYS: &str = "server_key";

/// The rows of the registry.
pub struct RegistryRows(Database);

impl RegistryRows {
    /// The rows in an object's storage.
    pub fn of(storage: &Storage) -> RegistryRows {
        RegistryRows(Database::of(storage))
    }

    /// Reads all rows.
    pub fn read(&self) -> Result<(Registry, DiscoverySchedule)> {
        if !self.0.has("discovery")? {
            return Ok(Default::default());
        }
        let discoveries = match self.0.rows(READ_DISCOVERIES, vec![])?.concat().as_slice() {
            [SqlStorageValue::String(state)] => serde_json::from_str(state)?,
            _ => DiscoverySchedule::default(),
        };
        let environments: Vec<(String, _)> = self.entries(ENVIRONMENTS)?;
        let environments = environments.into_iter().map(|(name, entry)| (ClientKey::unchecked(&name), entry));
        let (environments, server_keys) = (environments.collect(), self.entries(SERVER_KEYS)?);
        Ok((Registry { environments, server_keys }, discoveries))
    }

    /// Writes the schedule of discoveries.
    pub fn write(&self, discoveries: &DiscoverySchedule) -> Result<()> {
        self.0.execute(SCHEMA, vec![])?;
        self.0.execute(WRITE_DISCOVERIES, vec![serde_json::to_string(discoveries)?.into()])
    }

    /// Writes an applied change.
    pub fn record_change(&self, change: &RegistryChange) -> Result<()> {
        self.0.execute(SCHEMA, vec![])?;
        match change {
            RegistryChange::StartPublishing(client_key, summary, credential) => {
                self.put(ENVIRONMENTS, client_key, serde_json::to_string(&(summary, credential))?)
            }
            RegistryChange::PutKey(hash, key) => self.put(SERVER_KEYS, hash, serde_json::to_string(key)?),
            RegistryChange::StopPublishing(client_key) => self.delete(ENVIRONMENTS, client_key),
            RegistryChange::DeleteKey(hash) => self.delete(SERVER_KEYS, hash),
        }
    }

    fn entries<T: DeserializeOwned, C: FromIterator<(String, T)>>(&self, table: &str) -> Result<C> {
        let rows = self.0.rows(&format!("SELECT name, entry FROM {table}"), vec![])?;
        rows.into_iter().map(entry).collect()
    }

    fn put(&self, table: &str, name: &str, entry: String) -> Result<()> {
        let statement = format!("INSERT OR REPLACE INTO {table} (name, entry) VALUES (?, ?)");
        self.0.execute(&statement, vec![name.into(), entry.into()])
    }

    fn delete(&self, table: &str, name: &str) -> Result<()> {
        self.0.execute(&format!("DELETE FROM {table} WHERE name = ?"), vec![name.into()])
    }
}

fn entry<T: DeserializeOwned>(row: Vec<SqlStorageValue>) -> Result<(String, T)> {
    match row.as_slice() {
        [SqlStorageValue::String(name), SqlStorageValue::String(entry)] => {
            Ok((name.clone(), serde_json::from_str(entry)?))
        }
        _ => Err(worker::Error::from("a row cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::document::{ClientKey, ServerKey};
    use crate::publish::{DocumentCredential, EnvironmentSummary};

    #[wasm_bindgen_test]
    fn an_entry_has_a_name_and_a_text() {
        let stored =
            entry(vec!["k".into(), r#"[{"project":1,"name":"Production"},"token"]"#.into()]).unwrap();
        let summary = EnvironmentSummary { project: Some(1), name: "Production".to_owned() };
        assert_eq!(stored, ("k".to_owned(), (summary, DocumentCredential::Token)));
        let stored =
            entry(vec!["hash".into(), r#"{"environment":"k","active":true,"expires_at":null}"#.into()]);
        assert_eq!(stored.unwrap(), ("hash".to_owned(), ServerKey::active(ClientKey::unchecked("k"))));
        for unreadable in [
            vec![],
            vec!["hash".into()],
            vec!["hash".into(), SqlStorageValue::Null],
            vec![SqlStorageValue::Integer(1), "{}".into()],
            vec!["hash".into(), "".into()],
            vec!["hash".into(), "{}".into()],
        ] {
            let read: Result<(String, ServerKey)> = entry(unreadable);
            assert!(read.is_err(), "{read:?}");
        }
    }
}
