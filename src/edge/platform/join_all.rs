//! Waits for several futures concurrently.

use std::future::poll_fn;
use std::task::Poll;

use futures_util::future::{FutureExt, LocalBoxFuture};

/// The outputs of these futures, in their order.
///
/// All pending futures are polled whenever one may be ready; there are at most a hundred. `futures_util` polls only the
/// ready one, but took 48 kB more code. The futures are boxed, since generic code would be in the WebAssembly once for
/// each caller.
pub async fn join_all<'a, F: Future + 'a>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<LocalBoxFuture<'a, F::Output>> =
        futures.into_iter().map(FutureExt::boxed_local).collect();
    let mut outputs: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut done = true;
        for (future, output) in waiting.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => done = false,
                }
            }
        }
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::pending;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[wasm_bindgen_test]
    fn outputs_have_the_order_of_their_futures() {
        let is_ready = [(); 3].map(|()| Cell::new(false));
        let polls = RefCell::new([0; 3]);
        let futures = (0..3).map(|index| {
            let (is_ready, polls) = (&is_ready, &polls);
            poll_fn(move |_| {
                polls.borrow_mut()[index] += 1;
                if is_ready[index].get() { Poll::Ready(index) } else { Poll::Pending }
            })
        });
        let mut all = pin!(join_all(futures));
        for index in [2, 0] {
            assert_eq!(poll(all.as_mut()), Poll::Pending);
            is_ready[index].set(true);
        }
        assert_eq!(poll(all.as_mut()), Poll::Pending);
        is_ready[1].set(true);
        assert_eq!(poll(all.as_mut()), Poll::Ready(vec![0, 1, 2]));
        // A future is not polled after it was ready.
        assert_eq!(*polls.borrow(), [3, 4, 2]);
    }

    #[wasm_bindgen_test]
    fn one_pending_future_keeps_all_outputs_back() {
        let none: [std::future::Ready<()>; 0] = [];
        assert_eq!(poll(pin!(join_all(none))), Poll::Ready(Vec::new()));
        let futures = [true, false].map(|is_ready| async move {
            if !is_ready {
                pending::<()>().await;
            }
        });
        assert_eq!(poll(pin!(join_all(futures))), Poll::Pending);
    }
}
