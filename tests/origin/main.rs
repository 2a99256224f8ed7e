//! The embedded origin: recordings of a real Flagsmith, effects of changes, keys, generated faults, and random sequences
//! of requests.

mod access;
mod changes;
mod environment_keys;
mod faults;
mod foreign_ids;
mod options;
mod recordings;
mod room;
mod sequences;
mod support;
