//! The object that keeps one environment's evaluations until the origin has them. Its name is the client key.
//!
//! Evaluations are stored before the SDK is answered, and an alarm sends them, so a restart loses none. A batch is
//! removed only after the origin has acknowledged it. After a lost acknowledgement it is sent twice.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::admin::Origin;
use crate::admin::analytics::{Batch, DeliveryResult, RetryState, delivery_result};
use crate::api::{AnalyticsVersion, Evaluations};
use crate::document::ClientKey;
use crate::edge::objects::analytics::rows::AnalyticsRows;
use crate::edge::objects::publishing;
use crate::edge::origin::client::{self as origin, Call};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::publish::Announcement;

/// The object of one environment's evaluations.
#[durable_object(alarm)]
pub struct AnalyticsObject {
    env: Env,
    rows: AnalyticsRows,
    config: &'static Config,
    /// The time of the alarm, if this instance has set it.
    scheduled_at: Cell<Option<u64>>,
}

/// The number of batches of each version that one alarm sends. The platform lets an alarm last 15 minutes, and make 50
/// requests on its smallest plan.
const BATCHES_AN_ALARM: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_LENGTH: usize = 1024 * 1024;
/// The time limit for the environment's object to report that the environment exists.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The delay of the alarm after an error, in milliseconds.
const RETRY_AFTER_MS: u64 = 5_000;

impl DurableObject for AnalyticsObject {
    fn new(state: State, env: Env) -> AnalyticsObject {
        let rows = AnalyticsRows::of(&state.storage());
        let config = Config::of(&env);
        AnalyticsObject { env, rows, config, scheduled_at: Cell::default() }
    }

    /// Refuses requests: evaluations come by [`AnalyticsObject::record`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Sends queued evaluations. It sets the next alarm itself, also after an error. The platform alone would retry six
    /// times and then never again.
    async fn alarm(&self) -> Result<Response> {
        self.scheduled_at.set(None);
        let next = self.work().await.unwrap_or_else(|error| {
            Failure::new(Source::Analytics, error).log(None);
            Some(now_ms() + RETRY_AFTER_MS)
        });
        if let Some(next) = next {
            self.ring(next)?;
        }
        Response::empty()
    }
}

#[wasm_bindgen]
impl AnalyticsObject {
    /// Stores [`Evaluations`], given as JSON with an environment's client key.
    ///
    /// Storing the rows and setting the alarm are one synchronous step, so both are written together.
    #[wasm_bindgen(js_name = record)]
    pub fn record(&self, client_key: &str, evaluations: &str) -> std::result::Result<(), JsValue> {
        let client_key = &ClientKey::unchecked(client_key);
        let evaluations: Evaluations = serde_json::from_str(evaluations).map_err(worker::Error::from)?;
        let dropped = self.rows.keep(client_key, &evaluations)?;
        if dropped > 0 {
            self.report_dropped(client_key, dropped, "too many are queued for the origin")?;
        }
        let turn = self.rows.turn(evaluations.version)?;
        Ok(self.ring(turn.next(now_ms(), self.config.analytics_interval))?)
    }
}

impl AnalyticsObject {
    /// Sends queued evaluations. Returns the time of the next delivery, if there is one.
    async fn work(&self) -> Result<Option<u64>> {
        let Some(origin) = self.config.analytics_origin() else {
            // Without an origin, nothing receives the evaluations.
            self.rows.forget_all()?;
            return Ok(None);
        };
        let Some(client_key) = self.rows.client_key()? else { return Ok(None) };
        // Both versions are sent concurrently. So if the origin refuses one version, the other is not delayed.
        let turn = |version| self.take_turn(origin, &client_key, version);
        let (first, second) = join(turn(AnalyticsVersion::V1), turn(AnalyticsVersion::V2)).await;
        Ok(first?.into_iter().chain(second?).min())
    }

    /// Sends the queue of a version, if that is allowed now. Returns the time of the next delivery, if there is one.
    async fn take_turn(
        &self,
        origin: &Origin,
        client_key: &ClientKey,
        version: AnalyticsVersion,
    ) -> Result<Option<u64>> {
        let turn = self.rows.turn(version)?;
        if turn.not_before > now_ms() {
            return Ok(Some(turn.not_before));
        }
        let (turn, next) = match self.deliver(origin, client_key, version).await? {
            Delivery::Done => (RetryState::default(), None),
            Delivery::Paused => (RetryState::default(), Some(now_ms())),
            Delivery::Waits => {
                let turn = turn.after_fault(now_ms(), self.config.analytics_interval);
                (turn, Some(turn.not_before))
            }
        };
        self.rows.set_turn(version, turn)?;
        Ok(next)
    }

    /// Sends the whole queue, up to the limit of one alarm.
    async fn deliver(
        &self,
        origin: &Origin,
        client_key: &ClientKey,
        version: AnalyticsVersion,
    ) -> Result<Delivery> {
        for _ in 0..BATCHES_AN_ALARM {
            let waiting = self.rows.waiting(version)?;
            if waiting.is_empty() {
                return Ok(Delivery::Done);
            }
            let batch = Batch::of(version, &waiting);
            let sent = waiting.get(..batch.length).unwrap_or(&waiting);
            match self.send(origin, client_key, &batch).await {
                DeliveryResult::Refused if self.is_gone(client_key).await => {
                    let dropped = self.rows.forget_all()?;
                    self.report_dropped(client_key, dropped, "the origin has no such environment")?;
                    return Ok(Delivery::Done);
                }
                DeliveryResult::Waits | DeliveryResult::Refused => return Ok(Delivery::Waits),
                DeliveryResult::Delivered => {}
                DeliveryResult::Dropped => {
                    let dropped = sent.iter().map(|(_, count)| i64::from(*count)).sum();
                    self.report_dropped(client_key, dropped, "the origin refuses them")?;
                }
            }
            self.rows.remove_sent(version, sent)?;
        }
        Ok(Delivery::Paused)
    }

    async fn send(&self, origin: &Origin, client_key: &ClientKey, batch: &Batch) -> DeliveryResult {
        let call = Call {
            method: "POST",
            target: batch.target,
            headers: &[("content-type", "application/json"), ("x-environment-key", client_key)],
            body: Some(batch.body.as_bytes()),
            timeout: TIMEOUT,
            max_length: MAX_ANSWER_LENGTH,
        };
        let status = match origin::call(&self.env, origin, call).await {
            Ok(answer) => Some(answer.status),
            Err(fault) => {
                fault.report();
                None
            }
        };
        delivery_result(status)
    }

    /// True if a complete discovery did not find the environment at the origin. A refused key alone is no proof: it may
    /// become valid again.
    async fn is_gone(&self, client_key: &ClientKey) -> bool {
        self.config.publishes()
            && matches!(
                publishing::announced(&self.env, client_key, OBJECT_TIMEOUT).await,
                Ok((Announcement::Gone, _))
            )
    }

    fn report_dropped(&self, client_key: &ClientKey, dropped: i64, cause: &str) -> Result<()> {
        let total = self.rows.count_dropped(dropped)?;
        let cause = format!("{dropped} evaluations are dropped, {total} so far: {cause}");
        Failure::new(Source::Analytics, cause).log(Some(client_key));
        Ok(())
    }

    /// Sets the alarm for this time, unless it is set for an earlier one.
    fn ring(&self, at: u64) -> Result<()> {
        if self.scheduled_at.get().is_none_or(|scheduled_at| scheduled_at > at) {
            self.rows.set_alarm(at)?;
            self.scheduled_at.set(Some(at));
        }
        Ok(())
    }
}

/// The progress of a delivery.
enum Delivery {
    /// The queue is empty.
    Done,
    /// The queue has more than one alarm may send.
    Paused,
    /// The origin does not accept evaluations now.
    Waits,
}
