//! Runs the handler of a request: to its end if nothing has to be awaited, otherwise behind a promise.
//!
//! A task continues directly in the callback that completes its wait. wasm-bindgen's executor puts a microtask in
//! between, and one more before the start. On a warm request these cost more than the work itself
//! (`docs/benchmarks.md`).

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use worker::js_sys::{Function, Promise};
use worker::wasm_bindgen::JsValue;

type Work = Pin<Box<dyn Future<Output = JsValue>>>;

/// The number of a task, which its wakers keep. Numbers are not reused: a waker that outlives its task would wake
/// another request's task. The platform does not allow a request to continue within another.
#[derive(Clone, Copy)]
struct TaskId(u64);

struct Task {
    /// `None` while the task is polled.
    work: Option<Work>,
    /// True if the task was woken meanwhile.
    woken: bool,
    /// The receiver of the outcome, after a promise was created.
    resolve: Option<Function>,
}

thread_local! {
    /// Tasks by number; numbers only grow.
    static TASKS: RefCell<Vec<(u64, Task)>> = RefCell::default();
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// The outcome of the work, or a promise of it.
pub fn run(work: impl Future<Output = JsValue> + 'static) -> JsValue {
    let id = TaskId(LAST.get() + 1);
    LAST.set(id.0);
    TASKS.with_borrow_mut(|tasks| tasks.push((id.0, Task { work: None, woken: false, resolve: None })));
    match id.poll(Box::pin(work)) {
        Poll::Ready(outcome) => {
            id.end();
            outcome
        }
        Poll::Pending => Promise::new(&mut |resolve, _| {
            id.change(|task| task.resolve = Some(resolve));
        })
        .into(),
    }
}

impl TaskId {
    /// Polls the work until it is done or has to wait. Work that is woken during a poll is polled again at once.
    fn poll(self, mut work: Work) -> Poll<JsValue> {
        let waker = Waker::from(Arc::new(self));
        loop {
            self.change(|task| task.woken = false);
            if let Poll::Ready(outcome) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(outcome);
            }
            if !self.change(|task| task.woken).unwrap_or(false) {
                self.change(|task| task.work = Some(work));
                return Poll::Pending;
            }
        }
    }

    fn change<T>(self, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
        TASKS.with_borrow_mut(|tasks| {
            let place = self.place(tasks)?;
            tasks.get_mut(place).map(|(_, task)| change(task))
        })
    }

    fn end(self) -> Option<Task> {
        TASKS.with_borrow_mut(|tasks| self.place(tasks).map(|place| tasks.remove(place).1))
    }

    fn place(self, tasks: &[(u64, Task)]) -> Option<usize> {
        tasks.binary_search_by_key(&self.0, |(number, _)| *number).ok()
    }
}

impl Wake for TaskId {
    fn wake(self: Arc<TaskId>) {
        let work = self.change(|task| {
            task.woken = true;
            task.work.take()
        });
        let Some(Some(work)) = work else { return };
        if let Poll::Ready(outcome) = self.poll(work)
            && let Some(resolve) = self.end().and_then(|task| task.resolve)
        {
            // Resolving a promise calls no code that could fail.
            let _ = resolve.call1(&JsValue::UNDEFINED, &outcome);
        }
    }
}
