//! One environment's publisher.

pub mod object;
pub mod rows;
