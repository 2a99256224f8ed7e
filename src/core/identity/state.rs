//! The stored state of an identity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::trait_value::TraitValue;
use crate::document::FeatureState;

/// Traits by key.
pub type Traits = BTreeMap<Box<str>, TraitValue>;

/// The stored state of one identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// True if the identity exists, also without traits.
    pub exists: bool,
    /// The stored traits.
    pub traits: Traits,
    /// Overrides that were made here, one for a feature, in order of creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<FeatureState>,
    /// The details for the Admin API; left out in answers to SDK requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The identity's number in the database of the Flagsmith from which it was imported. Environments that do not hash
    /// composite keys hash this number (contract §C.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub django_id: Option<i64>,
    /// A number that grows with each change that the directory needs, also after a deletion. It decides which of two
    /// updates is later.
    #[serde(skip)]
    pub sequence: u64,
    /// The traits and overrides that imports brought for other spellings of its identifier.
    #[serde(skip)]
    pub inherited: Inherited,
}

/// The details of an identity for the Admin API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The UUID that names the identity in the Admin API.
    pub uuid: Box<str>,
    /// The creation time, ISO 8601.
    pub created_date: Box<str>,
    /// The alias in lower case; `None` if no alias was set.
    pub dashboard_alias: Option<Box<str>>,
}

impl Identity {
    /// The UUID that names the identity in the Admin API; none if the identity does not exist.
    pub fn uuid(&self) -> Option<&str> {
        self.details.as_ref().map(|details| &*details.uuid)
    }
}

/// Traits and overrides that imports brought for other spellings of the identifier.
///
/// Those that the identity lacked have become part of it. Only a later import reads this copy again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inherited {
    /// The traits by key.
    pub traits: Traits,
    /// The overrides, at most one for a feature, in order of arrival.
    pub overrides: Vec<FeatureState>,
}
