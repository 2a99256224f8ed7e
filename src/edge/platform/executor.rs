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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::time::Duration;

    use wasm_bindgen_test::wasm_bindgen_test;
    use worker::wasm_bindgen::JsCast;
    use worker::wasm_bindgen_futures::JsFuture;

    use super::*;
    use crate::edge::platform::timeout::with_timeout;

    /// Work that waits until it is opened. It counts its polls, and panics if one begins within another.
    #[derive(Default)]
    struct Gate {
        is_open: Cell<bool>,
        is_polled: Cell<bool>,
        polls: Cell<u32>,
        waker: RefCell<Option<Waker>>,
        during_poll: RefCell<Option<Box<dyn FnOnce()>>>,
    }

    impl Gate {
        fn poll(&self, context: &Context<'_>) -> Poll<()> {
            assert!(!self.is_polled.replace(true), "polled within a poll");
            self.polls.set(self.polls.get() + 1);
            assert!(self.polls.get() < 100, "polled without end");
            self.waker.replace(Some(context.waker().clone()));
            if let Some(during_poll) = self.during_poll.take() {
                during_poll();
            }
            self.is_polled.set(false);
            if self.is_open.get() { Poll::Ready(()) } else { Poll::Pending }
        }

        /// Runs the work of this gate, whose outcome is `outcome`.
        fn run(self: &Rc<Gate>, outcome: &'static str) -> JsValue {
            let gate = Rc::clone(self);
            run(async move {
                poll_fn(|context| gate.poll(context)).await;
                JsValue::from(outcome)
            })
        }

        fn wake(&self) {
            let waker = self.waker.borrow().clone();
            waker.unwrap().wake();
        }

        fn open(&self) {
            self.is_open.set(true);
            self.wake();
        }
    }

    async fn resolved(promise: JsValue) -> JsValue {
        let promise = JsFuture::from(promise.dyn_into::<Promise>().unwrap());
        with_timeout(Duration::from_secs(1), promise).await.expect("an outcome").unwrap()
    }

    fn count_tasks() -> usize {
        TASKS.with_borrow(Vec::len)
    }

    #[wasm_bindgen_test]
    fn work_that_does_not_wait_gives_its_outcome_without_a_promise() {
        let before = count_tasks();
        assert_eq!(run(async { JsValue::from("done") }), "done");
        assert_eq!(count_tasks(), before);
    }

    #[wasm_bindgen_test]
    async fn a_wake_up_continues_the_work_in_the_same_call() {
        let before = count_tasks();
        let gate = Rc::new(Gate::default());
        let promise = gate.run("done");
        assert_eq!((gate.polls.get(), count_tasks()), (1, before + 1));
        gate.wake();
        assert_eq!((gate.polls.get(), count_tasks()), (2, before + 1));
        gate.open();
        assert_eq!((gate.polls.get(), count_tasks()), (3, before));
        assert_eq!(resolved(promise).await, "done");
    }

    #[wasm_bindgen_test]
    async fn work_that_is_woken_during_a_poll_is_polled_again_after_it() {
        // In its first poll.
        let gate = Rc::new(Gate::default());
        let woken = Rc::clone(&gate);
        gate.during_poll.replace(Some(Box::new(move || {
            woken.wake();
            woken.wake();
            let again = Rc::clone(&woken);
            woken.during_poll.replace(Some(Box::new(move || again.is_open.set(true))));
        })));
        assert_eq!(gate.run("at once"), "at once");
        assert_eq!(gate.polls.get(), 2, "two wake-ups during a poll cause one more poll");

        // In a later poll.
        let gate = Rc::new(Gate::default());
        let promise = gate.run("later");
        let woken = Rc::clone(&gate);
        gate.during_poll.replace(Some(Box::new(move || {
            woken.wake();
            let again = Rc::clone(&woken);
            woken.during_poll.replace(Some(Box::new(move || again.is_open.set(true))));
        })));
        gate.wake();
        assert_eq!(gate.polls.get(), 3);
        assert_eq!(resolved(promise).await, "later");
    }

    #[wasm_bindgen_test]
    async fn a_wake_up_during_a_poll_does_not_count_for_the_next_one() {
        let gate = Rc::new(Gate::default());
        let woken = Rc::clone(&gate);
        gate.during_poll.replace(Some(Box::new(move || woken.wake())));
        let promise = gate.run("done");
        assert_eq!(gate.polls.get(), 2);
        gate.wake();
        assert_eq!(gate.polls.get(), 3);
        gate.open();
        assert_eq!(resolved(promise).await, "done");
    }

    #[wasm_bindgen_test]
    async fn a_waker_that_outlives_its_task_wakes_no_later_task() {
        let (first, second) = (Rc::new(Gate::default()), Rc::new(Gate::default()));
        let (at_once, third) = (Rc::new(Gate::default()), Rc::new(Gate::default()));
        let one = first.run("one");
        first.open();
        at_once.is_open.set(true);
        assert_eq!(at_once.run("at once"), "at once");
        let (two, three) = (second.run("two"), third.run("three"));
        for _ in 0..2 {
            first.wake();
            at_once.wake();
        }
        let polls = [&first, &at_once, &second, &third].map(|gate| gate.polls.get());
        assert_eq!(polls, [2, 1, 1, 1]);
        third.open();
        second.open();
        let outcomes = [resolved(one).await, resolved(two).await, resolved(three).await];
        assert_eq!(outcomes, ["one", "two", "three"]);
    }

    #[wasm_bindgen_test]
    async fn interleaved_tasks_have_their_own_outcomes() {
        let gates = [(); 3].map(|()| Rc::new(Gate::default()));
        let [first, second, third] = &gates;
        let (one, two, three) = (first.run("one"), second.run("two"), third.run("three"));
        second.wake();
        third.open();
        first.wake();
        first.open();
        second.open();
        assert_eq!(gates.each_ref().map(|gate| gate.polls.get()), [3, 3, 2]);
        let outcomes = [resolved(one).await, resolved(two).await, resolved(three).await];
        assert_eq!(outcomes, ["one", "two", "three"]);
    }

    #[wasm_bindgen_test]
    async fn a_task_may_wake_another_one_and_start_one() {
        let (waiting, waking) = (Rc::new(Gate::default()), Rc::new(Gate::default()));
        let one = waiting.run("one");
        let other = Rc::clone(&waiting);
        waking.during_poll.replace(Some(Box::new(move || {
            other.open();
            assert_eq!(run(async { JsValue::from("started") }), "started");
        })));
        let two = waking.run("two");
        assert_eq!((waiting.polls.get(), waking.polls.get()), (2, 1));
        waking.open();
        assert_eq!([resolved(one).await, resolved(two).await], ["one", "two"]);
    }

    #[wasm_bindgen_test]
    async fn a_promise_of_the_platform_wakes_its_task() {
        let promise = run(async {
            let inner = Promise::resolve(&JsValue::from("inner"));
            JsFuture::from(inner).await.unwrap()
        });
        assert_eq!(resolved(promise).await, "inner");
    }
}
