//! An object of an environment's directory: a shard of its entries, or all of its overrides.
//!
//! All of its data comes from updates by identities' objects. A repeated or late update changes nothing. It keeps a
//! hash of each deleted identity for an hour, so that no late update restores the identity.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::edge::objects::directory::override_rows;
use crate::edge::objects::directory::rows as directory_rows;
use crate::edge::platform::clock::now_ms;
use crate::identity::directory::{DirectoryRequest, DirectoryUpdate, Overrides};
use flagsmith_edge_platform::sqlite::Database;

/// A part of a directory.
#[durable_object(alarm)]
pub struct DirectoryObject {
    sql: Database,
    /// True if this instance has found or created the tables.
    ready: Cell<bool>,
    /// True if this instance has set the alarm.
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

    /// Refuses requests: they come by [`DirectoryObject::answer`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Deletes expired tombstones, also if no more updates arrive.
    async fn alarm(&self) -> Result<Response> {
        self.alarmed.set(false);
        directory_rows::delete_tombstones(&self.sql, now_ms().saturating_sub(TOMBSTONE_TTL_MS))?;
        self.set_alarm()?;
        Response::empty()
    }
}

#[wasm_bindgen]
impl DirectoryObject {
    /// Answers a [`DirectoryRequest`] in JSON, with the answer and the numbers of rows read and written.
    pub fn answer(&self, request: &str) -> std::result::Result<String, JsValue> {
        let answer = self.respond(request).map_err(JsValue::from)?;
        let [read, written] = self.sql.take_rows();
        Ok(format!("{{\"answer\":{answer},\"rows\":[{read},{written}]}}"))
    }
}

/// The lifetime of a tombstone in milliseconds.
const TOMBSTONE_TTL_MS: u64 = 3_600_000;

impl DirectoryObject {
    fn respond(&self, request: &str) -> Result<String> {
        let request: DirectoryRequest = serde_json::from_str(request)?;
        if !self.ready.get() {
            // Without any update there are no tables, and a read creates none.
            let asked = !matches!(request, DirectoryRequest::Update(_));
            if asked && !self.sql.has("entry")? {
                return nothing(&request);
            }
            self.sql.execute(directory_rows::SCHEMA, vec![])?;
            self.sql.execute(override_rows::SCHEMA, vec![])?;
            self.ready.set(true);
        }
        let answer = match request {
            DirectoryRequest::Update(update) => {
                self.sql.transaction(|| self.apply_update(&update))?;
                self.set_alarm()?;
                "null".to_owned()
            }
            DirectoryRequest::Find(query) => {
                serde_json::to_string(&directory_rows::find(&self.sql, &query)?)?
            }
            DirectoryRequest::Resolve(uuids) => {
                serde_json::to_string(&directory_rows::resolve(&self.sql, &uuids)?)?
            }
            DirectoryRequest::Count => directory_rows::count(&self.sql)?.to_string(),
            DirectoryRequest::CountWithoutDjangoId => {
                directory_rows::count_without_django_id(&self.sql)?.to_string()
            }
            DirectoryRequest::Overrides(query) => {
                serde_json::to_string(&override_rows::page(&self.sql, query)?)?
            }
            DirectoryRequest::OverridesLength => override_rows::length(&self.sql)?.to_string(),
        };
        Ok(answer)
    }

    /// Sets the alarm for the oldest tombstone, if there is one and the alarm is not set.
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

/// The answer of an object without any update.
fn nothing(request: &DirectoryRequest) -> Result<String> {
    Ok(match request {
        DirectoryRequest::Update(_) => "null".to_owned(),
        DirectoryRequest::Find(_) | DirectoryRequest::Resolve(_) => "[]".to_owned(),
        DirectoryRequest::Overrides(_) => {
            serde_json::to_string(&Overrides { overrides: Some(Vec::new()), ..Overrides::default() })?
        }
        DirectoryRequest::OverridesLength
        | DirectoryRequest::Count
        | DirectoryRequest::CountWithoutDjangoId => "0".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::identity::directory::{DirectoryQuery, Entry, OverridesQuery};

    /// Each answer is read as the client reads it.
    #[wasm_bindgen_test]
    fn an_object_without_any_update_has_nothing() {
        let find = nothing(&DirectoryRequest::Find(DirectoryQuery::search("", 10))).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Entry>>(&find).unwrap(), []);
        let resolved = nothing(&DirectoryRequest::Resolve(vec!["u".into()])).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Entry>>(&resolved).unwrap(), []);
        for request in [
            DirectoryRequest::Count,
            DirectoryRequest::CountWithoutDjangoId,
            DirectoryRequest::OverridesLength,
        ] {
            assert_eq!(serde_json::from_str::<u64>(&nothing(&request).unwrap()).unwrap(), 0, "{request:?}");
        }
        let overrides = nothing(&DirectoryRequest::Overrides(OverridesQuery::default())).unwrap();
        let none = Overrides { version: 0, overrides: Some(vec![]), next: None };
        assert_eq!(serde_json::from_str::<Overrides>(&overrides).unwrap(), none);
    }
}
