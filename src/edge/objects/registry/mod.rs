//! The registry of environments and server keys.

pub mod discovery;
pub mod object;
pub mod rows;
