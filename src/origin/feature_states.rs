//! `/environments/{key}/featurestates/`: the default states of an environment.

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::defaults::{default_state, find_default};
use crate::multivariate_feature_state_values;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureState, TypedValue};

/// Lists the default states; with `anyIdentity`, the overrides of identities.
pub fn list(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = environment(call, api_key)?;
    let of_identities = call.query("anyIdentity").is_some();
    let (feature, name) = (call.query("feature"), call.query("feature_name"));
    let matches = |state: &&FeatureState| {
        let has_name = |name: &String| {
            call.state.features.get(&state.feature).is_some_and(|feature| feature.name == *name)
        };
        state.environment == environment
            && (if of_identities { state.identity.is_some() } else { state.is_default() })
            && feature.as_ref().is_none_or(|id| id.parse() == Ok(state.feature))
            && name.as_ref().is_none_or(has_name)
    };
    let states: Vec<&FeatureState> = call.state.feature_states.values().filter(matches).collect();
    page(call, pages::FIXED, states, |state: &FeatureState| render(state, state.value.scalar()))
}

/// Creates the default state of a feature that has none, after it was deleted.
pub fn create(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key).map_err(|_| Refusal::Forbidden)?;
    let mut input = call.input()?;
    let feature = input.reference("feature", |id| call.has_feature(environment.project, id));
    let enabled = input.bool("enabled", false);
    let mut value = TypedValue::default();
    let has_value = input.has("feature_state_value");
    input.read("feature_state_value", |json| json.map_or(Ok(()), |json| value.set_scalar(json)));
    input.finish(())?;
    if find_default(&call.state, feature, environment.id).is_some() {
        return Err(exists_already());
    }
    let mut state = FeatureState { enabled, ..default_state(call, feature, environment.id) };
    if has_value {
        state.value = value;
    }
    call.state.put(state.clone());
    call::json(201, &render(&state, state.value.scalar()))
}

/// Reads a default state.
pub fn get(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let state = find(call, api_key, id)?;
    call::json(200, &render(&state, state.value.scalar()))
}

/// Changes a default state.
pub fn update(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let state = find(call, api_key, id)?;
    update_state(call, state)
}

/// Changes a state from a body whose value is a scalar. The answer to PATCH has only the feature and the switch, as in
/// Flagsmith.
pub fn update_state(call: &mut Call<'_>, mut state: FeatureState) -> Outcome {
    let mut input = call.input()?;
    state.enabled = input.bool("enabled", state.enabled);
    let multivariate_values = multivariate_feature_state_values::read(call, &mut input, state.feature);
    let value = input.read("feature_state_value", Ok);
    input.finish(())?;
    if let Some(value) = value {
        // The report names the column of the value.
        state.value.set_scalar(value).map_err(Refusal::Invalid)?;
    }
    if let Some(multivariate_values) = multivariate_values {
        multivariate_feature_state_values::check_sum(&multivariate_values)?;
        multivariate_feature_state_values::set(call, &mut state, multivariate_values);
    }
    state.updated_at = call.now();
    call.state.put(state.clone());
    if call.is_partial() {
        return call::json(200, &json!({"feature": state.feature, "enabled": state.enabled}));
    }
    call::json(200, &render(&state, state.value.scalar()))
}

/// Deletes a default state.
pub fn delete(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let id = find(call, api_key, id)?.id;
    call.state.delete::<FeatureState>(|state| state.id == id);
    deleted()
}

fn environment(call: &Call<'_>, api_key: &str) -> Result<i64, Refusal> {
    Ok(call.environment(api_key).map_err(|_| Refusal::Forbidden)?.id)
}

fn find(call: &Call<'_>, api_key: &str, id: &str) -> Result<FeatureState, Refusal> {
    let (environment, id) = (environment(call, api_key)?, number(id)?);
    let state = call.state.feature_states.get(&id);
    let state = state.filter(|state| state.environment == environment && state.is_default());
    state.cloned().ok_or(Refusal::Missing("FeatureState"))
}

/// The refusal of a second state of a feature for the same environment, segment or identity.
pub fn exists_already() -> Refusal {
    Refusal::Invalid(json!([
        "['Feature state already exists for this environment, feature, version, segment & identity combination']"
    ]))
}

/// A state with its value in one of its two forms.
pub fn render(state: &FeatureState, value: Value) -> Value {
    let multivariate_values =
        multivariate_feature_state_values::render(&state.multivariate_feature_state_values);
    json!({
        "id": state.id,
        "feature_state_value": value,
        "multivariate_feature_state_values": multivariate_values,
        "identity": state.identity,
        "deleted_at": null,
        "uuid": state.uuid,
        "enabled": state.enabled,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "live_from": state.created_at,
        "version": 1,
        "feature": state.feature,
        "environment": state.environment,
        "feature_segment": state.feature_segment,
        "change_request": null,
        "environment_feature_version": null,
    })
}
