//! The environment document, in its published and its compiled form.
//!
//! Parsing finds every fault, so that later steps cannot fail.

pub mod budget;
mod builder;
mod compressed;
pub mod condition;
pub mod context;
mod environment;
mod environment_key;
mod fault;
mod feature_definition;
mod feature_state;
mod fingerprint;
mod flags;
mod identifier;
pub mod identity_overrides;
mod image;
pub mod json;
pub mod json_path;
mod outcomes;
pub mod pattern;
pub mod property;
pub mod python;
pub mod ruleset;
mod schema;
mod sdk_document;
mod server_key;
mod span;
mod stored_overrides;
mod timestamp;
mod written_conditions;

pub use environment::{Environment, UpdatedAt};
pub use environment_key::{CLIENT_KEY_FORM, ClientKey, is_client_key, is_server_key};
pub use fault::Fault;
pub use feature_definition::{FeatureDefinition, FeatureKey};
pub use feature_state::{FeatureName, FeatureState, MultivariateOption, MultivariateValue};
pub use fingerprint::fingerprint;
pub use flags::{FlagParts, Flags, KeyKind};
pub use identifier::Identifier;
pub use identity_overrides::IdentityOverrides;
pub use image::{ImageFault, with_valid_checksum};
pub use outcomes::Outcomes;
pub use server_key::{ServerKey, ServerKeyHash, hash_of_server_key, hex};
pub use stored_overrides::StoredOverrides;
pub use timestamp::Timestamp;
pub use written_conditions::WrittenCondition;
