//! The rows of an analytics object: waiting evaluations, the times of their delivery, and the number of dropped ones.

use std::cell::Cell;

use worker::{Result, SqlStorageValue, Storage};

use crate::admin::analytics::RetryState;
use crate::api::{AnalyticsVersion, Evaluations, MAX_COUNT};
use crate::document::ClientKey;
use flagsmith_edge_platform::sqlite::Database;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS environment (id INTEGER PRIMARY KEY CHECK (id = 1), key TEXT NOT NULL,
        dropped INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS turn (version INTEGER PRIMARY KEY, faults INTEGER NOT NULL,
        not_before INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS evaluation (version INTEGER, item TEXT, count INTEGER NOT NULL,
        PRIMARY KEY (version, item)) WITHOUT ROWID;";
const KNOW: &str = "INSERT OR IGNORE INTO environment (id, key, dropped) VALUES (1, ?, 0)";
const KEY: &str = "SELECT key FROM environment";
/// Stored, since an object is evicted from memory during a long wait.
const TURN: &str = "SELECT faults, not_before FROM turn WHERE version = ?";
const SET_TURN: &str = "INSERT OR REPLACE INTO turn (version, faults, not_before) VALUES (?, ?, ?)";
const END_TURN: &str = "DELETE FROM turn WHERE version = ?";
const COUNT: &str = "SELECT count(*) FROM evaluation WHERE version = ?";
/// Parameters: the version, a JSON list of pairs, and the maximum of a count. An upsert, since an update from a list
/// would scan the list for each row.
const ADD: &str = "
    INSERT INTO evaluation (version, item, count) SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
    ON CONFLICT (version, item) DO UPDATE SET count = min(?3, evaluation.count + excluded.count)";
/// Parameters: the pairs of [`ADD`]. Returns the pairs with items that are queued already.
const KNOWN: &str = "
    SELECT value ->> 0, value ->> 1 FROM json_each(?2)
    WHERE EXISTS (SELECT 1 FROM evaluation WHERE version = ?1 AND item = value ->> 0)";
const READ: &str = "SELECT item, count FROM evaluation WHERE version = ? ORDER BY item LIMIT ?";
/// Parameters: the version, and a JSON list of pairs.
const FORGET: &str = "
    DELETE FROM evaluation
    WHERE version = ?1 AND count <= 0 AND item IN (SELECT value ->> 0 FROM json_each(?2))";
const SUM: &str = "SELECT sum(count) FROM evaluation";
const FORGET_ALL: &str = "DELETE FROM evaluation";
const DROP: &str = "UPDATE environment SET dropped = dropped + ? RETURNING dropped";

/// The maximum number of waiting rows of each version. Version 1 has at most one row for each feature.
const MAX_ROWS: usize = 20_000;
/// A text bound to a statement may have 2 MB.
const ROWS_A_STATEMENT: usize = 100;
/// The maximum number of rows read for one batch.
const ROWS_A_BATCH: i64 = 500;

/// The rows of one environment's evaluations.
pub struct AnalyticsRows {
    database: Database,
    /// The maximum number of rows by version, and true if it is exact. An exact count reads all rows.
    lengths: [Cell<Option<(usize, bool)>>; 2],
}

impl AnalyticsRows {
    /// The rows in an object's storage.
    pub fn of(storage: &Storage) -> AnalyticsRows {
        AnalyticsRows { database: Database::of(storage), lengths: Default::default() }
    }

    /// The environment's client key, after the first evaluation.
    pub fn client_key(&self) -> Result<Option<ClientKey>> {
        self.database.execute(SCHEMA, Vec::new())?;
        Ok(match self.database.rows(KEY, Vec::new())?.concat().as_slice() {
            [SqlStorageValue::String(key)] => Some(ClientKey::unchecked(key)),
            _ => None,
        })
    }

    /// Stores evaluations up to the limit. Returns the number of evaluations beyond it.
    ///
    /// All of them or none are stored, so that a retry of an SDK does not report some of them twice.
    pub fn keep(&self, client_key: &ClientKey, Evaluations { version, counts }: &Evaluations) -> Result<i64> {
        let (version, mut dropped) = (*version, 0);
        self.database.transaction(|| {
            self.database.execute(SCHEMA, Vec::new())?;
            self.database.execute(KNOW, vec![client_key.as_str().into()])?;
            let mut counts: Vec<_> =
                counts.iter().map(|(item, count)| (item.clone(), i64::from(*count))).collect();
            let room = self.room(version, counts.len())?;
            let beyond = counts.split_off(room.min(counts.len()));
            if !counts.is_empty() {
                self.length(version).set(Some((MAX_ROWS - room + counts.len(), false)));
            }
            // Items that are queued already need no room.
            let known = self.known(version, &beyond)?;
            let sum = |pairs: &[(String, i64)]| pairs.iter().map(|(_, count)| count).sum::<i64>();
            dropped = sum(&beyond) - sum(&known);
            counts.extend(known);
            self.add(version, &counts)
        })?;
        Ok(dropped)
    }

    /// Returns the number of rows up to the limit. Rows are counted only if the known maximum does not suffice.
    fn room(&self, version: AnalyticsVersion, needed: usize) -> Result<usize> {
        let known =
            self.length(version).get().filter(|(length, exact)| *exact || length + needed <= MAX_ROWS);
        let length = match known {
            Some((length, _)) => length,
            None => self.number(COUNT, vec![number(version).into()])? as usize,
        };
        self.length(version).set(Some((length, known.is_none_or(|(_, exact)| exact))));
        Ok(MAX_ROWS.saturating_sub(length))
    }

    fn length(&self, version: AnalyticsVersion) -> &Cell<Option<(usize, bool)>> {
        let [first, second] = &self.lengths;
        match version {
            AnalyticsVersion::V1 => first,
            AnalyticsVersion::V2 => second,
        }
    }

    fn known(&self, version: AnalyticsVersion, pairs: &[(String, i64)]) -> Result<Vec<(String, i64)>> {
        let mut known = Vec::new();
        for pairs in pairs.chunks(ROWS_A_STATEMENT) {
            let pairs = serde_json::to_string(pairs)?;
            known.extend(self.pairs(KNOWN, vec![number(version).into(), pairs.into()])?);
        }
        Ok(known)
    }

    /// Returns the first items of the queue, each with its count.
    pub fn waiting(&self, version: AnalyticsVersion) -> Result<Vec<(String, u32)>> {
        let pairs = self.pairs(READ, vec![number(version).into(), ROWS_A_BATCH.into()])?;
        let count = |count| u32::try_from(count).unwrap_or(MAX_COUNT);
        Ok(pairs.into_iter().map(|(item, number)| (item, count(number))).collect())
    }

    fn pairs(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<(String, i64)>> {
        Ok(pairs(self.database.rows(query, values)?))
    }

    /// Removes these items. Evaluations that arrived for them meanwhile stay.
    pub fn remove_sent(&self, version: AnalyticsVersion, sent: &[(String, u32)]) -> Result<()> {
        let sent: Vec<_> = sent.iter().map(|(item, count)| (item.clone(), -i64::from(*count))).collect();
        self.length(version).set(None);
        self.database.transaction(|| {
            self.add(version, &sent)?;
            for pairs in sent.chunks(ROWS_A_STATEMENT) {
                let pairs = serde_json::to_string(pairs)?;
                self.database.execute(FORGET, vec![number(version).into(), pairs.into()])?;
            }
            Ok(())
        })
    }

    /// Empties the queue. Returns the number of removed evaluations.
    pub fn forget_all(&self) -> Result<i64> {
        self.database.execute(SCHEMA, Vec::new())?;
        let waiting = self.number(SUM, Vec::new())?;
        self.lengths.iter().for_each(|length| length.set(None));
        self.database.execute(FORGET_ALL, Vec::new())?;
        Ok(waiting)
    }

    /// Counts dropped evaluations. Returns their total.
    pub fn count_dropped(&self, dropped: i64) -> Result<i64> {
        self.number(DROP, vec![dropped.into()])
    }

    /// The time of a version's next delivery.
    pub fn turn(&self, version: AnalyticsVersion) -> Result<RetryState> {
        let rows = self.database.rows(TURN, vec![number(version).into()])?;
        Ok(retry_state(&rows.concat()))
    }

    /// Writes the delivery time; for the default state it deletes the row.
    pub fn set_turn(&self, version: AnalyticsVersion, turn: RetryState) -> Result<()> {
        let id = number(version).into();
        if turn.faults == 0 {
            return self.database.execute(END_TURN, vec![id]);
        }
        let (faults, not_before) = (i64::from(turn.faults), turn.not_before as f64);
        self.database.execute(SET_TURN, vec![id, faults.into(), not_before.into()])
    }

    /// Sets the object's alarm for this time. It takes effect together with the writes of the same turn.
    pub fn set_alarm(&self, at: u64) -> Result<()> {
        self.database.set_alarm(at)
    }

    fn add(&self, version: AnalyticsVersion, counts: &[(String, i64)]) -> Result<()> {
        for pairs in counts.chunks(ROWS_A_STATEMENT) {
            let pairs = serde_json::to_string(pairs)?;
            self.database
                .execute(ADD, vec![number(version).into(), pairs.into(), i64::from(MAX_COUNT).into()])?;
        }
        Ok(())
    }

    fn number(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<i64> {
        let rows = self.database.rows(query, values)?;
        Ok(rows.first().and_then(|row| row.first()).map_or(0, integer))
    }
}

fn number(version: AnalyticsVersion) -> i64 {
    match version {
        AnalyticsVersion::V1 => 1,
        AnalyticsVersion::V2 => 2,
    }
}

/// The items in rows, with their numbers.
fn pairs(rows: Vec<Vec<SqlStorageValue>>) -> Vec<(String, i64)> {
    let mut pairs = Vec::new();
    for row in rows {
        if let [SqlStorageValue::String(item), count] = row.as_slice() {
            pairs.push((item.clone(), integer(count)));
        }
    }
    pairs
}

/// The columns of `turn` after its version.
fn retry_state(row: &[SqlStorageValue]) -> RetryState {
    match row {
        [faults, not_before] => RetryState {
            faults: u32::try_from(integer(faults)).unwrap_or(u32::MAX),
            not_before: u64::try_from(integer(not_before)).unwrap_or_default(),
        },
        _ => RetryState::default(),
    }
}

/// SQL returns large whole numbers as floats.
fn integer(value: &SqlStorageValue) -> i64 {
    match value {
        SqlStorageValue::Integer(value) => *value,
        SqlStorageValue::Float(value) => *value as i64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn whole_numbers_are_read_from_either_type() {
        for (value, expected) in [
            (SqlStorageValue::Integer(-3), -3),
            (SqlStorageValue::Float(1_795_951_644_498.0), 1_795_951_644_498),
            (SqlStorageValue::Float(1e300), i64::MAX),
            // The sum of no rows.
            (SqlStorageValue::Null, 0),
        ] {
            assert_eq!(integer(&value), expected, "{value:?}");
        }
    }

    #[wasm_bindgen_test]
    fn items_are_read_with_their_counts() {
        let item = r#"{"feature_name":"checkout_redesign","enabled_when_evaluated":true,"identity_identifier":"ada"}"#;
        let read = pairs(vec![
            vec![r#""checkout_redesign""#.into(), SqlStorageValue::Integer(7)],
            vec![item.into(), SqlStorageValue::Float(4_294_967_296.0)],
        ]);
        assert_eq!(read, [(r#""checkout_redesign""#.to_owned(), 7), (item.to_owned(), 4_294_967_296)]);
    }

    #[wasm_bindgen_test]
    fn a_version_without_a_row_may_be_delivered() {
        let read = |row: &[SqlStorageValue]| {
            let RetryState { faults, not_before } = retry_state(row);
            (faults, not_before)
        };
        assert_eq!(read(&[]), (0, 0));
        let (faults, not_before) = (SqlStorageValue::Integer(1), 1_795_951_644_498_u64);
        for stored in [SqlStorageValue::Integer(not_before as i64), SqlStorageValue::Float(not_before as f64)]
        {
            assert_eq!(read(&[faults.clone(), stored]), (1, not_before));
        }
        assert_eq!(read(&[SqlStorageValue::Float(1e12), SqlStorageValue::Integer(-1)]), (u32::MAX, 0));
        assert_eq!([AnalyticsVersion::V1, AnalyticsVersion::V2].map(number), [1, 2]);
    }
}
