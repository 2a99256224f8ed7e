//! The current time, and delays.

use std::future::pending;
use std::time::Duration;

use worker::js_sys::Date;

use crate::edge::platform::timeout::with_timeout;

/// The interval at which a condition is checked.
const STEP: Duration = Duration::from_millis(20);

/// Returns the current time in milliseconds, without creating an object.
pub fn now_ms() -> u64 {
    Date::now() as u64
}

/// Waits for this time.
pub async fn sleep(duration: Duration) {
    with_timeout(duration, pending::<()>()).await;
}

/// Waits until a condition holds, but not for longer than this.
///
/// It polls with its own timers: a promise of another request must not be awaited here, since it ends with that
/// request.
pub async fn poll_until(timeout: Duration, mut holds: impl FnMut() -> bool) {
    let end = now_ms() + timeout.as_millis() as u64;
    while !holds() && now_ms() < end {
        sleep(STEP).await;
    }
}
