//! The commands on an identity.

use serde::{Deserialize, Serialize};

use super::import::Import;
use super::trait_value::TraitValue;
use crate::document::FeatureState;

/// A command on an identity, executed in one turn of its object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Reads the identity without creating it.
    Read,
    /// Creates the identity if it is missing.
    Create,
    /// Creates the identity if it is missing, and changes its traits (contract §A.3). First the traits that are null
    /// are deleted, then the others are set in order. Of several values for one key the last stays.
    SetTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// Replaces all traits: sets the given ones in the same way, and deletes the others (contract §A.7).
    ReplaceTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// Adds to a whole-number trait; a missing trait counts from 0. Creates the identity if it is missing.
    Increment(Box<str>, i64),
    /// Creates a new identity, with or without an alias. Refused if the identity exists.
    #[serde(rename = "found")]
    CreateNew(Option<Box<str>>),
    /// Sets the alias.
    SetAlias(Box<str>),
    /// Adds an override of a feature that has none.
    CreateOverride(FeatureState),
    /// Replaces the override with this UUID. If the flag is true, its multivariate values stay.
    UpdateOverride(FeatureState, bool),
    /// Creates the identity if it is missing, and sets its override of a feature. If the flag is true, the multivariate
    /// values of an existing override stay.
    PutOverride(FeatureState, bool),
    /// Removes the override with this UUID.
    DeleteOverride(Box<str>),
    /// Removes the override of a feature, if there is one.
    DeleteOverrideOf(i64),
    /// Replaces all overrides.
    ReplaceOverrides(Vec<FeatureState>),
    /// Replaces the identity with an imported one.
    Import(Box<Import>),
    /// Adds the traits and overrides of another spelling of the identifier, if the identity lacks them.
    ImportMissing(Box<Import>),
    /// Sends the directory entry and the overrides again.
    #[serde(rename = "tell")]
    Resync,
    /// Deletes the identity.
    #[serde(rename = "erase")]
    Delete,
}

impl Command {
    /// True if the command may change the identity's overrides, or the directory's copy of them.
    pub fn concerns_overrides(&self) -> bool {
        self.adds_overrides()
            || matches!(
                self,
                Command::DeleteOverride(_)
                    | Command::DeleteOverrideOf(_)
                    | Command::ReplaceOverrides(_)
                    | Command::Import(_)
                    | Command::ImportMissing(_)
                    | Command::Resync
                    | Command::Delete
            )
    }

    /// True if the command adds overrides.
    pub fn adds_overrides(&self) -> bool {
        match self {
            Command::CreateOverride(_) | Command::UpdateOverride(..) | Command::PutOverride(..) => true,
            Command::ReplaceOverrides(states) => !states.is_empty(),
            Command::Import(import) | Command::ImportMissing(import) => !import.overrides.is_empty(),
            _ => false,
        }
    }
}
