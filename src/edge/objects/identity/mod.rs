//! The object of one identity.

pub mod client;
pub mod moving;
pub mod object;
pub mod rows;
