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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    /// The number of running timers.
    fn count_timers() -> f64 {
        let code = "process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length";
        js_sys::eval(code).unwrap().as_f64().unwrap()
    }

    #[wasm_bindgen_test]
    fn work_in_time_gives_its_output_and_leaves_no_timer() {
        // A timer is a number in workerd, and an object in Node.
        let numbers =
            "const set = setTimeout; globalThis.setTimeout = (...call) => Number(set(...call)); set";
        let set_timeout = js_sys::eval(&format!("{{ {numbers} }}")).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let before = count_timers();
        for polls in [1, 3] {
            let left = Cell::new(polls);
            let work = poll_fn(|_| match left.replace(left.get() - 1) {
                1 => Poll::Ready("done"),
                _ => Poll::Pending,
            });
            let mut limited = pin!(with_timeout(Duration::from_secs(3_600), work));
            for _ in 1..polls {
                assert_eq!(limited.as_mut().poll(&mut context), Poll::Pending);
                assert_eq!(count_timers(), before + 1.0);
            }
            assert_eq!(limited.as_mut().poll(&mut context), Poll::Ready(Some("done")));
            assert_eq!(count_timers(), before);
        }
        js_sys::Reflect::set(&js_sys::global(), &"setTimeout".into(), &set_timeout).unwrap();
    }

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Woken>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[wasm_bindgen_test]
    async fn the_time_limit_wakes_the_latest_waker() {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut limited = pin!(with_timeout(Duration::from_millis(5), pending::<()>()));
        for waker in [Waker::noop(), &waker] {
            assert_eq!(limited.as_mut().poll(&mut Context::from_waker(waker)), Poll::Pending);
        }
        assert_eq!(with_timeout(Duration::from_millis(20), pending::<()>()).await, None);
        assert!(woken.0.load(Ordering::Relaxed));
        assert_eq!(limited.await, None);
    }
}
