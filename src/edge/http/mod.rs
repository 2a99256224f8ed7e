//! Requests and responses in the form of the platform.

pub mod body;
pub mod hold;
pub mod incoming;
pub mod response;
pub mod telemetry;
