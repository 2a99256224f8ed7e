//! An object's own SQLite database.

use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{Result, SqlStorage, SqlStorageValue, Storage};

use super::identity_object::Transactions;

/// The database of one object.
pub struct Database {
    sql: SqlStorage,
    transactions: Transactions,
}

impl Database {
    /// The database in an object's storage.
    pub fn of(storage: &Storage) -> Database {
        Database { sql: storage.sql(), transactions: JsValue::from(storage.as_raw()).unchecked_into() }
    }

    /// Whether `table` has been made; reading an object that was never written makes none.
    pub fn has(&self, table: &str) -> Result<bool> {
        let query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
        Ok(!self.rows(query, vec![table.into()])?.is_empty())
    }

    /// What a query gives.
    pub fn rows(&self, query: &str, parameters: Vec<SqlStorageValue>) -> Result<Vec<Vec<SqlStorageValue>>> {
        self.sql.exec(query, parameters)?.raw().collect()
    }

    /// Carries out a statement.
    pub fn execute(&self, statement: &str, parameters: Vec<SqlStorageValue>) -> Result<()> {
        self.sql.exec(statement, parameters).map(drop)
    }

    /// Does all of this or, if any of it fails, nothing.
    pub fn at_once(&self, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        let mut work = || work().map_err(JsValue::from);
        Ok(self.transactions.transaction_sync(&mut work)?)
    }
}
