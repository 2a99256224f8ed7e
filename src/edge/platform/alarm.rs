//! An object's alarm. All of the object's work happens in it, so no two tasks run at the same time.
//!
//! If an object is evicted during its alarm, the platform repeats the alarm, also after a restart. Code that adds work
//! sets the alarm. While the alarm runs, it is not set again, since the run ends with a check for remaining work.

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

    /// Ends the alarm's work and sets the alarm for the next task. After an error the alarm is set for a few seconds
    /// later. The platform alone would repeat a failed alarm six times and then never again.
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

    /// Sets the alarm for this time, in milliseconds. Deletes the alarm if there is no time.
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

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;
    use worker::js_sys::{self, Object, Reflect};
    use worker::wasm_bindgen::JsCast;
    use worker::{State, worker_sys};

    use super::*;

    /// An object's state whose storage records the calls for its alarm. While `fails` is true, each of them fails.
    fn state() -> Object {
        let code = "({
            calls: [],
            fails: false,
            async record(call) {
                this.calls.push(call);
                if (this.fails) throw new Error('no storage');
            },
            get storage() {
                return {
                    setAlarm: (at) => this.record(at.getTime()),
                    deleteAlarm: () => this.record('none'),
                };
            },
        })";
        js_sys::eval(code).unwrap().unchecked_into()
    }

    fn storage(state: &Object) -> Storage {
        State::from(state.clone().unchecked_into::<worker_sys::DurableObjectState>()).storage()
    }

    fn take_calls(state: &Object) -> String {
        let calls = Reflect::get(state, &"calls".into()).unwrap();
        Reflect::set(state, &"calls".into(), &js_sys::Array::new()).unwrap();
        js_sys::Array::from(&calls).join(" ").into()
    }

    fn set_fails(state: &Object, fails: bool) {
        Reflect::set(state, &"fails".into(), &fails.into()).unwrap();
    }

    #[wasm_bindgen_test]
    async fn a_known_time_is_not_set_again() {
        let state = state();
        let (alarm, storage) = (Alarm::default(), storage(&state));
        for at in [Some(1_000), Some(1_000), Some(2_000), None, None, Some(2_000)] {
            alarm.set(&storage, at).await.unwrap();
        }
        // Another instance may have set the alarm that is deleted here.
        assert_eq!(take_calls(&state), "1000 2000 none none 2000");
        set_fails(&state, true);
        alarm.set(&storage, Some(3_000)).await.unwrap_err();
        set_fails(&state, false);
        alarm.set(&storage, Some(3_000)).await.unwrap();
        assert_eq!(take_calls(&state), "3000 3000", "a time that could not be set");
    }

    #[wasm_bindgen_test]
    async fn the_alarm_stays_unset_until_its_work_ends() {
        let state = state();
        let (alarm, storage) = (Alarm::default(), storage(&state));
        alarm.set(&storage, Some(1_000)).await.unwrap();
        for outcome in [Some(1_000), Some(1_000), None] {
            take_calls(&state);
            alarm.start();
            alarm.set(&storage, Some(1_000)).await.unwrap();
            assert_eq!(take_calls(&state), "");
            alarm.finish(&storage, Ok(outcome), Source::Registry).await.unwrap();
            let set = outcome.map_or("none".to_owned(), |at| at.to_string());
            assert_eq!(take_calls(&state), set);
        }
        alarm.set(&storage, Some(4_000)).await.unwrap();
        assert_eq!(take_calls(&state), "4000");
    }

    #[wasm_bindgen_test]
    async fn failed_work_is_repeated_soon() {
        let state = state();
        let (alarm, storage) = (Alarm::default(), storage(&state));
        alarm.start();
        let before = now_ms();
        alarm.finish(&storage, Err("a failure of this test".into()), Source::Registry).await.unwrap();
        let at: u64 = take_calls(&state).parse().unwrap();
        assert!((before + RETRY_AFTER_MS..=now_ms() + RETRY_AFTER_MS).contains(&at), "{at}");
    }
}
