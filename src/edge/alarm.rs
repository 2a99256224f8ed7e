//! An object's alarm: the one thing that does its work, so that no two do it at a time.
//!
//! The platform rings again where the object is lost meanwhile, after a restart too. Whoever changes what there is to do
//! sets it; while the alarm is being answered it is left to the answer's end, which looks at what there is to do anyway.

use std::cell::Cell;

use worker::js_sys::Date;
use worker::wasm_bindgen::JsValue;
use worker::{Result, ScheduledTime, Storage};

/// When an object is to be woken.
#[derive(Default)]
pub struct Alarm {
    rings_at: Cell<Option<u64>>,
    rings: Cell<bool>,
}

impl Alarm {
    /// It rings. Nobody sets it until [`Alarm::answered`].
    pub fn rings(&self) {
        self.rings.set(true);
        self.rings_at.set(None);
    }

    /// It has been answered, whatever came of that.
    pub fn answered(&self) {
        self.rings.set(false);
    }

    /// Whether it is being answered.
    pub fn is_ringing(&self) -> bool {
        self.rings.get()
    }

    /// Has it ring at this time, in milliseconds; not at all without one.
    pub async fn set(&self, storage: &Storage, at: Option<u64>) -> Result<()> {
        if self.rings.get() || (at.is_some() && self.rings_at.get() == at) {
            return Ok(());
        }
        self.rings_at.set(at);
        match at {
            Some(at) => storage.set_alarm(ScheduledTime::new(Date::new(&JsValue::from_f64(at as f64)))).await,
            None => storage.delete_alarm().await,
        }
    }
}
