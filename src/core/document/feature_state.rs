//! Feature states that are stored outside of the document: identity overrides made here (contract §B, §D).
//!
//! They have the form of documents, since they are added to the document for SDKs.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::schema::or_default;

/// A feature's state for one identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureState {
    /// The feature of this state.
    pub feature: FeatureName,
    /// True if the flag is on.
    #[serde(default)]
    pub enabled: bool,
    /// Text, number, boolean or null; for a multivariate feature the control value.
    #[serde(default, deserialize_with = "scalar")]
    pub feature_state_value: Value,
    /// The number in the origin's database; none for a state that was made here.
    #[serde(default)]
    pub django_id: Option<i64>,
    /// The name of this state, and the key for the hash of its buckets.
    #[serde(default)]
    pub featurestate_uuid: Box<str>,
    /// Multivariate values, in the order in which they were given.
    #[serde(default, deserialize_with = "or_default")]
    pub multivariate_feature_state_values: Vec<MultivariateValue>,
}

/// The feature of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureName {
    /// The number in the origin's database. A feature that is deleted and created again gets another.
    pub id: i64,
    /// Unique within the environment.
    pub name: Box<str>,
    /// `STANDARD` or `MULTIVARIATE`.
    #[serde(rename = "type", default = "standard")]
    pub kind: Box<str>,
}

/// A multivariate value and its share of the identities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultivariateValue {
    /// The number in the origin's database; none for a value that was made here.
    #[serde(default)]
    pub id: Option<i64>,
    /// The name of this value. Read as a number, it orders the values.
    #[serde(default)]
    pub mv_fs_value_uuid: Box<str>,
    /// 0 to 100.
    pub percentage_allocation: f64,
    /// The option with the value.
    pub multivariate_feature_option: MultivariateOption,
}

/// One of the values that a multivariate feature can have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultivariateOption {
    /// The number in the origin's database.
    #[serde(default)]
    pub id: Option<i64>,
    /// Text, number, boolean or null.
    #[serde(default, deserialize_with = "scalar")]
    pub value: Value,
    /// The name of the variant.
    #[serde(default)]
    pub key: Option<Box<str>>,
}

/// The smallest number that is served for a multivariate value without one.
const FIRST_MADE_NUMBER: i64 = 1 << 30;
/// The number of bits of the UUID in such a number. They leave room below 2^31, since several values may have the same
/// bits.
const MADE_NUMBER_BITS: u32 = 29;

fn standard() -> Box<str> {
    "STANDARD".into()
}

fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_array() || value.is_object() {
        return Err(serde::de::Error::custom("expected a string, number, boolean or null"));
    }
    Ok(value)
}

impl FeatureState {
    /// True if both have the same JSON; `0.0` and `-0.0` differ.
    pub fn is_same(&self, other: &FeatureState) -> bool {
        self == other && serde_json::to_string(self).ok() == serde_json::to_string(other).ok()
    }

    /// The length of the stored JSON in bytes.
    pub fn length(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len())
    }

    /// The state for SDKs, with a number for each multivariate value and option that has none, since .NET's SDK accepts
    /// no null. The numbers give the order of [`FeatureState::variants`].
    ///
    /// A number is derived from the value's UUID, so it is always the same. It fits into signed and unsigned 32 bits.
    /// It is larger than an origin's numbers, since its database counts from 1.
    pub fn numbered(mut self) -> FeatureState {
        let values = &mut self.multivariate_feature_state_values;
        let priority = |value: &MultivariateValue| sort_key(value.id, Some(&value.mv_fs_value_uuid));
        let mut in_order: Vec<_> = values.iter_mut().collect();
        in_order.sort_by_key(|value| priority(value));
        let mut last = 0_i64;
        for value in in_order {
            let made = FIRST_MADE_NUMBER + (priority(value) >> (128 - MADE_NUMBER_BITS)) as i64;
            let id = value.id.unwrap_or_else(|| made.max(last.saturating_add(1)));
            value.id = Some(id);
            value.multivariate_feature_option.id.get_or_insert(id);
            last = last.max(id);
        }
        self
    }

    /// Multivariate values in order of priority: by number, or else by their UUID as a number.
    pub fn variants(&self) -> Vec<&MultivariateValue> {
        let mut values: Vec<_> = self.multivariate_feature_state_values.iter().collect();
        values.sort_by_key(|value| sort_key(value.id, Some(&value.mv_fs_value_uuid)));
        values
    }
}

/// The priority of a multivariate value: its number, or else its UUID as a number.
pub(super) fn sort_key(id: Option<i64>, uuid: Option<&str>) -> u128 {
    match (id, uuid) {
        (Some(id), _) => u128::try_from(id).unwrap_or(0),
        (None, Some(uuid)) => u128::from_str_radix(&uuid.replace('-', ""), 16).unwrap_or(u128::MAX),
        (None, None) => u128::MAX,
    }
}
