//! One environment's evaluations on their way to the origin.

pub mod client;
pub mod object;
pub mod rows;
