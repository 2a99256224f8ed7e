//! The platform: KV, alarms, time, settings, failures. SQLite, randomness and the log are in `src/platform`.

pub mod alarm;
pub mod clock;
pub mod config;
pub mod executor;
pub mod failure;
pub mod join_all;
pub mod kv;
pub mod secret_hash;
pub mod timeout;
