//! `/api/experiments/environments/{key}/update-flag-v1/`: sets a default state or a segment override in one request.

use flagsmith_edge_core::document::json::Json;
use serde_json::{Value, json};

use crate::call::{Call, Outcome, deleted};
use crate::defaults::{default_state, find_default, new_state};
use crate::feature_segments::{self, add, check_limit};
use crate::input::{Input, required};
use crate::limits::MAX_NAME_LENGTH;
use crate::refusal::Refusal;
use crate::rows::{Environment, FeatureSegment, FeatureState, TypedValue};

const TYPES: [&str; 3] = ["string", "integer", "boolean"];

/// Sets the state. The answer has no body.
pub fn update(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key).map_err(|_| Refusal::Forbidden)?;
    let mut input = call.input()?;
    let feature = input.read("feature", |json| read_feature(call, &environment, required(json)?));
    let segment =
        input.read("segment", |json| json.map(|json| read_segment(call, &environment, json)).transpose());
    let enabled = input.required_bool("enabled");
    let value = input.read("value", |json| read_value(required(json)?).map(Some));
    let value = input.finish(value)?.unwrap_or_default();
    let mut state = match segment {
        None => match find_default(&call.state, feature, environment.id).cloned() {
            Some(state) => state,
            None => default_state(call, feature, environment.id),
        },
        Some((segment, priority)) => override_state(call, &environment, feature, segment, priority)?,
    };
    state.enabled = enabled;
    value.apply(&mut state.value);
    state.updated_at = call.now();
    call.state.put(state);
    deleted()
}

/// The segment's override of the feature, or a new one.
fn override_state(
    call: &mut Call<'_>,
    environment: &Environment,
    feature: i64,
    segment: i64,
    priority: Option<i64>,
) -> Result<FeatureState, Refusal> {
    let is_it = |feature_segment: &&FeatureSegment| {
        feature_segment.environment == environment.id
            && feature_segment.feature == feature
            && feature_segment.segment == segment
    };
    let feature_segment = match call.state.feature_segments.values().find(is_it).cloned() {
        Some(feature_segment) => feature_segment,
        None => {
            check_limit(call, environment.id)?;
            let feature_segment =
                FeatureSegment { feature, segment, environment: environment.id, ..feature_segments::fresh() };
            add(call, feature_segment, None)
        }
    };
    if let Some(priority) = priority {
        feature_segments::move_to(&mut call.state, feature_segment.id, priority);
    }
    let state =
        call.state.feature_states.values().find(|state| state.feature_segment == Some(feature_segment.id));
    let state = state.cloned();
    Ok(state.unwrap_or_else(|| FeatureState {
        feature_segment: Some(feature_segment.id),
        ..new_state(call, feature, environment.id)
    }))
}

/// Reads the feature, which is named by its name or its id.
fn read_feature(call: &Call<'_>, environment: &Environment, json: Json<'_>) -> Result<i64, Value> {
    let mut input = Input::of(json)?;
    let name = input.optional_text("name", MAX_NAME_LENGTH, None);
    let id = input.optional_integer("id", None);
    input.finish_part(())?;
    if name.is_some() == id.is_some() {
        let problem = "Provide either the name or the id of the feature.";
        return Err(json!({"non_field_errors": [problem]}));
    }
    let mut features = call.state.features.values().filter(|row| row.project == environment.project);
    let feature = features.find(|row| Some(&row.name) == name.as_ref() || Some(row.id) == id);
    feature.map(|row| row.id).ok_or_else(|| json!({"non_field_errors": ["The feature does not exist."]}))
}

fn read_segment(
    call: &Call<'_>,
    environment: &Environment,
    json: Json<'_>,
) -> Result<(i64, Option<i64>), Value> {
    let mut input = Input::of(json)?;
    let segment = input.reference("id", |id| call.has_segment(environment.project, id));
    let priority = input.optional_priority();
    input.finish_part((segment, priority))
}

/// A new value, which keeps the other columns of the old one.
#[derive(Default)]
enum NewValue {
    #[default]
    Null,
    Text(String),
    Integer(i64),
    Bool(bool),
}

impl NewValue {
    fn apply(self, value: &mut TypedValue) {
        match self {
            NewValue::Null => value.set_text(None),
            NewValue::Text(text) => value.set_text(Some(text)),
            NewValue::Integer(number) => value.set_integer(number),
            NewValue::Bool(is_true) => value.set_bool(is_true),
        }
    }
}

/// Reads a value, whose type says how to read its text.
fn read_value(json: Json<'_>) -> Result<NewValue, Value> {
    let mut input = Input::of(json)?;
    let kind = input.choice("type", &TYPES, None);
    let value = input.read("value", |json| {
        let json = required(json)?;
        match kind.as_str() {
            "integer" => crate::values::integer(json).map(NewValue::Integer),
            "boolean" => match json.text().as_deref() {
                Some("true" | "True") => Ok(NewValue::Bool(true)),
                Some("false" | "False") => Ok(NewValue::Bool(false)),
                _ => Err(json!(["Must be \"true\" or \"false\"."])),
            },
            _ => crate::values::text(json).map(NewValue::Text),
        }
    });
    input.finish_part(value)
}
