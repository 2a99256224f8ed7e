//! Requests to the origin.

pub mod client;
pub mod document;
