//! The definition of a feature in the document, which the Admin API needs to set overrides.

use std::collections::HashMap;

use serde_json::Value;

use super::environment::Environment;
use super::feature_state::{FeatureName, MultivariateOption};
use super::{json, schema};

/// A feature and the values that it can have.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureDefinition {
    /// Number, name and type.
    pub feature: FeatureName,
    /// The options for multivariate values; empty for a standard feature.
    pub options: Vec<MultivariateOption>,
}

/// A reference to a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureKey {
    /// The feature's number in the origin's database.
    Id(i64),
    /// The feature's name, or else its number as text.
    Name(String),
}

impl FeatureDefinition {
    /// The feature with this name or number, if the list contains it.
    pub fn find<'d>(definitions: &'d [FeatureDefinition], key: &FeatureKey) -> Option<&'d FeatureDefinition> {
        let numbered = |id| definitions.iter().find(|known| known.feature.id == id);
        match key {
            FeatureKey::Id(id) => numbered(*id),
            FeatureKey::Name(name) => {
                let named = definitions.iter().find(|known| *known.feature.name == **name);
                named.or_else(|| numbered(name.parse().ok()?))
            }
        }
    }
}

impl Environment {
    /// The feature with this name or number. Parses the document again, since such requests are few.
    pub fn feature_definition(&self, key: &FeatureKey) -> Option<FeatureDefinition> {
        FeatureDefinition::find(&self.feature_definitions(), key).cloned()
    }

    /// All features. Of several states of one feature the last counts, as for flags. Parses the document again, too.
    pub fn feature_definitions(&self) -> Vec<FeatureDefinition> {
        let document: Option<schema::Document<'_>> = json::read(self.document());
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut definitions = Vec::new();
        for state in document.iter().flat_map(|document| &document.feature_states) {
            let place = *places.entry(&state.feature.name).or_insert(definitions.len());
            match definitions.get_mut(place) {
                Some(earlier) => *earlier = FeatureDefinition::from(state),
                None => definitions.push(FeatureDefinition::from(state)),
            }
        }
        definitions
    }
}

impl From<&schema::FeatureState<'_>> for FeatureDefinition {
    fn from(state: &schema::FeatureState<'_>) -> FeatureDefinition {
        let options = state.multivariate_feature_state_values.iter().map(|value| {
            let option = &value.multivariate_feature_option;
            MultivariateOption {
                id: option.id,
                value: serde_json::from_str(option.value.0).unwrap_or(Value::Null),
                key: option.key.as_deref().map(Into::into),
            }
        });
        let kind = state.feature.kind.text().unwrap_or("STANDARD");
        let feature =
            FeatureName { id: state.feature.id, name: (*state.feature.name).into(), kind: kind.into() };
        FeatureDefinition { feature, options: options.collect() }
    }
}
