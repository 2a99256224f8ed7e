//! An object's alarm: the one thing that does its work, so that no two do it at a time.
//!
//! The platform rings again where the object is lost meanwhile, after a restart too. Whoever changes what there is to do
//! sets it; while the alarm is being answered it is left to the answer's end, which looks at what there is to do anyway.

use std::cell::Cell;

use worker::js_sys::Date;
use worker::wasm_bindgen::JsValue;
use worker::{Response, Result, ScheduledTime, Storage};

use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::{Failure, Source};

/// How long after an error it rings again, in milliseconds.
const REST: u64 = 5_000;

/// When an object is to be woken.
#[derive(Default)]
pub struct Alarm {
    rings_at: Cell<Option<u64>>,
    rings: Cell<bool>,
}

impl Alarm {
    /// It rings. Nobody sets it until [`Alarm::finish`].
    pub fn start(&self) {
        self.rings.set(true);
        self.rings_at.set(None);
    }

    /// It has been answered, with the time when it should ring next; after an error that is soon. Left to the platform an
    /// error would have it ring six times more, and then never again.
    pub async fn finish(
        &self,
        storage: &Storage,
        outcome: Result<Option<u64>>,
        source: Source,
    ) -> Result<Response> {
        self.rings.set(false);
        let next = outcome.unwrap_or_else(|error| {
            Failure::new(source, error).log(None);
            Some(now_ms() + REST)
        });
        self.set(storage, next).await?;
        Response::empty()
    }

    /// Has it ring at this time, in milliseconds; not at all without one.
    pub async fn set(&self, storage: &Storage, at: Option<u64>) -> Result<()> {
        if self.rings.get() || (at.is_some() && self.rings_at.get() == at) {
            return Ok(());
        }
        self.rings_at.set(at);
        let set = match at {
            Some(at) => storage.set_alarm(ScheduledTime::new(Date::new(&JsValue::from_f64(at as f64)))).await,
            None => storage.delete_alarm().await,
        };
        set.inspect_err(|_| self.rings_at.set(None))
    }
}
