//! An object of an environment's directory: a shard of its entries, or all of its overrides.
//!
//! All of its data comes from updates by identities' objects. A repeated or late update changes nothing. It keeps a
//! hash of each deleted identity for an hour, so that no late update restores the identity.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;
use std::rc::Rc;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::document::ClientKey;
use crate::edge::objects::directory::announcement;
use crate::edge::objects::directory::client::OVERRIDES_SUFFIX;
use crate::edge::objects::directory::override_rows;
use crate::edge::objects::directory::rows as directory_rows;
use crate::edge::platform::clock::now_ms;
use crate::identity::directory::{DirectoryRequest, DirectoryUpdate, Overrides};
use flagsmith_edge_platform::sqlite::Database;

/// A part of a directory.
#[durable_object(alarm)]
pub struct DirectoryObject {
    env: Env,
    state: State,
    sql: Database,
    /// True if this instance has found or created the tables.
    ready: Cell<bool>,
    /// True if this object has the table of announcements, as that with an environment's overrides does.
    has_announcements: Cell<bool>,
    /// The time of the alarm in milliseconds, if this instance has set it.
    alarm_at: Cell<Option<u64>>,
    /// True while event streams are being told of a change.
    is_announcing: Rc<Cell<bool>>,
}

impl DurableObject for DirectoryObject {
    fn new(state: State, env: Env) -> DirectoryObject {
        let sql = Database::of(&state.storage());
        let (ready, has_announcements, alarm_at, is_announcing) = Default::default();
        DirectoryObject { env, state, sql, ready, has_announcements, alarm_at, is_announcing }
    }

    /// Refuses requests: they come by [`DirectoryObject::answer`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Deletes expired tombstones, also if no more updates arrive, and announces changes that event streams have not got.
    async fn alarm(&self) -> Result<Response> {
        self.alarm_at.set(None);
        self.has_announcements.set(self.sql.has("unannounced")?);
        directory_rows::delete_tombstones(&self.sql, now_ms().saturating_sub(TOMBSTONE_TTL_MS))?;
        if self.has_announcements.get() {
            self.announce().await;
        }
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
/// The pause after a failed announcement in milliseconds.
const ANNOUNCE_WAIT_MS: u64 = 5_000;

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
            if self.client_key().is_some() {
                self.sql.execute(announcement::SCHEMA, vec![])?;
                self.has_announcements.set(true);
            }
            self.ready.set(true);
        }
        let answer = match request {
            DirectoryRequest::Update(update) => {
                let mut changes_overrides = false;
                self.sql.transaction(|| {
                    changes_overrides = self.apply_update(&update)?;
                    Ok(())
                })?;
                self.set_alarm()?;
                if changes_overrides {
                    let announcing = self.announce();
                    self.state.wait_until(announcing);
                }
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

    /// Tells event streams of changed overrides. The future has its own access to the storage, so that it can outlast the
    /// request.
    fn announce(&self) -> impl Future<Output = ()> + use<> {
        let sql = Database::of(&self.state.storage());
        announcement::send(self.env.clone(), sql, self.is_announcing.clone())
    }

    /// Sets the alarm for the oldest tombstone or an announcement, unless it is set for that time or an earlier one.
    fn set_alarm(&self) -> Result<()> {
        let is_due = self.has_announcements.get() && announcement::is_due(&self.sql)?;
        let announces_at = is_due.then(|| now_ms() + ANNOUNCE_WAIT_MS);
        let set_at = self.alarm_at.get();
        if announces_at.is_none() && set_at.is_some() {
            return Ok(());
        }
        let expires_at = directory_rows::oldest_tombstone(&self.sql)?.map(|first| first + TOMBSTONE_TTL_MS);
        let Some(at) = [announces_at, expires_at].into_iter().flatten().min() else { return Ok(()) };
        if set_at.is_none_or(|set_at| at < set_at) {
            self.sql.set_alarm(at)?;
            self.alarm_at.set(Some(at));
        }
        Ok(())
    }

    /// Returns true if overrides have changed.
    fn apply_update(&self, update: &DirectoryUpdate) -> Result<bool> {
        let now = now_ms();
        let mut has_changed = false;
        match update {
            DirectoryUpdate::Entry { identifier, sequence, entry } => {
                directory_rows::set(&self.sql, identifier, *sequence, entry.as_ref(), now)?;
            }
            DirectoryUpdate::Overrides { identifier, sequence, uuid, created_date, django_id, states } => {
                if directory_rows::is_stale_update(&self.sql, identifier, *sequence)? {
                    return Ok(false);
                }
                has_changed =
                    override_rows::set(&self.sql, identifier, uuid, created_date, *django_id, states)?;
                if has_changed && let Some(client_key) = self.client_key() {
                    announcement::record(&self.sql, &client_key)?;
                }
                directory_rows::record_sequence(
                    &self.sql,
                    identifier,
                    *sequence,
                    states.is_empty().then_some(now),
                )?;
            }
        }
        directory_rows::delete_tombstones(&self.sql, now.saturating_sub(TOMBSTONE_TTL_MS))?;
        Ok(has_changed)
    }

    /// The environment's client key, from this object's name.
    fn client_key(&self) -> Option<ClientKey> {
        let name = self.state.id().name()?;
        name.strip_suffix(OVERRIDES_SUFFIX).map(ClientKey::unchecked)
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
