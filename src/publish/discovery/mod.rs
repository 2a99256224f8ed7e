//! Discovery: the requests for an origin's environments and server keys, and the updates of the registry that follow.

pub mod inventory;
pub mod pagination;
pub mod registry;
pub mod run;
pub mod schedule;
