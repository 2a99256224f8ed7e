//! The environments and server keys of an origin, and the changes that serve them.

pub mod inventory;
pub mod pagination;
pub mod registry;
pub mod run;
pub mod schedule;
