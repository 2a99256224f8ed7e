//! The publication of one environment's document: check, comparison, version.

pub mod announcement;
pub mod candidate;
pub mod content;
pub mod document_pages;
pub mod server_keys;
pub mod state;
pub mod version;
pub mod wanted_version;
