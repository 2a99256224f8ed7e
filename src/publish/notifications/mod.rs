//! Notifications of changes: from the origin, and to the environments' objects.

pub mod outbox;
pub mod webhook;
