//! An object of an environment's directory: a shard of its entries, or all of its overrides.
//!
//! It is told by identities' objects and knows nothing else. What it is told twice, or too late, changes nothing. Of
//! an identity that is no more it keeps a hash for an hour, so that tidings that were on their way do not bring it
//! back.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;

use super::clock::milliseconds;
use sha2::{Digest, Sha256};
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{
    DurableObject, Env, Request as WebRequest, Response, Result, SqlStorageValue, State, durable_object,
};

use super::database::Database;
use crate::document::FeatureState;
use crate::identity::directory::{Column, Entry, Override, Overrides, Query, Request, Tidings};

/// A part of a directory.
#[durable_object(fetch)]
pub struct DirectoryObject {
    sql: Database,
    /// Whether its tables are known to be there.
    ready: Cell<bool>,
}

impl DurableObject for DirectoryObject {
    fn new(state: State, _env: Env) -> DirectoryObject {
        DirectoryObject { sql: Database::of(&state.storage()), ready: Cell::new(false) }
    }

    /// Nobody's way in: requests come by [`DirectoryObject::answer`].
    async fn fetch(&self, _request: WebRequest) -> Result<Response> {
        Response::error("Not found.", 404)
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

/// Identifiers compare as bytes, which is their order as UTF-8. Whoever has an alias is found by it in the same way.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (identifier TEXT PRIMARY KEY, uuid TEXT NOT NULL, alias TEXT,
        sequence INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_by_uuid ON entry (uuid);
    CREATE INDEX IF NOT EXISTS entry_by_alias ON entry (alias, identifier) WHERE alias IS NOT NULL;
    CREATE TABLE IF NOT EXISTS override (feature_id INTEGER NOT NULL, identifier TEXT NOT NULL, uuid TEXT NOT NULL,
        created_date TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (feature_id, identifier)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS override_by_identifier ON override (identifier, position);
    CREATE TABLE IF NOT EXISTS heard (of TEXT PRIMARY KEY, sequence INTEGER NOT NULL, gone_at INTEGER) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS heard_by_gone_at ON heard (gone_at) WHERE gone_at IS NOT NULL;
    CREATE TABLE IF NOT EXISTS version (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)";
const TABLES: &str = "SELECT json_quote(name) FROM sqlite_master WHERE type = 'table' AND name = 'entry'";

/// For how long it is remembered that somebody is gone, in milliseconds.
const GONE_FOR: u64 = 3_600_000;

const HEARD: &str = "SELECT json_quote(sequence) FROM heard WHERE of = ?";
const HEAR: &str = "
    INSERT INTO heard VALUES (?, ?, ?)
    ON CONFLICT (of) DO UPDATE SET sequence = excluded.sequence, gone_at = excluded.gone_at";
const FORGET: &str = "DELETE FROM heard WHERE gone_at < ?";
const ENTRY_SEQUENCE: &str = "SELECT json_quote(sequence) FROM entry WHERE identifier = ?";
const SET_ENTRY: &str = "
    INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (identifier) DO UPDATE SET uuid = excluded.uuid,
        alias = excluded.alias, sequence = excluded.sequence";
const ENTRY: &str = "json_object('identifier', identifier, 'uuid', uuid, 'alias', alias)";
const OVERRIDE: &str =
    "json_object('identifier', identifier, 'uuid', uuid, 'created_date', created_date, 'state', json(state))";

impl DirectoryObject {
    fn respond(&self, request: &str) -> Result<String> {
        let request: Request = serde_json::from_str(request)?;
        if !self.ready.get() {
            // What was never told anything has no tables, and asking it makes none.
            let asked = !matches!(request, Request::Tell(_));
            if asked && self.sql.read::<String>(TABLES, vec![])?.is_empty() {
                return nothing(&request);
            }
            self.sql.execute(SCHEMA, vec![])?;
            self.ready.set(true);
        }
        let answer = match request {
            Request::Tell(tidings) => {
                self.sql.at_once(|| self.hear(&tidings))?;
                "null".to_owned()
            }
            Request::Find(query) => serde_json::to_string(&self.find(&query)?)?,
            Request::Resolve(uuid) => {
                let query = format!("SELECT {ENTRY} FROM entry WHERE uuid = ? LIMIT 1");
                serde_json::to_string(&self.sql.read::<Entry>(&query, vec![(&*uuid).into()])?.pop())?
            }
            Request::Overrides(feature) => {
                let overrides = Some(self.overrides(feature)?);
                serde_json::to_string(&Overrides { version: self.version()?, overrides })?
            }
            Request::OverridesSince(known) => {
                let version = self.version()?;
                let overrides = if known == Some(version) { None } else { Some(self.overrides(None)?) };
                serde_json::to_string(&Overrides { version, overrides })?
            }
        };
        Ok(answer)
    }

    fn hear(&self, tidings: &Tidings) -> Result<()> {
        let now = milliseconds();
        match tidings {
            Tidings::Entry { identifier, sequence, entry } => {
                let known = self.sql.read::<u64>(ENTRY_SEQUENCE, vec![(&**identifier).into()])?;
                if known.first().is_some_and(|known| known >= sequence)
                    || self.heard(identifier, *sequence)?
                {
                    return Ok(());
                }
                match entry {
                    Some(entry) => self.sql.execute(
                        SET_ENTRY,
                        vec![
                            (&**identifier).into(),
                            (&*entry.uuid).into(),
                            entry.alias.as_deref().into(),
                            number(*sequence),
                        ],
                    ),
                    None => {
                        self.sql.execute(
                            "DELETE FROM entry WHERE identifier = ?",
                            vec![(&**identifier).into()],
                        )?;
                        self.note(identifier, *sequence, Some(now))
                    }
                }?;
            }
            Tidings::Overrides { identifier, sequence, uuid, created_date, states } => {
                if self.heard(identifier, *sequence)? {
                    return Ok(());
                }
                self.sql
                    .execute("DELETE FROM override WHERE identifier = ?", vec![(&**identifier).into()])?;
                for (position, state) in states.iter().enumerate() {
                    self.add_override([identifier, uuid, created_date], position, state)?;
                }
                self.note(identifier, *sequence, states.is_empty().then_some(now))?;
                let count =
                    "INSERT INTO version VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = version + 1";
                self.sql.execute(count, vec![])?;
            }
        }
        self.sql.execute(FORGET, vec![number(now.saturating_sub(GONE_FOR))])
    }

    fn add_override(&self, whose: [&str; 3], position: usize, state: &FeatureState) -> Result<()> {
        let [identifier, uuid, created_date] = whose;
        let values = vec![
            state.feature.id.into(),
            identifier.into(),
            uuid.into(),
            created_date.into(),
            number(position as u64),
            serde_json::to_string(state)?.into(),
        ];
        self.sql.execute("INSERT OR REPLACE INTO override VALUES (?, ?, ?, ?, ?, ?)", values)
    }

    /// Whether something as late was heard of an identity.
    fn heard(&self, identifier: &str, sequence: u64) -> Result<bool> {
        let known = self.sql.read::<u64>(HEARD, vec![hash(identifier).into()])?;
        Ok(known.first().is_some_and(|known| *known >= sequence))
    }

    /// Remembers how late the last was that was heard; for a while only, if there is nothing left to know.
    fn note(&self, identifier: &str, sequence: u64, gone_at: Option<u64>) -> Result<()> {
        self.sql.execute(HEAR, vec![hash(identifier).into(), number(sequence), gone_at.map(number).into()])
    }

    fn version(&self) -> Result<u64> {
        let version = self.sql.read("SELECT json_quote(version) FROM version", vec![])?;
        Ok(version.first().copied().unwrap_or(0))
    }

    fn overrides(&self, feature: Option<i64>) -> Result<Vec<Override>> {
        match feature {
            None => self
                .sql
                .read(&format!("SELECT {OVERRIDE} FROM override ORDER BY identifier, position"), vec![]),
            Some(feature) => {
                let query =
                    format!("SELECT {OVERRIDE} FROM override WHERE feature_id = ? ORDER BY identifier");
                self.sql.read(&query, vec![feature.into()])
            }
        }
    }

    /// One lower bound, so that the page begins where the index is entered.
    fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        let (mut statement, column, order) = match query.column {
            Column::Identifier => (format!("SELECT {ENTRY} FROM entry WHERE "), "identifier", "identifier"),
            // Said although it follows: the index has no others.
            Column::Alias => {
                let statement = format!("SELECT {ENTRY} FROM entry WHERE alias IS NOT NULL AND ");
                (statement, "alias", "alias, identifier")
            }
        };
        let after = query.after.as_ref().filter(|after| after.text() >= &*query.from);
        let mut values: Vec<SqlStorageValue> = match after.map(|after| (&after.alias, &after.identifier)) {
            None => {
                statement.extend([column, " >= ?"]);
                vec![(&*query.from).into()]
            }
            Some((None, identifier)) => {
                statement.push_str("identifier > ?");
                vec![(&**identifier).into()]
            }
            Some((Some(alias), identifier)) => {
                statement.push_str("(alias, identifier) > (?, ?)");
                vec![(&**alias).into(), (&**identifier).into()]
            }
        };
        if let Some(until) = &query.until {
            statement.extend([" AND ", column, " < ?"]);
            values.push((&**until).into());
        }
        statement.extend([" ORDER BY ", order, " LIMIT ?"]);
        values.push(number(query.limit as u64));
        self.sql.read(&statement, values)
    }
}

/// What an object answers that was never told anything.
fn nothing(request: &Request) -> Result<String> {
    Ok(match request {
        Request::Tell(_) | Request::Resolve(_) => "null".to_owned(),
        Request::Find(_) => "[]".to_owned(),
        Request::Overrides(_) | Request::OverridesSince(_) => {
            serde_json::to_string(&Overrides { version: 0, overrides: Some(Vec::new()) })?
        }
    })
}

fn number(number: u64) -> SqlStorageValue {
    SqlStorageValue::from(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Hex SHA-256: names somebody without saying who it is.
fn hash(identifier: &str) -> String {
    Sha256::digest(identifier).iter().map(|byte| format!("{byte:02x}")).collect()
}
