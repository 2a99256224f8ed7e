//! One environment's publisher.

mod hashing_report;
pub mod object;
pub mod rows;
