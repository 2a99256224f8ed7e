//! The object with an environment's event streams, which is written in JavaScript (`src/edge/stream_object.js`).

pub mod client;
