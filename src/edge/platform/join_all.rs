//! Waits for several futures concurrently.

use std::future::poll_fn;
use std::task::Poll;

use futures_util::future::{FutureExt, LocalBoxFuture};

/// The outputs of these futures, in their order.
///
/// All pending futures are polled whenever one of them may be ready; there are a hundred at most. `futures_util` polls
/// only that one, which took 48 kB of code more. They are boxed, since their code would otherwise be in the WebAssembly
/// once more for each place that waits for them.
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
