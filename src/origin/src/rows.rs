//! The rows of the state, as they are stored: one JSON object each.

use serde::{Deserialize, Serialize};

/// An organisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Organisation {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub created_date: String,
    pub webhook_notification_email: Option<String>,
    pub persist_trait_data: bool,
    pub block_access_to_admin: bool,
    pub restrict_project_create_to_admin: bool,
    pub force_2fa: bool,
}

/// A credential for the Admin API. Its key has the form `prefix.secret` and is not stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasterApiKey {
    pub id: i64,
    /// The organisation that the key belongs to; `None` for the deployment's own key, which reaches all organisations.
    pub organisation: Option<i64>,
    pub prefix: String,
    /// The SHA-256 of the whole key, in hexadecimal.
    pub hash: String,
    pub name: String,
    pub created: String,
    pub revoked: bool,
    pub expiry_date: Option<String>,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub organisation: i64,
    pub hide_disabled_flags: bool,
    pub prevent_flag_defaults: bool,
    pub enable_realtime_updates: bool,
    pub only_allow_lower_case_feature_names: bool,
    pub feature_name_regex: Option<String>,
    pub stale_flags_limit_days: i64,
    pub minimum_change_request_approvals: Option<i64>,
    pub enforce_feature_owners: bool,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub api_key: String,
    pub description: Option<String>,
    pub project: i64,
    pub minimum_change_request_approvals: Option<i64>,
    pub allow_client_traits: bool,
    pub banner_text: Option<String>,
    pub banner_colour: Option<String>,
    pub hide_disabled_flags: Option<bool>,
    pub use_identity_composite_key_for_hashing: bool,
    pub hide_sensitive_data: bool,
    pub use_identity_overrides_in_local_eval: bool,
}

/// A server key of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerKey {
    pub id: i64,
    pub environment: i64,
    pub key: String,
    pub name: String,
    pub active: bool,
    pub created_at: String,
    pub expires_at: Option<String>,
}
