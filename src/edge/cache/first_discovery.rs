//! The first discovery: begins with the first read of a document that no object publishes (README, *Publishing*).
//!
//! Such a document is in KV before the origin was ever asked. An isolate that reads one asks the registry to begin, once,
//! and behind its answer. Where documents are published no isolate asks, however many there are.

use std::cell::Cell;

use worker::Env;

use crate::edge::objects::publishing;

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Every document that was read is published by an object.
    Unneeded,
    /// One is not, and the registry has still to be asked.
    Needed,
    /// The registry was asked.
    Requested,
}

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Unneeded) };
}

/// Notes that a document was read that no object publishes.
pub fn need() {
    if STATE.get() == State::Unneeded {
        STATE.set(State::Needed);
    }
}

/// Returns true if the caller is to call [`request`]. It says so to one caller only.
pub fn is_to_be_requested() -> bool {
    let is_needed = STATE.get() == State::Needed;
    if is_needed {
        STATE.set(State::Requested);
    }
    is_needed
}

/// Asks the registry to begin, unless it has. After a failure the next such read asks again.
pub async fn request(env: Env) {
    if let Err(failure) = publishing::begin(&env).await {
        failure.log(None);
        STATE.set(State::Unneeded);
    }
}
