//! An object's own SQLite database. Adds functions that the platform's bindings lack: synchronous transactions, alarms
//! that are set within a turn, and a count of read and written rows.

use std::cell::Cell;

use serde::de::DeserializeOwned;
use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Result, SqlCursor, SqlStorage, SqlStorageValue, Storage};

#[wasm_bindgen]
extern "C" {
    /// The platform's storage.
    type RawStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &RawStorage,
        write: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &RawStorage, milliseconds: f64) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAlarm)]
    fn delete_alarm(this: &RawStorage) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn delete_all(this: &RawStorage) -> std::result::Result<Promise, JsValue>;
}

/// The database of one object.
pub struct Database {
    sql: SqlStorage,
    storage: RawStorage,
    rows: Cell<[u64; 2]>,
}

impl Database {
    /// The database in an object's storage.
    pub fn of(storage: &Storage) -> Database {
        let raw = JsValue::from(storage.as_raw()).unchecked_into();
        Database { sql: storage.sql(), storage: raw, rows: Cell::default() }
    }

    /// True if `table` exists. A read of an object that was never written creates no table.
    pub fn has(&self, table: &str) -> Result<bool> {
        let query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
        Ok(!self.rows(query, vec![table.into()])?.is_empty())
    }

    /// The rows of a query.
    pub fn rows(&self, query: &str, parameters: Vec<SqlStorageValue>) -> Result<Vec<Vec<SqlStorageValue>>> {
        let cursor = self.sql.exec(query, parameters)?;
        let rows = cursor.raw().collect();
        self.count(&cursor);
        rows
    }

    /// The rows of a query with one JSON text in each row.
    pub fn read<T: DeserializeOwned>(&self, query: &str, parameters: Vec<SqlStorageValue>) -> Result<Vec<T>> {
        let mut values = Vec::new();
        self.for_each_json(query, parameters, |json| {
            values.push(serde_json::from_str(json)?);
            Ok(true)
        })?;
        Ok(values)
    }

    /// Calls a function with each row of a query (one JSON text) until it returns false. Further rows are not read.
    pub fn for_each_json(
        &self,
        query: &str,
        parameters: Vec<SqlStorageValue>,
        mut take: impl FnMut(&str) -> Result<bool>,
    ) -> Result<()> {
        let cursor = self.sql.exec(query, parameters)?;
        for row in cursor.raw() {
            let wants_more = match row?.as_slice() {
                [SqlStorageValue::String(json)] => take(json)?,
                _ => return Err(worker::Error::from("a row is not JSON text")),
            };
            if !wants_more {
                break;
            }
        }
        self.count(&cursor);
        Ok(())
    }

    /// Calls a function with each row of a query, one at a time.
    pub fn for_each(
        &self,
        query: &str,
        parameters: Vec<SqlStorageValue>,
        mut take: impl FnMut(&[SqlStorageValue]) -> Result<()>,
    ) -> Result<()> {
        let cursor = self.sql.exec(query, parameters)?;
        for row in cursor.raw() {
            take(&row?)?;
        }
        self.count(&cursor);
        Ok(())
    }

    fn count(&self, cursor: &SqlCursor) {
        let [read, written] = self.rows.get();
        self.rows.set([read + cursor.rows_read() as u64, written + cursor.rows_written() as u64]);
    }

    /// Executes a statement.
    pub fn execute(&self, statement: &str, parameters: Vec<SqlStorageValue>) -> Result<()> {
        self.rows(statement, parameters).map(drop)
    }

    /// Runs `work` in a transaction, which is rolled back if any part fails.
    pub fn transaction(&self, mut work: impl FnMut() -> Result<()>) -> Result<()> {
        let mut work = || work().map_err(JsValue::from);
        Ok(self.storage.transaction_sync(&mut work)?)
    }

    /// Sets the object's alarm, in milliseconds since 1970. It becomes durable with the writes of this turn, so the
    /// promise is not awaited.
    pub fn set_alarm(&self, milliseconds: u64) -> Result<()> {
        let _ = self.storage.set_alarm(milliseconds as f64)?;
        Ok(())
    }

    /// Deletes the alarm.
    pub fn delete_alarm(&self) -> Result<()> {
        let _ = self.storage.delete_alarm()?;
        Ok(())
    }

    /// Deletes everything, also tables and alarm.
    pub fn delete_all(&self) -> Result<()> {
        let _ = self.storage.delete_all()?;
        Ok(())
    }

    /// The number of rows read and written since the last call.
    pub fn take_rows(&self) -> [u64; 2] {
        self.rows.take()
    }
}
