//! The announcement of changed overrides to event streams. It is stored with the change, and deleted when streams have got it.

use std::cell::Cell;
use std::rc::Rc;

use worker::{Env, Result, SqlStorageValue};

use crate::document::ClientKey;
use crate::edge::objects::stream::client::{self as streams, StreamedChange};
use crate::edge::platform::clock::now_ms;
use flagsmith_edge_platform::sqlite::Database;

/// The table, in the object with an environment's overrides.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS unannounced
        (id INTEGER PRIMARY KEY CHECK (id = 1), client_key TEXT NOT NULL, changes INTEGER NOT NULL)";
const RECORD: &str =
    "INSERT INTO unannounced VALUES (1, ?, 1) ON CONFLICT (id) DO UPDATE SET changes = changes + 1";
const READ: &str = "SELECT client_key, json_quote(changes) FROM unannounced";
const DELETE: &str = "DELETE FROM unannounced WHERE changes = CAST(? AS INTEGER)";

/// The number of announcements of one attempt: changes may come while one is on its way.
const MAX_ANNOUNCEMENTS: usize = 10;

/// Records a change, in its transaction.
pub fn record(sql: &Database, client_key: &ClientKey) -> Result<()> {
    sql.execute(RECORD, vec![client_key.as_str().into()])
}

/// True if streams have yet to get a change.
pub fn is_due(sql: &Database) -> Result<bool> {
    Ok(!sql.rows(READ, vec![])?.is_empty())
}

/// Announces the changes so far, unless that is under way. Many changes may be one announcement. A failure is logged, and
/// the change stays recorded.
pub async fn send(env: Env, sql: Database, is_sending: Rc<Cell<bool>>) {
    if is_sending.replace(true) {
        return;
    }
    for _ in 0..MAX_ANNOUNCEMENTS {
        if !matches!(send_once(&env, &sql).await, Ok(true)) {
            break;
        }
    }
    is_sending.set(false);
}

/// Returns true if there may be a later change.
async fn send_once(env: &Env, sql: &Database) -> Result<bool> {
    let row = sql.rows(READ, vec![])?.concat();
    let [SqlStorageValue::String(client_key), SqlStorageValue::String(changes)] = row.as_slice() else {
        return Ok(false);
    };
    let client_key = ClientKey::unchecked(client_key);
    let change = StreamedChange { version: String::new(), sequence: now_ms(), updated_at: 0.0 };
    if let Err(failure) = streams::announce(env, &client_key, &change).await {
        failure.log(Some(&client_key));
        return Ok(false);
    }
    sql.execute(DELETE, vec![changes.as_str().into()])?;
    Ok(true)
}
