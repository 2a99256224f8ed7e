//! A part of an environment's directory of identities.

mod announcement;
pub mod client;
pub mod object;
pub mod override_rows;
pub mod rows;
