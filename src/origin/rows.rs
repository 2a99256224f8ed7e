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
    /// The time of the last change of the document.
    pub updated_at: String,
}

/// The client key of a deleted environment, which still names the identities that the edge stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletedEnvironment {
    pub id: i64,
    pub api_key: String,
    /// The organisation that may take the key again.
    pub organisation: i64,
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

/// A feature of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    /// `STANDARD` or `MULTIVARIATE`.
    #[serde(rename = "type")]
    pub kind: String,
    pub project: i64,
    pub default_enabled: bool,
    pub initial_value: Option<String>,
    pub description: Option<String>,
    pub is_archived: bool,
    pub is_server_key_only: bool,
    pub created_date: String,
}

/// A value of a multivariate feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultivariateOption {
    pub id: i64,
    pub uuid: String,
    pub feature: i64,
    pub key: Option<String>,
    pub value: TypedValue,
    pub default_percentage_allocation: f64,
}

/// A value with a column for each type. `type` names the column that counts; the others keep what they had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypedValue {
    /// `unicode`, `int` or `bool`.
    #[serde(rename = "type")]
    pub kind: String,
    pub string_value: Option<String>,
    pub integer_value: Option<i64>,
    pub boolean_value: Option<bool>,
}

/// The state of a feature in an environment: the default, or the override of a segment or an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureState {
    pub id: i64,
    pub uuid: String,
    pub environment: i64,
    pub feature: i64,
    pub feature_segment: Option<i64>,
    pub identity: Option<i64>,
    pub enabled: bool,
    pub value: TypedValue,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub multivariate_feature_state_values: Vec<MultivariateFeatureStateValue>,
    pub created_at: String,
    pub updated_at: String,
}

impl FeatureState {
    /// True if this is the default of its environment.
    pub fn is_default(&self) -> bool {
        self.feature_segment.is_none() && self.identity.is_none()
    }

    /// True if the state has a percentage for the option.
    pub fn has_option(&self, id: i64) -> bool {
        self.multivariate_feature_state_values.iter().any(|value| value.option == id)
    }
}

/// An option of a multivariate feature in a state, with the percentage of the identities that get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultivariateFeatureStateValue {
    pub id: i64,
    pub uuid: String,
    pub option: i64,
    pub percentage_allocation: f64,
}

/// A segment of a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub id: i64,
    pub uuid: String,
    pub name: String,
    pub description: Option<String>,
    pub project: i64,
    /// The only feature that the segment is for, if there is one.
    pub feature: Option<i64>,
    pub rules: Vec<Rule>,
    pub created_at: String,
    pub updated_at: String,
}

/// A rule of a segment. Rules are nested to [`crate::limits::MAX_RULE_DEPTH`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub id: i64,
    /// `ALL`, `ANY` or `NONE`.
    #[serde(rename = "type")]
    pub kind: String,
    pub rules: Vec<Rule>,
    pub conditions: Vec<Condition>,
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub id: i64,
    pub operator: String,
    pub property: Option<String>,
    pub value: String,
    pub description: Option<String>,
}

/// A segment's override of a feature in an environment, without its state. The lowest priority wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSegment {
    pub id: i64,
    pub uuid: String,
    pub feature: i64,
    pub segment: i64,
    pub environment: i64,
    pub priority: i64,
}

/// An identity of an environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    pub id: i64,
    pub uuid: String,
    pub environment: i64,
    pub identifier: String,
    pub created_date: String,
}

/// A trait of an identity, with a column for each type. `value_type` names the column that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trait {
    pub id: i64,
    pub identity: i64,
    pub trait_key: String,
    /// `unicode`, `int`, `bool` or `float`.
    pub value_type: String,
    pub integer_value: Option<i64>,
    pub string_value: Option<String>,
    pub boolean_value: Option<bool>,
    pub float_value: Option<f64>,
    pub created_date: String,
}

/// A record of a request that changed something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    pub id: i64,
    pub created_date: String,
    pub log: String,
    pub organisation: i64,
    pub project: Option<i64>,
    pub environment: Option<i64>,
    pub related_object_id: i64,
    pub related_object_type: String,
}
