//! Notifications of changes: from the origin, and to the environments' objects.

pub mod endpoint;
pub mod outbox;
pub mod webhook;
