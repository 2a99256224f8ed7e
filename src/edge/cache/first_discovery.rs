//! The first discovery, which the first read of an unpublished document starts (`docs/publishing.md`).
//!
//! Such a document was put into KV before any discovery, so no object publishes it. An isolate that reads one calls the
//! registry to start, once and in the background. If every document has its object, isolates make no such call.

use std::cell::Cell;

use worker::Env;

use crate::edge::objects::publishing;

#[derive(Clone, Copy, PartialEq)]
enum DiscoveryState {
    /// Every document read so far is published by an object.
    Unneeded,
    /// A document without an object was read, and the registry has not been called yet.
    Needed,
    /// The registry has been called.
    Requested,
}

thread_local! {
    static STATE: Cell<DiscoveryState> = const { Cell::new(DiscoveryState::Unneeded) };
}

/// Records that a document without an object was read.
pub fn need() {
    if STATE.get() == DiscoveryState::Unneeded {
        STATE.set(DiscoveryState::Needed);
    }
}

/// Returns true if the caller must call [`request`]. Only one caller gets true.
pub fn is_to_be_requested() -> bool {
    let is_needed = STATE.get() == DiscoveryState::Needed;
    if is_needed {
        STATE.set(DiscoveryState::Requested);
    }
    is_needed
}

/// Starts the registry, unless it runs already. After a failure, the next read of such a document tries again.
pub async fn request(env: Env) {
    if let Err(failure) = publishing::start_discoveries(&env).await {
        failure.log(None);
        STATE.set(DiscoveryState::Unneeded);
    }
}
