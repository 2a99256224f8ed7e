//! The object that keeps one identity: named `{environment key}_{identifier}`, one SQLite database each.
//!
//! A command is applied in one synchronous turn: nothing is awaited between reading the state and writing it, so
//! commands take effect one after the other. The platform holds the answer back until the rows are durable.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::RefCell;

use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::{
    DurableObject, Env, Request, Response, Result, SqlStorage, SqlStorageValue, State, durable_object,
};

use crate::identity::{Change, Command, Identity, Refusal, Traits};

#[wasm_bindgen]
extern "C" {
    /// The platform's storage, for the one method that its bindings leave out.
    pub type Transactions;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub fn transaction_sync(
        this: &Transactions,
        write: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;
}

/// One identity.
#[durable_object(fetch)]
pub struct IdentityObject {
    sql: SqlStorage,
    transactions: Transactions,
    /// The state, once it has been read.
    identity: RefCell<Option<Identity>>,
}

impl DurableObject for IdentityObject {
    fn new(state: State, _env: Env) -> IdentityObject {
        let storage = state.storage();
        let transactions = JsValue::from(storage.as_raw()).unchecked_into();
        IdentityObject { sql: storage.sql(), transactions, identity: RefCell::new(None) }
    }

    /// Nobody's way in: commands come by [`IdentityObject::carry_out`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }
}

#[wasm_bindgen]
impl IdentityObject {
    /// Takes a [`Command`], gives `Result<Identity, Refusal>`, both as JSON.
    ///
    /// A method that the platform calls by name, and that answers without a promise: a request and a response, each
    /// with its body to be waited for, cost more than the work.
    #[wasm_bindgen(js_name = carryOut)]
    pub fn carry_out(&self, command: &str) -> std::result::Result<String, JsValue> {
        let outcome =
            serde_json::from_str(command).map_err(Into::into).and_then(|command| self.apply(command));
        outcome.and_then(|outcome| Ok(serde_json::to_string(&outcome)?)).map_err(JsValue::from)
    }
}

/// The traits' values are JSON texts: SQL's numbers would lose whole numbers beyond 2^53.
const SCHEMA: &str = "
    CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1));
    CREATE TABLE trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID;
    INSERT INTO identity (id) VALUES (1);";
const IS_THERE: &str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'identity'";
const READ: &str = "SELECT trait_key, trait_value FROM trait";
/// How many traits are written at once. A text bound to a statement may have 2 MB; a trait of 2,000 characters has
/// some 24 kB in the worst spelling of its worst characters.
const ROWS_A_STATEMENT: usize = 64;
/// Takes a JSON list of pairs.
const SET: &str = "
    INSERT INTO trait (trait_key, trait_value)
    SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT (trait_key) DO UPDATE SET trait_value = excluded.trait_value";
/// Takes a JSON list of keys.
const DELETE: &str = "DELETE FROM trait WHERE trait_key IN (SELECT value FROM json_each(?))";

impl IdentityObject {
    fn apply(&self, command: Command) -> Result<Result<Identity, Refusal>> {
        let mut identity = match self.identity.take() {
            Some(identity) => identity,
            None => self.read()?,
        };
        match identity.apply(command) {
            Ok(change) => {
                // If this fails, what is in memory is dropped, and the next command reads what was really stored.
                self.write(&identity.traits, &change)?;
                self.identity.replace(Some(identity.clone()));
                Ok(Ok(identity))
            }
            Err(refusal) => {
                self.identity.replace(Some(identity));
                Ok(Err(refusal))
            }
        }
    }

    /// An identity that was never written has no tables, and reading it makes none.
    fn read(&self) -> Result<Identity> {
        let mut identity = Identity { exists: !self.rows(IS_THERE)?.is_empty(), traits: Traits::new() };
        if identity.exists {
            for row in self.rows(READ)? {
                if let [SqlStorageValue::String(key), SqlStorageValue::String(value)] = row.as_slice() {
                    identity.traits.insert(key.as_str().into(), serde_json::from_str(value)?);
                }
            }
        }
        Ok(identity)
    }

    fn rows(&self, query: &str) -> Result<Vec<Vec<SqlStorageValue>>> {
        self.sql.exec(query, None)?.raw().collect()
    }

    /// Writes what has changed: all of it or, if any of it fails, nothing.
    fn write(&self, traits: &Traits, change: &Change) -> Result<()> {
        if *change == Change::default() {
            return Ok(());
        }
        let mut write = || self.write_rows(traits, change).map_err(JsValue::from);
        Ok(self.transactions.transaction_sync(&mut write)?)
    }

    fn write_rows(&self, traits: &Traits, change: &Change) -> Result<()> {
        if change.created {
            self.sql.exec(SCHEMA, None)?;
        }
        for keys in change.deleted.chunks(ROWS_A_STATEMENT) {
            self.sql.exec(DELETE, vec![serde_json::to_string(keys)?.into()])?;
        }
        for keys in change.set.chunks(ROWS_A_STATEMENT) {
            let pair = |key| Ok((key, serde_json::to_string(&traits.get(key))?));
            let pairs: Vec<(&Box<str>, String)> = keys.iter().map(pair).collect::<Result<_>>()?;
            self.sql.exec(SET, vec![serde_json::to_string(&pairs)?.into()])?;
        }
        Ok(())
    }
}
