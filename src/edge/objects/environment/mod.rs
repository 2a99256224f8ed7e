//! One environment's publisher.

mod announcement;
mod hashing_report;
pub mod object;
pub mod rows;
