//! The part of the worker that computes answers from bytes, without IO, on every target.
//!
//! It is a separate crate only for its opt-level "s"; the rest is compiled with "z", which is smaller and slower. Use
//! it through `flagsmith_edge_worker`. The documentation of that crate has the layout and the invariants.

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
