//! The part of the worker that decides: from bytes to bytes, for every target.
//!
//! A crate of its own only because it is compiled for speed and the rest for size. Use it through
//! `flagsmith_edge_worker`, whose documentation has the layout and the invariants.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable
)]

pub mod api;
pub mod cache;
pub mod document;
pub mod evaluate;
pub mod identity;
