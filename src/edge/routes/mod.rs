//! The handlers: one file for each group of routes, and the router in front of them.

pub mod assets;
pub mod check;
pub mod edge_identities;
pub mod events;
pub mod identity_insight;
pub mod import_export;
pub mod notifications;
pub mod proxy;
pub mod router;
pub mod sdk;
pub mod status;
pub mod stream;
