//! Changed documents of environments that no object publishes. The isolate that first reads such a document tells event
//! streams.

use std::cell::RefCell;

use worker::Env;

use crate::document::ClientKey;
use crate::edge::objects::stream::client::{self as streams, StreamedChange};
use crate::edge::platform::clock::now_ms;

thread_local! {
    /// The changes that streams have not been told of. They are few, since each read takes them.
    static CHANGES: RefCell<Vec<(ClientKey, StreamedChange)>> = RefCell::default();
}

/// Records a changed document. `version`: a text that differs for another document. Every isolate that reads the document
/// announces the same. Only the first announcement counts, unless isolates read an earlier document in between.
pub fn record(client_key: &ClientKey, version: String, updated_at: f64) {
    let change = StreamedChange { version, sequence: now_ms(), updated_at };
    CHANGES.with_borrow_mut(|changes| changes.push((client_key.clone(), change)));
}

/// True if there are changes to announce.
pub fn are_due() -> bool {
    CHANGES.with_borrow(|changes| !changes.is_empty())
}

/// Tells event streams of all recorded changes. A failure is logged.
pub async fn announce(env: Env) {
    for (client_key, change) in CHANGES.take() {
        if let Err(failure) = streams::announce(&env, &client_key, &change).await {
            failure.log(Some(&client_key));
        }
    }
}
