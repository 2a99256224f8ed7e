//! An object of an environment's directory: a shard of its entries, or all of its overrides.
//!
//! It is told by identities' objects and knows nothing else. What it is told twice, or too late, changes nothing. Of
//! an identity that is no more it keeps a hash for an hour, so that tidings that were on their way do not bring it
//! back.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request as WebRequest, Response, Result, State, durable_object};

use crate::edge::objects::directory::override_rows;
use crate::edge::objects::directory::rows as directory_rows;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::sqlite::Database;
use crate::identity::directory::{DirectoryUpdate, Overrides, Request};

/// A part of a directory.
#[durable_object(alarm)]
pub struct DirectoryObject {
    sql: Database,
    /// Whether its tables are known to be there.
    ready: Cell<bool>,
    /// Whether the alarm is set, as far as this life of the object knows.
    alarmed: Cell<bool>,
}

impl DurableObject for DirectoryObject {
    fn new(state: State, _env: Env) -> DirectoryObject {
        DirectoryObject {
            sql: Database::of(&state.storage()),
            ready: Cell::default(),
            alarmed: Cell::default(),
        }
    }

    /// Nobody's way in: requests come by [`DirectoryObject::answer`].
    async fn fetch(&self, _request: WebRequest) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Forgets who has been gone for long, also where nobody tells it anything.
    async fn alarm(&self) -> Result<Response> {
        self.alarmed.set(false);
        directory_rows::delete_tombstones(&self.sql, now_ms().saturating_sub(TOMBSTONE_TTL_MS))?;
        self.set_alarm()?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl DirectoryObject {
    /// Takes a [`Request`] and gives what it says, and the rows that were read and written, both as JSON.
    pub fn answer(&self, request: &str) -> std::result::Result<String, JsValue> {
        let answer = self.respond(request).map_err(JsValue::from)?;
        let [read, written] = self.sql.take_rows();
        Ok(format!("{{\"answer\":{answer},\"rows\":[{read},{written}]}}"))
    }
}

const TABLES: &str = "SELECT json_quote(name) FROM sqlite_master WHERE type = 'table' AND name = 'entry'";

/// For how long it is remembered that somebody is gone, in milliseconds.
const TOMBSTONE_TTL_MS: u64 = 3_600_000;

impl DirectoryObject {
    fn respond(&self, request: &str) -> Result<String> {
        let request: Request = serde_json::from_str(request)?;
        if !self.ready.get() {
            // What was never told anything has no tables, and asking it makes none.
            let asked = !matches!(request, Request::Update(_));
            if asked && self.sql.read::<String>(TABLES, vec![])?.is_empty() {
                return nothing(&request);
            }
            self.sql.execute(directory_rows::SCHEMA, vec![])?;
            self.sql.execute(override_rows::SCHEMA, vec![])?;
            self.ready.set(true);
        }
        let answer = match request {
            Request::Update(update) => {
                self.sql.transaction(|| self.apply_update(&update))?;
                self.set_alarm()?;
                "null".to_owned()
            }
            Request::Find(query) => serde_json::to_string(&directory_rows::find(&self.sql, &query)?)?,
            Request::Resolve(uuids) => serde_json::to_string(&directory_rows::resolve(&self.sql, &uuids)?)?,
            Request::Count => directory_rows::count(&self.sql)?.to_string(),
            Request::CountWithoutDjangoId => directory_rows::count_without_django_id(&self.sql)?.to_string(),
            Request::Overrides(query) => serde_json::to_string(&override_rows::page(&self.sql, query)?)?,
            Request::OverridesLength => override_rows::length(&self.sql)?.to_string(),
        };
        Ok(answer)
    }

    /// Sets the alarm for the one who has been gone for longest, if there is one and it is not set.
    fn set_alarm(&self) -> Result<()> {
        if self.alarmed.get() {
            return Ok(());
        }
        let Some(first) = directory_rows::oldest_tombstone(&self.sql)? else { return Ok(()) };
        self.sql.set_alarm(first + TOMBSTONE_TTL_MS)?;
        self.alarmed.set(true);
        Ok(())
    }

    fn apply_update(&self, update: &DirectoryUpdate) -> Result<()> {
        let now = now_ms();
        match update {
            DirectoryUpdate::Entry { identifier, sequence, entry } => {
                directory_rows::set(&self.sql, identifier, *sequence, entry.as_ref(), now)?;
            }
            DirectoryUpdate::Overrides { identifier, sequence, uuid, created_date, django_id, states } => {
                if directory_rows::is_stale_update(&self.sql, identifier, *sequence)? {
                    return Ok(());
                }
                override_rows::set(&self.sql, identifier, uuid, created_date, *django_id, states)?;
                directory_rows::record_sequence(
                    &self.sql,
                    identifier,
                    *sequence,
                    states.is_empty().then_some(now),
                )?;
            }
        }
        directory_rows::delete_tombstones(&self.sql, now.saturating_sub(TOMBSTONE_TTL_MS))
    }
}

/// What an object answers that was never told anything.
fn nothing(request: &Request) -> Result<String> {
    Ok(match request {
        Request::Update(_) => "null".to_owned(),
        Request::Find(_) | Request::Resolve(_) => "[]".to_owned(),
        Request::Overrides(_) => {
            serde_json::to_string(&Overrides { overrides: Some(Vec::new()), ..Overrides::default() })?
        }
        Request::OverridesLength | Request::Count | Request::CountWithoutDjangoId => "0".to_owned(),
    })
}
