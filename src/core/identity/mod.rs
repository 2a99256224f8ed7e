//! Identities: the stored state and the commands that change it.
//!
//! Without IO: a command is applied to a state in memory and returns the rows that it changed. The storage writes only
//! those rows.

mod anonymous;
mod change;
mod command;
mod details;
pub mod directory;
mod execute;
mod handover;
mod import;
mod message;
pub mod object_name;
mod overrides;
mod state;
mod trait_value;
mod traits;
mod uuid;

pub use anonymous::identifier as anonymous_identifier;
pub use change::{Change, CommandError, ExecutionContext};
pub use command::Command;
pub use handover::Handover;
pub use import::Import;
pub use message::{CommandRequest, CommandResponse};
pub use overrides::MAX_OVERRIDES_LENGTH;
pub use state::{Details, Identity, Inherited, Traits};
pub use trait_value::TraitValue;
pub use traits::MAX_TRAITS_LENGTH;
pub use uuid::{uuid, uuid_hex};
