//! `/features/featurestates/`: states of any kind, whose values have a column for each type.

use serde_json::Value;

use crate::call::{self, Call, Outcome, number};
use crate::defaults::{default_state, new_state};
use crate::feature_states::{exists_already, render};
use crate::multivariate_feature_state_values;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureState, TypedValue};

/// Lists the states of an environment.
pub fn list(call: &mut Call<'_>) -> Outcome {
    let environment = call.environment_by_id(call.query_id("environment").unwrap_or_default())?.id;
    let (feature, feature_segment) = (call.query("feature"), call.query("feature_segment"));
    let matches = |state: &&FeatureState| {
        state.environment == environment
            && feature.as_ref().is_none_or(|id| id.parse() == Ok(state.feature))
            && feature_segment.as_ref().is_none_or(|id| id.parse().ok() == state.feature_segment)
    };
    let states: Vec<&FeatureState> = call.state.feature_states.values().filter(matches).collect();
    page(call, pages::SIZED, states, |state: &FeatureState| render_typed(state))
}

/// Creates a state: the override of a segment or an identity, or a default that is missing.
pub fn create(call: &mut Call<'_>) -> Outcome {
    let mut input = call.input()?;
    let environment = input.optional_integer("environment", None).unwrap_or_default();
    let environment = call.environment_by_id(environment)?;
    let feature = input.reference("feature", |id| call.has_feature(environment.project, id));
    let feature_segment = input.optional_reference("feature_segment", |id| {
        let feature_segment = call.state.feature_segments.get(&id);
        feature_segment.is_some_and(|feature_segment| {
            feature_segment.feature == feature && feature_segment.environment == environment.id
        })
    });
    let identity = input.optional_reference("identity", |id| {
        call.state.identities.get(&id).is_some_and(|identity| identity.environment == environment.id)
    });
    let enabled = input.bool("enabled", false);
    let mut value = TypedValue::default();
    let has_value = input.has("feature_state_value");
    input.read("feature_state_value", |json| json.map_or(Ok(()), |json| value.set_typed(json)));
    let multivariate_values = multivariate_feature_state_values::read(call, &mut input, feature);
    let multivariate_values = input.finish(multivariate_values)?;
    if feature_segment.is_some() && identity.is_some() {
        let problem =
            "A state overrides the flag of a segment or of an identity. Send one of the two fields.";
        return Err(Refusal::field("non_field_errors", problem));
    }
    multivariate_feature_state_values::check_sum(multivariate_values.as_deref().unwrap_or_default())?;
    let is_same = |state: &FeatureState| {
        state.feature == feature
            && state.environment == environment.id
            && state.feature_segment == feature_segment
            && state.identity == identity
    };
    if call.state.feature_states.values().any(is_same) {
        return Err(exists_already());
    }
    let state = match (feature_segment, identity) {
        (None, None) => default_state(call, feature, environment.id),
        _ => new_state(call, feature, environment.id),
    };
    let mut state = FeatureState { feature_segment, identity, enabled, ..state };
    if has_value {
        state.value = value;
    }
    if let Some(multivariate_values) = multivariate_values {
        multivariate_feature_state_values::set(call, &mut state, multivariate_values);
    }
    call.state.put(state.clone());
    call::json(201, &render_typed(&state))
}

/// Changes a state.
pub fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let mut state = find(call, number(id)?)?;
    let mut input = call.input()?;
    state.enabled = input.bool("enabled", state.enabled);
    input.read("feature_state_value", |json| json.map_or(Ok(()), |json| state.value.set_typed(json)));
    let multivariate_values = multivariate_feature_state_values::read(call, &mut input, state.feature);
    if let Some(multivariate_values) = input.finish(multivariate_values)? {
        multivariate_feature_state_values::check_sum(&multivariate_values)?;
        multivariate_feature_state_values::check_new(&state, &multivariate_values)?;
        multivariate_feature_state_values::set(call, &mut state, multivariate_values);
    }
    state.updated_at = call.now();
    call.state.put(state.clone());
    call::json(200, &render_typed(&state))
}

/// Reads a state by its UUID.
pub fn get_by_uuid(call: &mut Call<'_>, uuid: &str) -> Outcome {
    let state = call.state.feature_states.values().find(|state| state.uuid == uuid);
    let id = state.ok_or(Refusal::Missing("FeatureState"))?.id;
    call::json(200, &render_typed(&find(call, id)?))
}

fn find(call: &Call<'_>, id: i64) -> Result<FeatureState, Refusal> {
    let state = call.state.feature_states.get(&id);
    let state = state.filter(|state| call.environment_by_id(state.environment).is_ok());
    state.cloned().ok_or(Refusal::Missing("FeatureState"))
}

fn render_typed(state: &FeatureState) -> Value {
    render(state, state.value.typed())
}
