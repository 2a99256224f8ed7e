//! The object with an environment's event streams, which is written in JavaScript (`src/edge/streams.js`).

pub mod client;
