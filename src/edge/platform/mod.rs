//! The platform: KV, SQLite, alarms, time, randomness, settings, logs.

pub mod alarm;
pub mod clock;
pub mod config;
pub mod executor;
pub mod failure;
pub mod join_all;
pub mod kv;
pub mod log;
pub mod random;
pub mod sqlite;
pub mod timeout;
