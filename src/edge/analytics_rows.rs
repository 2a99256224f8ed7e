//! What an analytics object keeps: evaluations that wait, when they are to be sent, and how many were dropped.

use worker::{Result, SqlStorageValue, Storage};

use super::database::Database;
use crate::admin::analytics::Turn;
use crate::api::{Evaluations, MAX_COUNT, Version};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS environment (id INTEGER PRIMARY KEY CHECK (id = 1), key TEXT NOT NULL,
        dropped INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS turn (version INTEGER PRIMARY KEY, faults INTEGER NOT NULL,
        not_before INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS evaluation (version INTEGER, item TEXT, count INTEGER NOT NULL,
        PRIMARY KEY (version, item)) WITHOUT ROWID;";
const KNOW: &str = "INSERT OR IGNORE INTO environment (id, key, dropped) VALUES (1, ?, 0)";
const KEY: &str = "SELECT key FROM environment";
/// Stored, since an object that waits for long is lost from memory.
const TURN: &str = "SELECT faults, not_before FROM turn WHERE version = ?";
const SET_TURN: &str = "INSERT OR REPLACE INTO turn (version, faults, not_before) VALUES (?, ?, ?)";
const END_TURN: &str = "DELETE FROM turn WHERE version = ?";
const COUNT: &str = "SELECT count(*) FROM evaluation WHERE version = ?";
/// Takes the version, a JSON list of pairs, and the most that a count may be. An upsert, because an update from a list
/// looks through all of it for each row.
const ADD: &str = "
    INSERT INTO evaluation (version, item, count) SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
    ON CONFLICT (version, item) DO UPDATE SET count = min(?3, evaluation.count + excluded.count)";
const READ: &str = "SELECT item, count FROM evaluation WHERE version = ? ORDER BY item LIMIT ?";
/// Takes the version, and a JSON list of pairs.
const FORGET: &str = "
    DELETE FROM evaluation
    WHERE version = ?1 AND count <= 0 AND item IN (SELECT value ->> 0 FROM json_each(?2))";
const FORGET_ALL: &str = "DELETE FROM evaluation";
const DROP: &str = "UPDATE environment SET dropped = dropped + ? RETURNING dropped";

/// What may wait of each version, in rows. Of v1 there is a row for each feature at most.
const MAX_ROWS: usize = 20_000;
/// A text bound to a statement may have 2 MB.
const ROWS_A_STATEMENT: usize = 100;
/// What is read for one batch, in rows.
const ROWS_A_BATCH: i64 = 500;
/// The rows of one environment's evaluations.
pub struct AnalyticsRows(Database);

impl AnalyticsRows {
    /// The rows in an object's storage.
    pub fn of(storage: &Storage) -> AnalyticsRows {
        AnalyticsRows(Database::of(storage))
    }

    /// The environment's client key, once something of it was kept.
    pub fn environment(&self) -> Result<Option<String>> {
        self.0.execute(SCHEMA, Vec::new())?;
        Ok(match self.0.rows(KEY, Vec::new())?.concat().as_slice() {
            [SqlStorageValue::String(key)] => Some(key.clone()),
            _ => None,
        })
    }

    /// Keeps as many as there is room for; gives how many evaluations there is none for.
    ///
    /// All of them or none, so that an SDK that tries again does not report some of them twice.
    pub fn keep(&self, environment: &str, Evaluations { version, counts }: &Evaluations) -> Result<i64> {
        let (version, mut dropped) = (*version, 0);
        self.0.at_once(|| {
            self.0.execute(SCHEMA, Vec::new())?;
            self.0.execute(KNOW, vec![environment.into()])?;
            let room = MAX_ROWS.saturating_sub(self.number(COUNT, vec![number(version).into()])? as usize);
            let mut counts: Vec<_> =
                counts.iter().map(|(item, count)| (item.clone(), i64::from(*count))).collect();
            dropped = counts.drain(room.min(counts.len())..).map(|(_, count)| count).sum();
            self.add(version, &counts)
        })?;
        Ok(dropped)
    }

    /// The first that wait, each with its count.
    pub fn waiting(&self, version: Version) -> Result<Vec<(String, u32)>> {
        let rows = self.0.rows(READ, vec![number(version).into(), ROWS_A_BATCH.into()])?;
        let mut waiting = Vec::new();
        for row in rows {
            if let [SqlStorageValue::String(item), count] = row.as_slice() {
                waiting.push((item.clone(), u32::try_from(integer(count)).unwrap_or(MAX_COUNT)));
            }
        }
        Ok(waiting)
    }

    /// Takes these off. More may have come for the same items meanwhile; that stays.
    pub fn take_off(&self, version: Version, sent: &[(String, u32)]) -> Result<()> {
        let sent: Vec<_> = sent.iter().map(|(item, count)| (item.clone(), -i64::from(*count))).collect();
        self.0.at_once(|| {
            self.add(version, &sent)?;
            for pairs in sent.chunks(ROWS_A_STATEMENT) {
                let pairs = serde_json::to_string(pairs)?;
                self.0.execute(FORGET, vec![number(version).into(), pairs.into()])?;
            }
            Ok(())
        })
    }

    /// Nothing waits any more.
    pub fn forget_all(&self) -> Result<()> {
        self.0.execute(FORGET_ALL, Vec::new())
    }

    /// Counts evaluations that were dropped; gives how many there were so far.
    pub fn count_dropped(&self, dropped: i64) -> Result<i64> {
        self.number(DROP, vec![dropped.into()])
    }

    /// When a version's evaluations are sent.
    pub fn turn(&self, version: Version) -> Result<Turn> {
        let rows = self.0.rows(TURN, vec![number(version).into()])?;
        Ok(match rows.concat().as_slice() {
            [faults, not_before] => Turn {
                faults: u32::try_from(integer(faults)).unwrap_or(u32::MAX),
                not_before: u64::try_from(integer(not_before)).unwrap_or_default(),
            },
            _ => Turn::default(),
        })
    }

    /// Writes that; nothing where it is the usual one.
    pub fn set_turn(&self, version: Version, turn: Turn) -> Result<()> {
        let id = number(version).into();
        if turn.faults == 0 {
            return self.0.execute(END_TURN, vec![id]);
        }
        let (faults, not_before) = (i64::from(turn.faults), turn.not_before as f64);
        self.0.execute(SET_TURN, vec![id, faults.into(), not_before.into()])
    }

    /// Has the object's alarm ring at this time. What is written in the same turn takes effect together with it.
    pub fn set_alarm(&self, at: u64) -> Result<()> {
        self.0.set_alarm(at)
    }

    fn add(&self, version: Version, counts: &[(String, i64)]) -> Result<()> {
        for pairs in counts.chunks(ROWS_A_STATEMENT) {
            let pairs = serde_json::to_string(pairs)?;
            self.0.execute(ADD, vec![number(version).into(), pairs.into(), i64::from(MAX_COUNT).into()])?;
        }
        Ok(())
    }

    fn number(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<i64> {
        let rows = self.0.rows(query, values)?;
        Ok(rows.first().and_then(|row| row.first()).map_or(0, integer))
    }
}

fn number(version: Version) -> i64 {
    match version {
        Version::V1 => 1,
        Version::V2 => 2,
    }
}

/// SQL's whole numbers come as floats where they are large.
fn integer(value: &SqlStorageValue) -> i64 {
    match value {
        SqlStorageValue::Integer(value) => *value,
        SqlStorageValue::Float(value) => *value as i64,
        _ => 0,
    }
}
