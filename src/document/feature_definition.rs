//! A feature as the document defines it: what the Admin API needs to set an override of it.

use serde_json::Value;

use super::environment::Environment;
use super::feature_state::{FeatureName, MultivariateOption};
use super::{json, schema};

/// A feature and the values that it can have.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureDefinition {
    /// Number, name and type.
    pub feature: FeatureName,
    /// What its multivariate values choose from; none for a standard feature.
    pub options: Vec<MultivariateOption>,
}

/// How a request names a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureKey {
    /// Its number in the origin's database.
    Id(i64),
    /// Its name, else its number.
    Name(String),
}

impl Environment {
    /// The feature of this name or number. Reads the document again, which is for requests that are few.
    pub fn feature_definition(&self, key: &FeatureKey) -> Option<FeatureDefinition> {
        let document: schema::Document<'_> = json::read(self.document())?;
        let find = |wanted: &dyn Fn(&schema::Feature<'_>) -> bool| {
            document.feature_states.iter().find(|state| wanted(&state.feature))
        };
        let state = match key {
            FeatureKey::Id(id) => find(&|feature| feature.id == *id),
            FeatureKey::Name(name) => {
                let id = name.parse::<i64>().ok();
                find(&|feature| feature.name == *name).or_else(|| find(&|feature| Some(feature.id) == id))
            }
        }?;
        let options = state.multivariate_feature_state_values.iter().map(|value| {
            let option = &value.multivariate_feature_option;
            MultivariateOption {
                id: option.id,
                value: serde_json::from_str(option.value.0).unwrap_or(Value::Null),
                key: option.key.as_deref().map(Into::into),
            }
        });
        let kind = state.feature.kind.as_deref().unwrap_or("STANDARD");
        let feature =
            FeatureName { id: state.feature.id, name: (*state.feature.name).into(), kind: kind.into() };
        Some(FeatureDefinition { feature, options: options.collect() })
    }
}
