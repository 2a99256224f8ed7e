//! The Durable Objects: for each class the object, its rows, and the client that calls it.

pub mod analytics;
pub mod directory;
pub mod environment;
pub mod identity;
pub mod publishing;
pub mod registry;
pub mod shards;
pub mod stream;
