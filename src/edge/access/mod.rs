//! A caller's way to an environment: permissions and rate limits.

pub mod authorize;
pub mod environment;
pub mod limit;
