//! The entry of an identity.

use serde::{Deserialize, Serialize};

use crate::document::Identifier;

/// The directory's entry of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The identifier, unique within the environment.
    pub identifier: Identifier,
    /// The UUID that names the identity in the Admin API.
    pub uuid: Box<str>,
    /// The alias in lower case.
    pub alias: Option<Box<str>>,
    /// True if the identity has a number in a Flagsmith's database. It is sent with updates, and left out of pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_django_id: bool,
}
