//! The tables of a shard's entries, and of the latest sequence number applied for each identity.

use sha2::{Digest, Sha256};
use worker::{Result, SqlStorageValue};

use crate::document::{Identifier, hex};
use crate::identity::directory::{Column, DirectoryQuery, Entry};
use flagsmith_edge_platform::sqlite::Database;

/// Identifiers compare as bytes, which is their order as UTF-8. The same holds for aliases.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entry (identifier TEXT PRIMARY KEY, uuid TEXT NOT NULL, alias TEXT,
        sequence INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_by_uuid ON entry (uuid);
    CREATE INDEX IF NOT EXISTS entry_by_alias ON entry (alias, identifier) WHERE alias IS NOT NULL;
    CREATE TABLE IF NOT EXISTS heard (of TEXT PRIMARY KEY, sequence INTEGER NOT NULL, gone_at INTEGER) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS heard_by_gone_at ON heard (gone_at) WHERE gone_at IS NOT NULL";

const READ_SEQUENCE: &str = "SELECT json_quote(sequence) FROM heard WHERE of = ?";
const WRITE_SEQUENCE: &str = "
    INSERT INTO heard VALUES (?, ?, ?)
    ON CONFLICT (of) DO UPDATE SET sequence = excluded.sequence, gone_at = excluded.gone_at";
const DELETE_TOMBSTONES: &str = "DELETE FROM heard WHERE gone_at <= ?";
const ENTRY_SEQUENCE: &str = "SELECT json_quote(sequence) FROM entry WHERE identifier = ?";
const SET_ENTRY: &str = "
    INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (identifier) DO UPDATE SET uuid = excluded.uuid,
        alias = excluded.alias, sequence = excluded.sequence";
/// The table of identities with a `django_id`, created with the first of them. It is a separate table, since an earlier
/// version of the worker writes rows of `entry` with four values. The UUID distinguishes an identity from a deleted one
/// with the same identifier.
const DJANGO_ID_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS with_django_id (identifier TEXT PRIMARY KEY, uuid TEXT NOT NULL) WITHOUT ROWID";
const SET_WITH_DJANGO_ID: &str = "INSERT OR REPLACE INTO with_django_id VALUES (?, ?)";
const DELETE_WITH_DJANGO_ID: &str = "DELETE FROM with_django_id WHERE identifier = ?";
const COUNT_WITH_DJANGO_ID: &str =
    "SELECT json_quote(count(*)) FROM with_django_id JOIN entry USING (identifier, uuid)";
const ENTRY: &str = "json_object('identifier', identifier, 'uuid', uuid, 'alias', alias)";

/// Sets or removes an entry, unless this or a later update was applied already.
pub fn set(
    sql: &Database,
    identifier: &Identifier,
    sequence: u64,
    entry: Option<&Entry>,
    now: u64,
) -> Result<()> {
    let known = sql.read::<u64>(ENTRY_SEQUENCE, vec![identifier.as_str().into()])?;
    if known.first().is_some_and(|known| *known >= sequence) || is_stale_update(sql, identifier, sequence)? {
        return Ok(());
    }
    let Some(entry) = entry else {
        sql.execute("DELETE FROM entry WHERE identifier = ?", vec![identifier.as_str().into()])?;
        if sql.has("with_django_id")? {
            sql.execute(DELETE_WITH_DJANGO_ID, vec![identifier.as_str().into()])?;
        }
        return record_sequence(sql, identifier, sequence, Some(now));
    };
    let values = vec![
        identifier.as_str().into(),
        (&*entry.uuid).into(),
        entry.alias.as_deref().into(),
        number(sequence),
    ];
    sql.execute(SET_ENTRY, values)?;
    if entry.has_django_id {
        sql.execute(DJANGO_ID_SCHEMA, vec![])?;
        sql.execute(SET_WITH_DJANGO_ID, vec![identifier.as_str().into(), (&*entry.uuid).into()])?;
    }
    Ok(())
}

/// The entries with these UUIDs.
pub fn resolve(sql: &Database, uuids: &[Box<str>]) -> Result<Vec<Entry>> {
    let query = format!("SELECT {ENTRY} FROM entry WHERE uuid IN (SELECT value FROM json_each(?))");
    sql.read(&query, vec![serde_json::to_string(uuids)?.into()])
}

/// The number of entries; reads all of them.
pub fn count(sql: &Database) -> Result<u64> {
    let count = sql.read("SELECT json_quote(count(*)) FROM entry", vec![])?;
    Ok(count.first().copied().unwrap_or(0))
}

/// The number of entries without a number in a Flagsmith's database; reads all entries, too.
pub fn count_without_django_id(sql: &Database) -> Result<u64> {
    let with = if sql.has("with_django_id")? { sql.read(COUNT_WITH_DJANGO_ID, vec![])?.pop() } else { None };
    Ok(count(sql)?.saturating_sub(with.unwrap_or(0)))
}

/// Returns a page of entries.
pub fn find(sql: &Database, query: &DirectoryQuery) -> Result<Vec<Entry>> {
    let (statement, values) = page_statement(query);
    sql.read(&statement, values)
}

/// The statement of a page, and its values. The statement has one lower bound only, so that SQLite seeks to that bound
/// in the index.
fn page_statement(query: &DirectoryQuery) -> (String, Vec<SqlStorageValue>) {
    let (mut statement, column, order) = match query.column {
        Column::Identifier => (format!("SELECT {ENTRY} FROM entry WHERE "), "identifier", "identifier"),
        // `IS NOT NULL` is redundant, but lets SQLite use the partial index.
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
            vec![identifier.as_str().into()]
        }
        Some((Some(alias), identifier)) => {
            statement.push_str("(alias, identifier) > (?, ?)");
            vec![(&**alias).into(), identifier.as_str().into()]
        }
    };
    if let Some(until) = &query.until {
        statement.extend([" AND ", column, " < ?"]);
        values.push((&**until).into());
    }
    statement.extend([" ORDER BY ", order, " LIMIT ?"]);
    values.push(number(query.limit as u64));
    (statement, values)
}

/// True if this or a later update was applied for an identity.
pub fn is_stale_update(sql: &Database, identifier: &Identifier, sequence: u64) -> Result<bool> {
    let known = sql.read::<u64>(READ_SEQUENCE, vec![hash(identifier).into()])?;
    Ok(known.first().is_some_and(|known| *known >= sequence))
}

/// Stores the sequence number of the latest update. For a deleted identity it is stored for a limited time.
pub fn record_sequence(
    sql: &Database,
    identifier: &Identifier,
    sequence: u64,
    deleted_at: Option<u64>,
) -> Result<()> {
    sql.execute(
        WRITE_SEQUENCE,
        vec![hash(identifier).into(), number(sequence), deleted_at.map(number).into()],
    )
}

/// The time of the oldest tombstone.
pub fn oldest_tombstone(sql: &Database) -> Result<Option<u64>> {
    let query = "SELECT json_quote(gone_at) FROM heard WHERE gone_at IS NOT NULL ORDER BY gone_at LIMIT 1";
    Ok(sql.read(query, vec![])?.pop())
}

/// Deletes the tombstones up to this time.
pub fn delete_tombstones(sql: &Database, deleted_by: u64) -> Result<()> {
    sql.execute(DELETE_TOMBSTONES, vec![number(deleted_by)])
}

/// A number in SQLite's type.
pub fn number(number: u64) -> SqlStorageValue {
    SqlStorageValue::from(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Hexadecimal SHA-256: identifies an identity without its identifier.
fn hash(identifier: &Identifier) -> String {
    hex(&Sha256::digest(identifier.as_str()))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::identity::directory::PageKey;

    #[wasm_bindgen_test]
    fn a_page_has_one_lower_bound() {
        const SELECT: &str =
            "SELECT json_object('identifier', identifier, 'uuid', uuid, 'alias', alias) FROM entry WHERE ";
        let after = |alias: Option<&str>, identifier: &str| {
            Some(PageKey { alias: alias.map(Into::into), identifier: Identifier::verbatim(identifier) })
        };
        for (search, after, condition, values) in [
            ("", None, "identifier >= ? ORDER BY identifier LIMIT ?", vec![""]),
            ("", after(None, "b"), "identifier > ? ORDER BY identifier LIMIT ?", vec!["b"]),
            ("a", None, "identifier >= ? AND identifier < ? ORDER BY identifier LIMIT ?", vec!["a", "b"]),
            (
                "a",
                after(None, "ada"),
                "identifier > ? AND identifier < ? ORDER BY identifier LIMIT ?",
                vec!["ada", "b"],
            ),
            // A key before the searched texts.
            (
                "c",
                after(None, "ada"),
                "identifier >= ? AND identifier < ? ORDER BY identifier LIMIT ?",
                vec!["c", "d"],
            ),
            (
                "dashboard_alias:a",
                None,
                "alias IS NOT NULL AND alias >= ? AND alias < ? ORDER BY alias, identifier LIMIT ?",
                vec!["a", "b"],
            ),
            (
                "dashboard_alias:a",
                after(Some("al"), "x"),
                "alias IS NOT NULL AND (alias, identifier) > (?, ?) AND alias < ? ORDER BY alias, identifier LIMIT ?",
                vec!["al", "x", "b"],
            ),
        ] {
            let (statement, given) =
                page_statement(&DirectoryQuery { after, ..DirectoryQuery::search(search, 20) });
            assert_eq!(statement, format!("{SELECT}{condition}"), "{search}");
            let mut expected: Vec<SqlStorageValue> = values.into_iter().map(Into::into).collect();
            expected.push(SqlStorageValue::Integer(20));
            assert_eq!(given, expected, "{search}");
        }
    }

    #[wasm_bindgen_test]
    fn numbers_and_hashes_are_stored_as_before() {
        for (given, stored) in [(0, 0), (1_795_951_641_460, 1_795_951_641_460), (u64::MAX, i64::MAX)] {
            assert_eq!(number(given), SqlStorageValue::Integer(stored));
        }
        // With another hash, late updates of deleted identities would be applied.
        let hash = |identifier| hash(&Identifier::verbatim(identifier));
        assert_eq!(hash("ada"), "fdee430d40bd57deeac186cd9790033d0f06f909a8806e7ce6e717ab7c7d5029");
        assert_eq!(hash("cy"), "3d30f595070e858a9573e432377bea27a7fb1a19aa298943e414d3c839d34783");
    }
}
