//! The states of server keys that environments' objects announced to this isolate. They arrive with the versions of
//! documents (see `publish::publisher::server_keys`).

use std::cell::RefCell;
use std::collections::HashMap;

use crate::document::ClientKey;
use crate::publish::KeyStates;

thread_local! {
    /// States by client key. Only published environments have an entry, so invented keys cannot make the map grow.
    static STATES: RefCell<HashMap<ClientKey, KeyStates>> = RefCell::default();
}

/// Stores the announcement of an environment's object.
pub fn remember(client_key: &ClientKey, states: Option<KeyStates>) {
    STATES.with_borrow_mut(|known| match states {
        Some(states) => drop(known.insert(client_key.clone(), states)),
        None => drop(known.remove(client_key)),
    });
}

/// True if the origin accepts a server key, false if it refuses the key. `None` if there is no information, or if the
/// key's registry entry (`known_at`) is newer.
pub fn accept(client_key: &ClientKey, hash: &str, known_at: Option<u64>) -> Option<bool> {
    STATES.with_borrow(|known| known.get(client_key)?.accept(hash, known_at.unwrap_or_default()))
}
