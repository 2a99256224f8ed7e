//! Identities: what is stored of them, and the commands that change it.
//!
//! Pure: a command is applied to a state in memory and says which rows it changed. Whoever keeps the state writes
//! those rows and no others.

mod anonymous;
mod command;
pub mod directory;
mod handover;
mod import;
mod message;
pub mod object_name;
mod overrides;
mod trait_value;
mod traits;
mod uuid;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::FeatureState;

pub use anonymous::identifier as anonymous_identifier;
pub use command::{Change, Command, CommandError, ExecutionContext};
pub use handover::Handover;
pub use import::{Import, Inherited};
pub use message::{CommandRequest, CommandResponse};
pub use overrides::MAX_OVERRIDES_LENGTH;
pub use trait_value::TraitValue;
pub use traits::MAX_TRAITS_LENGTH;
pub use uuid::{uuid, uuid_hex};

/// Traits by key.
pub type Traits = BTreeMap<Box<str>, TraitValue>;

/// The stored state of one identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Whether there is such an identity; one without traits exists too.
    pub exists: bool,
    /// What is known of it.
    pub traits: Traits,
    /// Overrides that were made here, one for a feature, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<FeatureState>,
    /// What the Admin API tells of it; left out for whom it does not concern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The number that the identity has in the database of the Flagsmith that it was imported from. Environments that do
    /// not hash composite keys hash it (contract §C.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub django_id: Option<i64>,
    /// Grows with each change that others have to follow, also past the identity's own end, so that of two tidings
    /// the later is known.
    #[serde(skip)]
    pub sequence: u64,
    /// What imports brought for other spellings of its identifier.
    #[serde(skip)]
    pub inherited: Inherited,
}

/// What the Admin API tells of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Names the identity in the Admin API.
    pub uuid: Box<str>,
    /// When it was created, ISO 8601.
    pub created_date: Box<str>,
    /// In lower case; none if the Admin API was never told one.
    pub dashboard_alias: Option<Box<str>>,
}

impl Identity {
    /// Its name in the Admin API; none for one that does not exist.
    pub fn uuid(&self) -> Option<&str> {
        self.details.as_ref().map(|details| &*details.uuid)
    }
}
