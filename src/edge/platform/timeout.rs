//! Waits with a time limit.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use worker::js_sys::{self, Promise};
use worker::wasm_bindgen::JsCast;
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::WorkerGlobalScope;

/// The output of `work`, or `None` if it takes longer.
///
/// `worker::Delay` does not work here: it keeps its first waker, but the task's waker may change.
pub async fn with_timeout<T>(timeout: Duration, work: impl Future<Output = T>) -> Option<T> {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let mut timer = None;
    let elapsed = Promise::new(&mut |resolve, _| {
        timer = scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds).ok();
    });
    let outcome = match select(pin!(work), JsFuture::from(elapsed)).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(_) => None,
    };
    if let Some(timer) = timer {
        scope.clear_timeout_with_handle(timer);
    }
    outcome
}
