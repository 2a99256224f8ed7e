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
/// The condition is checked at intervals. A promise of another request must not be awaited here, since the promise ends
/// with that request.
pub async fn poll_until(timeout: Duration, mut holds: impl FnMut() -> bool) {
    let end = now_ms() + timeout.as_millis() as u64;
    while !holds() && now_ms() < end {
        sleep(STEP).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    async fn waiting_ends_when_the_condition_holds_or_the_time_is_over() {
        let long = Duration::from_secs(3_600);
        let checks = Cell::new(0);
        for (timeout, holds_at, checked) in [(long, 1, 1), (long, 3, 3), (Duration::ZERO, 2, 1)] {
            checks.set(0);
            poll_until(timeout, || {
                checks.set(checks.get() + 1);
                checks.get() == holds_at
            })
            .await;
            assert_eq!(checks.get(), checked, "{timeout:?} {holds_at}");
        }
        let start = now_ms();
        poll_until(STEP * 2, || false).await;
        // A timer may be a millisecond early.
        assert!(now_ms() + 1 >= start + 40, "{start}");
    }
}
