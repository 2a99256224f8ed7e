//! The caches of stored values in an isolate.

mod document_reads;
pub mod environments;
pub mod first_discovery;
pub mod key_states;
pub mod kv_changes;
pub mod overrides;
mod server_keys;
pub mod stored;
mod unknown_keys;
