//! What crosses between the worker and the object of an identity, as JSON.
//!
//! Written and read here, so that it is compiled as what computes is.

use serde::{Deserialize, Serialize};

use super::{Command, Identity, Refusal, Traits};
use crate::document::FeatureState;

/// A command and the identity that it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The client key of its environment.
    pub environment: Box<str>,
    /// Its identifier.
    pub identifier: Box<str>,
    /// The identity that is meant, where another may have taken its identifier meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Box<str>>,
    /// What to do.
    pub command: Command,
}

impl Order {
    /// Reads what [`Order::to_json`] wrote.
    pub fn from_json(text: &str) -> serde_json::Result<Order> {
        serde_json::from_str(text)
    }

    /// For the object.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// What an object answers to a command.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome<I = Identity> {
    /// The identity as the command left it.
    pub result: Result<I, Refusal>,
    /// Rows of the object's storage that were read and written.
    pub rows: [u64; 2],
}

impl Outcome {
    /// Reads what an object wrote.
    pub fn from_json(text: &str) -> serde_json::Result<Outcome> {
        serde_json::from_str(text)
    }
}

impl Outcome<&Identity> {
    /// With all that is known of the identity.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// With what SDK requests need of it.
    pub fn to_json_without_details(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Seen<'a> {
            exists: bool,
            traits: &'a Traits,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            overrides: &'a [FeatureState],
        }
        let result = self.result.map(|identity| {
            let Identity { exists, traits, overrides, .. } = identity;
            Seen { exists: *exists, traits, overrides }
        });
        serde_json::to_string(&Outcome { result, rows: self.rows })
    }
}
