//! The embedded origin: recordings of a real Flagsmith, effects of changes, keys, generated faults, random sequences of
//! requests, and stored rows.

mod access;
mod changes;
mod environment_keys;
mod faults;
mod foreign_ids;
mod options;
mod recordings;
mod room;
mod sequences;
mod stored_rows;
mod support;
