//! The tables of an environment's overrides.

use worker::{Result, SqlStorageValue};

use crate::document::{FeatureState, Identifier};
use crate::edge::objects::directory::rows::number;
use crate::identity::directory::{DirectoryOverride, Overrides, OverridesQuery};
use flagsmith_edge_platform::sqlite::Database;

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
/// The identity's number in a Flagsmith's database is a member of the state's JSON. There is no column for the number,
/// since an earlier version of the worker writes rows of six values. That version ignores unknown members of the JSON.
const OVERRIDE: &str = "json_object('identifier', identifier, 'uuid', uuid, 'created_date', created_date,
    'django_id', state -> '$.identity_django_id', 'state', json(state))";

/// Sets an identity's overrides. The version grows only if the overrides differ. Returns true in that case.
pub fn set(
    sql: &Database,
    identifier: &Identifier,
    uuid: &str,
    created_date: &str,
    django_id: Option<i64>,
    states: &[FeatureState],
) -> Result<bool> {
    let before = sql.rows(ROWS_OF, vec![identifier.as_str().into()])?;
    let row = |state| Ok(vec![uuid.into(), created_date.into(), state_text(state, django_id)?.into()]);
    let after: Vec<Vec<SqlStorageValue>> = states.iter().map(row).collect::<Result<_>>()?;
    if before == after {
        return Ok(false);
    }
    let grown = rows_length(identifier, &after) - rows_length(identifier, &before);
    sql.execute("DELETE FROM override WHERE identifier = ?", vec![identifier.as_str().into()])?;
    for ((position, row), state) in (0_u64..).zip(after).zip(states) {
        let whose = [state.feature.id.into(), identifier.as_str().into()];
        let [uuid, created_date, state]: [_; 3] =
            row.try_into().map_err(|_| worker::Error::from("a row does not have three values"))?;
        let values = whose.into_iter().chain([uuid, created_date, number(position), state]).collect();
        sql.execute("INSERT OR REPLACE INTO override VALUES (?, ?, ?, ?, ?, ?)", values)?;
    }
    sql.execute(SET_TOTAL, vec![grown.into()])?;
    sql.execute(COUNT_CHANGE, vec![])?;
    Ok(true)
}

/// The text of a state, with the number of its identity.
fn state_text(state: &FeatureState, django_id: Option<i64>) -> Result<String> {
    let mut text = serde_json::to_string(state)?;
    if let Some(id) = django_id {
        text.truncate(text.len().saturating_sub(1));
        text.push_str(&format!(",\"identity_django_id\":{id}}}"));
    }
    Ok(text)
}

/// The size of an identity's rows in bytes.
fn rows_length(identifier: &Identifier, rows: &[Vec<SqlStorageValue>]) -> i64 {
    let text = rows.iter().filter_map(|row| match row.last() {
        Some(SqlStorageValue::String(state)) => Some(identifier.len() + state.len() + ROW_LENGTH),
        _ => None,
    });
    text.sum::<usize>() as i64
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
    let mut page = OverridesPage::default();
    sql.for_each_json(&statement, values, |text| page.take(text))?;
    Ok(Overrides { version, overrides: Some(page.overrides), next: page.next })
}

/// A page that is being read.
#[derive(Default)]
struct OverridesPage {
    overrides: Vec<DirectoryOverride>,
    /// The length of their texts in bytes.
    length: usize,
    /// The identifier after which the next page begins, if there is one.
    next: Option<Identifier>,
}

impl OverridesPage {
    /// Takes an override. Returns false if it belongs to the next page.
    fn take(&mut self, text: &str) -> Result<bool> {
        let known: DirectoryOverride = serde_json::from_str(text)?;
        let last = self.overrides.last().map(|last| &last.identifier);
        if self.length > PAGE_LENGTH && last.is_some_and(|last| *last != known.identifier) {
            self.next = last.cloned();
            return Ok(false);
        }
        self.length += text.len();
        self.overrides.push(known);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const STATE: &str = concat!(
        r#"{"feature":{"id":9001,"name":"checkout_redesign","type":"STANDARD"},"enabled":true,"#,
        r#""feature_state_value":"for ada","django_id":null,"#,
        r#""featurestate_uuid":"3cb50f8e-3dcf-4006-b4f6-63d984fded6c","multivariate_feature_state_values":[]}"#,
    );

    #[wasm_bindgen_test]
    fn the_number_of_the_identity_is_a_member_of_the_state() {
        let state: FeatureState = serde_json::from_str(STATE).unwrap();
        assert_eq!(state_text(&state, None).unwrap(), STATE);
        for id in [0, 12, -1, i64::MAX] {
            let text = state_text(&state, Some(id)).unwrap();
            assert_eq!(text, STATE.replace("[]}", &format!(r#"[],"identity_django_id":{id}}}"#)));
            // An earlier version reads the same state.
            assert_eq!(serde_json::from_str::<FeatureState>(&text).unwrap(), state);
        }
    }

    #[wasm_bindgen_test]
    fn the_size_of_rows_is_that_of_the_schema() {
        let row = |state: &str| vec!["u".into(), "2026-11-29".into(), state.into()];
        // The schema has the same constant, and measures texts in bytes.
        assert!(SCHEMA.contains("length(CAST(identifier || state AS BLOB)) + 100"));
        for (identifier, rows, length) in [
            ("ada", vec![], 0),
            ("", vec![row("")], 100),
            ("ada", vec![row("{}"), row("{ }")], 211),
            ("ü€", vec![row("ä")], 107),
        ] {
            let identifier = Identifier::verbatim(identifier);
            assert_eq!(rows_length(&identifier, &rows), length, "{identifier:?}");
        }
    }

    #[wasm_bindgen_test]
    fn a_page_ends_between_two_identities() {
        let text = |identifier: &str, length: usize| {
            let state = STATE.replace("for ada", &"x".repeat(length));
            format!(
                r#"{{"identifier":"{identifier}","uuid":"u","created_date":"","django_id":null,"state":{state}}}"#
            )
        };
        let (short, long) = (10, PAGE_LENGTH / 2);
        for (rows, taken, next) in [
            (vec![], 0, None),
            (vec![("a", short), ("b", short)], 2, None),
            (vec![("a", long), ("b", long), ("c", short), ("d", short)], 2, Some("b")),
            // All overrides of an identity are on one page.
            (vec![("a", long), ("b", long), ("b", long), ("b", short), ("c", short)], 4, Some("b")),
            (vec![("a", PAGE_LENGTH), ("b", short)], 1, Some("a")),
            (vec![("a", long), ("b", short), ("c", long), ("d", short)], 3, Some("c")),
        ] {
            let mut page = OverridesPage::default();
            let count =
                rows.iter().take_while(|(identifier, length)| page.take(&text(identifier, *length)).unwrap());
            assert_eq!(count.count(), taken);
            assert_eq!((page.overrides.len(), page.next.as_deref()), (taken, next));
        }
        for unreadable in ["", "{}", "null", &text("a", 1).replace("true", "1")] {
            assert!(OverridesPage::default().take(unreadable).is_err(), "{unreadable}");
        }
    }
}
