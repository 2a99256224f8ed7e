//! An object's alarm. All of the object's work happens in it, so no two tasks run at the same time.
//!
//! If an object is evicted during its alarm, the platform repeats the alarm, also after a restart. Code that adds work
//! sets the alarm. During a run it stays unset, since the run ends with a check for remaining work.

use std::cell::Cell;

use worker::js_sys::Date;
use worker::wasm_bindgen::JsValue;
use worker::{Response, Result, ScheduledTime, Storage};

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::{Failure, Source};

/// The delay after an error, in milliseconds.
const RETRY_AFTER_MS: u64 = 5_000;

/// The alarm of an object.
#[derive(Default)]
pub struct Alarm {
    scheduled_at: Cell<Option<u64>>,
    is_running: Cell<bool>,
}

impl Alarm {
    /// Starts the alarm's work. The alarm is not set again before [`Alarm::finish`].
    pub fn start(&self) {
        self.is_running.set(true);
        self.scheduled_at.set(None);
    }

    /// Ends the alarm's work and sets the next time, which is soon after an error. The platform alone would repeat a
    /// failed alarm six times and then never again.
    pub async fn finish(
        &self,
        storage: &Storage,
        outcome: Result<Option<u64>>,
        source: Source,
    ) -> Result<Response> {
        self.is_running.set(false);
        let next = outcome.unwrap_or_else(|error| {
            Failure::new(source, error).log(None);
            Some(now_ms() + RETRY_AFTER_MS)
        });
        self.set(storage, next).await?;
        Response::empty()
    }

    /// Sets the alarm for this time, in milliseconds; deletes it without one.
    pub async fn set(&self, storage: &Storage, at: Option<u64>) -> Result<()> {
        if self.is_running.get() || (at.is_some() && self.scheduled_at.get() == at) {
            return Ok(());
        }
        self.scheduled_at.set(at);
        let set = match at {
            Some(at) => storage.set_alarm(ScheduledTime::new(Date::new(&JsValue::from_f64(at as f64)))).await,
            None => storage.delete_alarm().await,
        };
        set.inspect_err(|_| self.scheduled_at.set(None))
    }
}
