//! `/environments/{key}/features/{id}/create-segment-override/`, and the features that a segment overrides.

use flagsmith_edge_core::api::fields::REQUIRED;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, number};
use crate::defaults::new_state;
use crate::feature_segments::{self, add, check_limit};
use crate::input::{Input, required};
use crate::multivariate_feature_state_values;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureSegment, FeatureState, TypedValue};

/// Creates an override with its feature segment.
pub fn create(call: &mut Call<'_>, api_key: &str, feature: &str) -> Outcome {
    let environment = call.environment(api_key).map_err(|_| Refusal::Forbidden)?;
    let feature = number(feature)?;
    if !call.has_feature(environment.project, feature) {
        return Err(Refusal::Missing("Feature"));
    }
    let mut input = call.input()?;
    let mut value = TypedValue::default();
    input.read("feature_state_value", |json| value.set_typed(required(json)?));
    let feature_segment = input.read("feature_segment", |json| {
        json.map(|json| {
            let mut input = Input::of(json)?;
            let segment = input.reference("segment", |id| call.has_segment(environment.project, id));
            let priority = input.optional_priority();
            input.finish_part((segment, priority))
        })
        .transpose()
    });
    let enabled = input.bool("enabled", false);
    let multivariate_values = multivariate_feature_state_values::read(call, &mut input, feature);
    let (feature_segment, multivariate_values) =
        input.finish((feature_segment, multivariate_values.unwrap_or_default()))?;
    let (segment, priority) = feature_segment.ok_or(Refusal::field("feature_segment", REQUIRED))?;
    multivariate_feature_state_values::check_sum(&multivariate_values)?;
    check_limit(call, environment.id)?;
    let feature_segment =
        FeatureSegment { feature, segment, environment: environment.id, ..feature_segments::fresh() };
    let feature_segment = add(call, feature_segment, priority);
    let state = new_state(call, feature, environment.id);
    let mut state = FeatureState { feature_segment: Some(feature_segment.id), enabled, value, ..state };
    multivariate_feature_state_values::set(call, &mut state, multivariate_values);
    call.state.put(state.clone());
    call::json(201, &render(&state, &feature_segment))
}

/// Lists the overrides of a segment.
pub fn associated_features(call: &mut Call<'_>, project: &str, segment: &str) -> Outcome {
    let project = call.project(number(project)?).map_err(|_| Refusal::Forbidden)?.id;
    let segment = number(segment)?;
    if !call.has_segment(project, segment) {
        return Err(Refusal::Missing("Segment"));
    }
    let is_of_segment = |state: &&FeatureState| {
        let feature_segment = state.feature_segment.and_then(|id| call.state.feature_segments.get(&id));
        feature_segment.is_some_and(|feature_segment| feature_segment.segment == segment)
    };
    let states: Vec<&FeatureState> = call.state.feature_states.values().filter(is_of_segment).collect();
    page(
        call,
        pages::SIZED,
        states,
        |state: &FeatureState| json!({"id": state.id, "feature": state.feature, "environment": state.environment}),
    )
}

fn render(state: &FeatureState, feature_segment: &FeatureSegment) -> Value {
    let multivariate_values =
        multivariate_feature_state_values::render(&state.multivariate_feature_state_values);
    json!({
        "id": state.id,
        "feature": state.feature,
        "enabled": state.enabled,
        "feature_state_value": state.value.typed(),
        "feature_segment": {
            "id": feature_segment.id,
            "segment": feature_segment.segment,
            "priority": feature_segment.priority,
            "uuid": feature_segment.uuid,
        },
        "deleted_at": null,
        "uuid": state.uuid,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "live_from": state.created_at,
        "environment": state.environment,
        "identity": null,
        "change_request": null,
        "multivariate_feature_state_values": multivariate_values,
    })
}
