//! The platform part: the Durable Object that keeps the state, and its rows in SQLite. On wasm32 only.

mod object;
mod rows;

use worker::event;
use worker::wasm_bindgen;

pub use object::OriginObject;

#[event(start)]
fn start() {
    flagsmith_edge_platform::log::log_panics();
}
