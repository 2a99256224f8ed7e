//! Values of the stores in the memory of an isolate.

pub mod environments;
pub mod first_discovery;
pub mod key_states;
pub mod overrides;
pub mod stored;
