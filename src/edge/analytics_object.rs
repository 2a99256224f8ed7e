//! The object that keeps one environment's evaluations until the origin has them; named by the client key.
//!
//! They are stored before the SDK is answered, and go on by an alarm: a restart loses none. A batch is taken off only
//! after the origin has acknowledged it, so that one whose acknowledgement was lost is sent twice.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join;
use worker::js_sys::{Date, Object};
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{
    DurableObject, Env, Request, Response, Result, SqlStorageValue, State, Storage, durable_object,
};

use super::clock::milliseconds;
use super::config::Config;
use super::database::Database;
use super::failure::{Failure, Source};
use super::origin::{self, Call};
use crate::admin::Origin;
use crate::admin::analytics::{Batch, Fate, Turn, fate};
use crate::api::{Evaluations, MAX_COUNT, Version};

/// One environment's evaluations.
#[durable_object(alarm)]
pub struct AnalyticsObject {
    storage: Storage,
    database: Database,
    config: &'static Config,
    /// When the alarm rings, as far as this instance knows.
    rings_at: Cell<Option<u64>>,
    /// Of each version.
    turns: [Cell<Turn>; 2],
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS environment (id INTEGER PRIMARY KEY CHECK (id = 1), key TEXT NOT NULL,
        dropped INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS evaluation (version INTEGER, item TEXT, count INTEGER NOT NULL,
        PRIMARY KEY (version, item)) WITHOUT ROWID;";
const KNOW: &str = "INSERT OR IGNORE INTO environment (id, key, dropped) VALUES (1, ?, 0)";
const KEY: &str = "SELECT key FROM environment";
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
/// How many batches one alarm sends of each version: the platform lets it last 15 minutes, and make 50 requests on its
/// smallest plan.
const BATCHES_AN_ALARM: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_LENGTH: usize = 1024 * 1024;

impl DurableObject for AnalyticsObject {
    fn new(state: State, env: Env) -> AnalyticsObject {
        let storage = state.storage();
        AnalyticsObject {
            database: Database::of(&storage),
            storage,
            config: Config::of(&env),
            rings_at: Cell::default(),
            turns: Default::default(),
        }
    }

    /// Nobody's way in: evaluations come by [`AnalyticsObject::record`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Sends what waits. Sets the next alarm itself, so that the platform has nothing to try again.
    async fn alarm(&self) -> Result<Response> {
        self.rings_at.set(None);
        let Some(origin) = &self.config.origin else {
            // Nobody wants them any more.
            self.database.execute(FORGET_ALL, Vec::new())?;
            return Response::empty();
        };
        if let [row] = self.database.rows(KEY, Vec::new())?.as_slice()
            && let [SqlStorageValue::String(key)] = row.as_slice()
        {
            // Beside each other: neither waits while the origin does not take the other.
            let (first, second) =
                join(self.take_turn(origin, key, Version::V1), self.take_turn(origin, key, Version::V2))
                    .await;
            if let Some(next) = first?.into_iter().chain(second?).min() {
                self.ring(next)?;
            }
        }
        Response::empty()
    }
}

#[wasm_bindgen]
impl AnalyticsObject {
    /// Takes an environment's client key and [`Evaluations`] as JSON, and keeps them.
    ///
    /// In one synchronous turn: what is written and the alarm take effect together.
    #[wasm_bindgen(js_name = record)]
    pub fn record(&self, environment: &str, evaluations: &str) -> std::result::Result<(), JsValue> {
        let evaluations: Evaluations = serde_json::from_str(evaluations).map_err(worker::Error::from)?;
        // All of them or none, so that an SDK that tries again does not report some of them twice.
        self.database.at_once(|| self.keep(environment, &evaluations))?;
        let turn = self.turns(evaluations.version).get();
        Ok(self.ring(turn.next(milliseconds(), self.config.analytics_interval))?)
    }
}

impl AnalyticsObject {
    fn keep(&self, environment: &str, Evaluations { version, counts }: &Evaluations) -> Result<()> {
        let version = *version;
        self.database.execute(SCHEMA, Vec::new())?;
        self.database.execute(KNOW, vec![environment.into()])?;
        let room = MAX_ROWS.saturating_sub(self.number(COUNT, vec![number(version).into()])? as usize);
        let mut counts: Vec<_> =
            counts.iter().map(|(item, count)| (item.clone(), i64::from(*count))).collect();
        let dropped = counts.drain(room.min(counts.len())..).map(|(_, count)| count).sum();
        self.add(version, &counts)?;
        if dropped > 0 {
            self.report_dropped(environment, dropped, "too many wait for the origin")?;
        }
        Ok(())
    }

    /// Sends what waits of a version, if it may be sent now. Gives the time of the next turn, if there is to be one.
    async fn take_turn(&self, origin: &Origin, environment: &str, version: Version) -> Result<Option<u64>> {
        let turn = self.turns(version).get();
        if turn.not_before > milliseconds() {
            return Ok(Some(turn.not_before));
        }
        let (turn, next) = match self.deliver(origin, environment, version).await? {
            Delivery::Done => (Turn::default(), None),
            Delivery::Paused => (Turn::default(), Some(milliseconds())),
            Delivery::Waits => {
                let turn = turn.after_fault(milliseconds(), self.config.analytics_interval);
                (turn, Some(turn.not_before))
            }
        };
        self.turns(version).set(turn);
        Ok(next)
    }

    fn turns(&self, version: Version) -> &Cell<Turn> {
        let [first, second] = &self.turns;
        match version {
            Version::V1 => first,
            Version::V2 => second,
        }
    }

    /// Sends all that waits, or as much as one alarm may.
    async fn deliver(&self, origin: &Origin, environment: &str, version: Version) -> Result<Delivery> {
        for _ in 0..BATCHES_AN_ALARM {
            let waiting = self.waiting(version)?;
            if waiting.is_empty() {
                return Ok(Delivery::Done);
            }
            let batch = Batch::of(version, &waiting);
            let sent = waiting.get(..batch.length).unwrap_or(&waiting);
            match self.send(origin, environment, &batch).await {
                Fate::Waits => return Ok(Delivery::Waits),
                Fate::Delivered => {}
                Fate::Dropped => {
                    let dropped = sent.iter().map(|(_, count)| i64::from(*count)).sum();
                    self.report_dropped(environment, dropped, "the origin refuses them")?;
                }
            }
            self.database.at_once(|| self.take_off(version, sent))?;
        }
        Ok(Delivery::Paused)
    }

    /// More may have come for the same items meanwhile; that stays.
    fn take_off(&self, version: Version, sent: &[(String, u32)]) -> Result<()> {
        let sent: Vec<_> = sent.iter().map(|(item, count)| (item.clone(), -i64::from(*count))).collect();
        self.add(version, &sent)?;
        for pairs in sent.chunks(ROWS_A_STATEMENT) {
            let pairs = serde_json::to_string(pairs)?;
            self.database.execute(FORGET, vec![number(version).into(), pairs.into()])?;
        }
        Ok(())
    }

    fn add(&self, version: Version, counts: &[(String, i64)]) -> Result<()> {
        for pairs in counts.chunks(ROWS_A_STATEMENT) {
            let pairs = serde_json::to_string(pairs)?;
            self.database
                .execute(ADD, vec![number(version).into(), pairs.into(), i64::from(MAX_COUNT).into()])?;
        }
        Ok(())
    }

    async fn send(&self, origin: &Origin, environment: &str, batch: &Batch) -> Fate {
        let call = Call {
            method: "POST",
            target: batch.target,
            headers: &[("content-type", "application/json"), ("x-environment-key", environment)],
            body: Some(batch.body.as_bytes()),
            timeout: TIMEOUT,
            max_length: MAX_ANSWER_LENGTH,
        };
        let status = match origin::call(origin, call).await {
            Ok(answer) => Some(answer.status),
            Err(fault) => {
                fault.report();
                None
            }
        };
        fate(status)
    }

    fn waiting(&self, version: Version) -> Result<Vec<(String, u32)>> {
        let rows = self.database.rows(READ, vec![number(version).into(), ROWS_A_BATCH.into()])?;
        let mut waiting = Vec::new();
        for row in rows {
            if let [SqlStorageValue::String(item), count] = row.as_slice() {
                waiting.push((item.clone(), u32::try_from(integer(count)).unwrap_or(MAX_COUNT)));
            }
        }
        Ok(waiting)
    }

    fn number(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<i64> {
        let rows = self.database.rows(query, values)?;
        Ok(rows.first().and_then(|row| row.first()).map_or(0, integer))
    }

    fn report_dropped(&self, environment: &str, dropped: i64, cause: &str) -> Result<()> {
        let total = self.number(DROP, vec![dropped.into()])?;
        let cause = format!("{dropped} evaluations are dropped, {total} so far: {cause}");
        Failure::new(Source::Analytics, cause).log(Some(environment));
        Ok(())
    }

    /// Has the alarm ring at this time, if not before. Not awaited: what is written in the same turn takes effect together
    /// with it.
    fn ring(&self, at: u64) -> Result<()> {
        if self.rings_at.get().is_none_or(|rings_at| rings_at > at) {
            let _promise = self.storage.as_raw().set_alarm(Date::new(&(at as f64).into()), Object::new())?;
            self.rings_at.set(Some(at));
        }
        Ok(())
    }
}

/// How far a delivery came.
enum Delivery {
    /// Nothing waits any more.
    Done,
    /// There is more than one alarm may send.
    Paused,
    /// The origin does not take it now.
    Waits,
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
