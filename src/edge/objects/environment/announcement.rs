//! The announcement of a published version to event streams.

use std::cell::RefCell;
use std::rc::Rc;

use worker::Env;

use crate::document::Timestamp;
use crate::edge::objects::environment::rows::StoredEnvironment;
use crate::edge::objects::stream::client::{self as streams, StreamedChange};

/// The state of an environment's object in memory, which announcements in the background change, too.
pub type Memory = Rc<RefCell<Option<StoredEnvironment>>>;

/// Announces the published version to event streams. Success is recorded in memory, and stored with the next change. If
/// the object is evicted before that, the version is announced again, which has no effect.
pub async fn announce(env: Env, environment: Memory) {
    let read = |StoredEnvironment { client_key, publisher }: &StoredEnvironment| {
        let published = publisher.published.as_ref()?;
        Some((client_key.clone(), published.version, published.updated_at))
    };
    let Some((client_key, version, updated_at)) = environment.borrow().as_ref().and_then(read) else {
        return;
    };
    let updated_at = updated_at.map_or(0.0, Timestamp::fractional_seconds);
    let change = StreamedChange { version: version.to_string(), sequence: version.sequence, updated_at };
    if let Err(failure) = streams::announce(&env, &client_key, &change).await {
        failure.log(Some(&client_key));
    } else if let Some(environment) = environment.borrow_mut().as_mut() {
        environment.publisher.announced(version);
    }
}
