//! Imported overrides. Their numbers may be those of other features and options here.

use std::cell::OnceCell;

use serde_json::{Value, json};

use crate::admin::edge_identities::check_value;
use crate::api::fields::INVALID_INTEGER;
use crate::document::json::{Json, Kind};
use crate::document::{Environment, FeatureDefinition, FeatureKey, FeatureState, MultivariateOption};

/// The environment's features, parsed at the first use, since that reads the whole document.
pub struct Definitions<'e> {
    environment: &'e Environment,
    known: OnceCell<Vec<FeatureDefinition>>,
}

impl<'e> Definitions<'e> {
    /// Definitions that are parsed at the first use.
    pub fn of(environment: &'e Environment) -> Definitions<'e> {
        Definitions { environment, known: OnceCell::new() }
    }

    fn get(&self, key: &FeatureKey) -> Option<&FeatureDefinition> {
        let known = self.known.get_or_init(|| self.environment.feature_definitions());
        FeatureDefinition::find(known, key)
    }

    /// Reads an override, and maps its numbers to this environment's.
    ///
    /// The feature with the same number and name comes first, then one with the same name, then one with the same
    /// number. An option is found by number and value, or else by value. Anything else stays unchanged.
    pub fn read(&self, item: Json<'_>) -> Result<FeatureState, Value> {
        let state = serde_json::from_str::<FeatureState>(item.source());
        let state = state.ok().filter(|state| is_uuid(&state.featurestate_uuid));
        let mut state = state.ok_or_else(|| json!({"non_field_errors": ["This is no feature state."]}))?;
        let members = item.object().unwrap_or_default();
        check_value(&state.feature_state_value)?;
        keep_integer(&mut state.feature_state_value, members.get("feature_state_value"))?;
        let values = members.get("multivariate_feature_state_values").and_then(Json::list);
        for (value, written) in
            state.multivariate_feature_state_values.iter_mut().zip(values.unwrap_or_default())
        {
            let option =
                written.object().and_then(|value| value.get("multivariate_feature_option")?.object());
            let value = &mut value.multivariate_feature_option.value;
            check_value(value)?;
            keep_integer(value, option.and_then(|option| option.get("value")))?;
        }
        let numbered = self.environment.feature_with_id(state.feature.id);
        let numbered = numbered.and_then(|id| self.environment.ruleset.features.get(id));
        let renumbered = numbered.is_none_or(|feature| *feature.name != *state.feature.name);
        if !renumbered && state.multivariate_feature_state_values.is_empty() {
            return Ok(state);
        }
        // The number is another origin's, or the feature was renamed.
        let named = renumbered.then(|| self.get(&FeatureKey::Name(state.feature.name.to_string())));
        let Some(definition) = named.flatten().or_else(|| self.get(&FeatureKey::Id(state.feature.id))) else {
            return Ok(state);
        };
        if renumbered {
            state.feature = definition.feature.clone();
        }
        for value in &mut state.multivariate_feature_state_values {
            let sent = &mut value.multivariate_feature_option;
            let same = |known: &&MultivariateOption| known.value == sent.value;
            let numbered = definition.options.iter().filter(same).find(|known| known.id == sent.id);
            if let Some(known) = numbered.or_else(|| definition.options.iter().find(same)) {
                sent.id = known.id;
            }
        }
        Ok(state)
    }
}

/// True if a text is a UUID in the form of paths and documents.
pub fn is_uuid(text: &str) -> bool {
    (1..=36).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Refuses a whole number that was parsed as a float, because it has more digits than a float keeps. `-0` is 0.
fn keep_integer(value: &mut Value, written: Option<Json<'_>>) -> Result<(), Value> {
    match written.filter(|written| value.is_f64() && written.kind() == Kind::Integer) {
        None => {}
        Some(written) if written.source() == "-0" => *value = 0.into(),
        Some(_) => return Err(json!({"integer_value": [INVALID_INTEGER]})),
    }
    Ok(())
}
