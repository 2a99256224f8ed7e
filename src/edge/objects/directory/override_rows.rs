//! The tables of an environment's overrides.

use worker::{Result, SqlStorageValue};

use crate::document::{FeatureState, Identifier};
use crate::edge::objects::directory::rows::number;
use crate::edge::platform::sqlite::Database;
use crate::identity::directory::{DirectoryOverride, Overrides, OverridesQuery};

/// Identifiers compare as bytes, which is their order as UTF-8.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS override (feature_id INTEGER NOT NULL, identifier TEXT NOT NULL, uuid TEXT NOT NULL,
        created_date TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (feature_id, identifier)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS override_by_identifier ON override (identifier, position);
    CREATE TABLE IF NOT EXISTS version (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS total AS SELECT coalesce(sum(length(CAST(identifier || state AS BLOB)) + 100), 0) AS length FROM override";

/// The size of a row beyond its two texts, as in the schema.
const ROW_LENGTH: usize = 100;
/// The length in bytes after which a page ends.
const PAGE_LENGTH: usize = 2 * 1024 * 1024;

const ROWS_OF: &str = "SELECT uuid, created_date, state FROM override WHERE identifier = ? ORDER BY position";
const COUNT_CHANGE: &str =
    "INSERT INTO version VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = version + 1";
/// The platform returns numbers as floats.
const SET_TOTAL: &str = "UPDATE total SET length = CAST(length + ? AS INTEGER)";
/// The identity's number in a Flagsmith's database is a member of the state's JSON. An earlier version of the worker
/// writes rows of six values, and ignores unknown members.
const OVERRIDE: &str = "json_object('identifier', identifier, 'uuid', uuid, 'created_date', created_date,
    'django_id', state -> '$.identity_django_id', 'state', json(state))";

/// Sets an identity's overrides. The version grows only if the overrides differ.
pub fn set(
    sql: &Database,
    identifier: &Identifier,
    uuid: &str,
    created_date: &str,
    django_id: Option<i64>,
    states: &[FeatureState],
) -> Result<()> {
    let length = |rows: &[Vec<SqlStorageValue>]| -> i64 {
        let text = rows.iter().filter_map(|row| match row.last() {
            Some(SqlStorageValue::String(state)) => Some(identifier.len() + state.len() + ROW_LENGTH),
            _ => None,
        });
        text.sum::<usize>() as i64
    };
    let before = sql.rows(ROWS_OF, vec![identifier.as_str().into()])?;
    let row = |state| {
        let mut text = serde_json::to_string(state)?;
        if let Some(id) = django_id {
            text.truncate(text.len().saturating_sub(1));
            text.push_str(&format!(",\"identity_django_id\":{id}}}"));
        }
        Ok(vec![uuid.into(), created_date.into(), text.into()])
    };
    let after: Vec<Vec<SqlStorageValue>> = states.iter().map(row).collect::<Result<_>>()?;
    if before == after {
        return Ok(());
    }
    let grown = length(&after) - length(&before);
    sql.execute("DELETE FROM override WHERE identifier = ?", vec![identifier.as_str().into()])?;
    for ((position, row), state) in (0_u64..).zip(after).zip(states) {
        let whose = [state.feature.id.into(), identifier.as_str().into()];
        let [uuid, created_date, state]: [_; 3] =
            row.try_into().map_err(|_| worker::Error::from("a row does not have three values"))?;
        let values = whose.into_iter().chain([uuid, created_date, number(position), state]).collect();
        sql.execute("INSERT OR REPLACE INTO override VALUES (?, ?, ?, ?, ?, ?)", values)?;
    }
    sql.execute(SET_TOTAL, vec![grown.into()])?;
    sql.execute(COUNT_CHANGE, vec![])
}

/// The size of all overrides in bytes.
pub fn length(sql: &Database) -> Result<u64> {
    Ok(sql.read("SELECT json_quote(length) FROM total", vec![])?.first().copied().unwrap_or(0))
}

/// A page of overrides.
pub fn page(sql: &Database, query: OverridesQuery) -> Result<Overrides> {
    let version = sql.read("SELECT json_quote(version) FROM version", vec![])?.first().copied().unwrap_or(0);
    if query.known == Some(version) {
        return Ok(Overrides { version, ..Overrides::default() });
    }
    let after = query.after.unwrap_or_default();
    let (condition, values) = match query.feature {
        None => ("identifier > ? ORDER BY identifier, position", vec![after.as_str().into()]),
        Some(feature) => (
            "feature_id = ? AND identifier > ? ORDER BY identifier",
            vec![feature.into(), after.as_str().into()],
        ),
    };
    let statement = format!("SELECT {OVERRIDE} FROM override WHERE {condition}");
    let mut length = 0;
    let mut page: Vec<DirectoryOverride> = Vec::new();
    let mut next = None;
    sql.for_each_json(&statement, values, |text| {
        let known: DirectoryOverride = serde_json::from_str(text)?;
        let last = page.last().map(|last| &last.identifier);
        if length > PAGE_LENGTH && last.is_some_and(|last| *last != known.identifier) {
            next = last.cloned();
            return Ok(false);
        }
        length += text.len();
        page.push(known);
        Ok(true)
    })?;
    Ok(Overrides { version, overrides: Some(page), next })
}
