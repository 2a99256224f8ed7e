//! `multivariate_feature_state_values`: the options of a feature in a state, with their percentages.

use flagsmith_edge_core::document::json::Json;
use serde_json::{Value, json};

use crate::call::Call;
use crate::defaults::new_multivariate_value;
use crate::input::{Input, not_a_list, read_all, required};
use crate::limits::MAX_OPTIONS;
use crate::multivariate_options::{percentage, too_many};
use crate::refusal::Refusal;
use crate::rows::{FeatureState, MultivariateFeatureStateValue};

const FIELD: &str = "multivariate_feature_state_values";

/// A value of a request.
pub struct RequestedValue {
    /// True if the request names an existing value by its id.
    has_id: bool,
    option: i64,
    percentage_allocation: f64,
}

/// Reads the values of a body; `None` if the field is absent.
pub fn read(call: &Call<'_>, input: &mut Input<'_>, feature: i64) -> Option<Vec<RequestedValue>> {
    input.read(FIELD, |json| json.map(|json| read_list(call, json, feature)).transpose())
}

fn read_list(call: &Call<'_>, json: Json<'_>, feature: i64) -> Result<Vec<RequestedValue>, Value> {
    let items = json.list().ok_or_else(|| not_a_list(json))?;
    if items.len() > MAX_OPTIONS {
        return Err(json!([too_many()]));
    }
    read_all(items, |json| {
        let mut input = Input::of(json)?;
        let option = input.reference("multivariate_feature_option", |id| {
            call.state.options.get(&id).is_some_and(|option| option.feature == feature)
        });
        let percentage_allocation = input.read("percentage_allocation", |json| percentage(required(json)?));
        let has_id = input.has("id");
        input.finish_part(RequestedValue { has_id, option, percentage_allocation })
    })
}

/// Refuses percentages of more than 100 in all.
pub fn check_sum(multivariate_values: &[RequestedValue]) -> Result<(), Refusal> {
    if multivariate_values
        .iter()
        .map(|multivariate_value| multivariate_value.percentage_allocation)
        .sum::<f64>()
        > 100.0
    {
        return Err(Refusal::field("non_field_errors", "Multivariate percentage values exceed 100%."));
    }
    Ok(())
}

/// Refuses values without an id whose option has a value in the state already.
pub fn check_new(state: &FeatureState, multivariate_values: &[RequestedValue]) -> Result<(), Refusal> {
    if multivariate_values.iter().any(|requested| !requested.has_id && state.has_option(requested.option)) {
        return Err(Refusal::Invalid(json!([
            "{'__all__': ['Multivariate feature state value with this Feature state and Multivariate feature \
             option already exists.']}"
        ])));
    }
    Ok(())
}

/// Sets the values of a state. Options that are not listed keep 0 %.
pub fn set(call: &mut Call<'_>, state: &mut FeatureState, multivariate_values: Vec<RequestedValue>) {
    for multivariate_value in &mut state.multivariate_feature_state_values {
        multivariate_value.percentage_allocation = 0.0;
    }
    for requested in multivariate_values {
        match state
            .multivariate_feature_state_values
            .iter_mut()
            .find(|multivariate_value| multivariate_value.option == requested.option)
        {
            Some(multivariate_value) => {
                multivariate_value.percentage_allocation = requested.percentage_allocation
            }
            None => state.multivariate_feature_state_values.push(new_multivariate_value(
                call,
                requested.option,
                requested.percentage_allocation,
            )),
        }
    }
}

/// The values of a state.
pub fn render(multivariate_values: &[MultivariateFeatureStateValue]) -> Value {
    let render = |multivariate_value: &MultivariateFeatureStateValue| {
        json!({
            "id": multivariate_value.id,
            "multivariate_feature_option": multivariate_value.option,
            "percentage_allocation": multivariate_value.percentage_allocation,
        })
    };
    multivariate_values.iter().map(render).collect()
}
