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
