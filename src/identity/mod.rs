//! Identities: what is stored of them, and the commands that change it.
//!
//! Pure: a command is applied to a state in memory and says which rows it changed. Whoever keeps the state writes
//! those rows and no others.

mod anonymous;
mod command;
mod trait_value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use anonymous::identifier as anonymous_identifier;
pub use command::{Change, Command, MAX_TRAITS_LENGTH, Refusal};
pub use trait_value::TraitValue;

/// Traits by key.
pub type Traits = BTreeMap<Box<str>, TraitValue>;

/// The stored state of one identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Whether there is such an identity; one without traits exists too.
    pub exists: bool,
    /// What is known of it.
    pub traits: Traits,
}
