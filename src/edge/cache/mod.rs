//! The caches of stored values in an isolate.

pub mod environments;
pub mod first_discovery;
pub mod key_states;
pub mod kv_changes;
pub mod overrides;
pub mod stored;
