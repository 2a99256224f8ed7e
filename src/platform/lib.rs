//! The Workers platform, as far as both workers need it: an object's SQLite database, randomness and the log. On wasm32
//! only.
//!
//! `object_class.js`, beside this file, makes the classes of Durable Objects for the entry modules of both workers.

#![cfg(target_arch = "wasm32")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable
)]

pub mod log;
pub mod random;
pub mod sqlite;
