//! One environment's document: checked, compared, published under a version.

pub mod announcement;
pub mod candidate;
pub mod content;
pub mod document_pages;
pub mod server_keys;
pub mod state;
pub mod version;
