//! `multivariate_feature_state_values`: the shares of a feature's options in a state.

use flagsmith_edge_core::api::fields::all;
use flagsmith_edge_core::document::json::Json;
use serde_json::{Value, json};

use crate::call::Call;
use crate::defaults::new_share;
use crate::input::{Input, not_a_list};
use crate::multivariate_options::percentage;
use crate::refusal::Refusal;
use crate::rows::{FeatureState, Share};

const FIELD: &str = "multivariate_feature_state_values";

/// A share of a request.
pub struct RequestedShare {
    /// True if the request names an existing share by its id.
    has_id: bool,
    option: i64,
    percentage_allocation: f64,
}

/// Reads the shares of a body; `None` if the field is absent.
pub fn read(call: &Call<'_>, input: &mut Input<'_>, feature: i64) -> Option<Vec<RequestedShare>> {
    input.read(FIELD, |json| json.map(|json| read_list(call, json, feature)).transpose())
}

fn read_list(call: &Call<'_>, json: Json<'_>, feature: i64) -> Result<Vec<RequestedShare>, Value> {
    let items = json.list().ok_or_else(|| not_a_list(json))?;
    all(items, |json| {
        let mut input = Input::of(json)?;
        let option = input.reference("multivariate_feature_option", |id| {
            call.state.options.get(&id).is_some_and(|option| option.feature == feature)
        });
        let percentage_allocation = input.read("percentage_allocation", |json| match json {
            None => Err(json!(["This field is required."])),
            Some(json) => percentage(json),
        });
        let has_id = input.has("id");
        input.finish_part(RequestedShare { has_id, option, percentage_allocation })
    })
}

/// Refuses shares of more than 100 % in all.
pub fn check_sum(shares: &[RequestedShare]) -> Result<(), Refusal> {
    if shares.iter().map(|share| share.percentage_allocation).sum::<f64>() > 100.0 {
        return Err(Refusal::field("non_field_errors", "Multivariate percentage values exceed 100%."));
    }
    Ok(())
}

/// Refuses shares without an id whose option has a share in the state already.
pub fn check_new(state: &FeatureState, shares: &[RequestedShare]) -> Result<(), Refusal> {
    let has_share = |option| state.shares.iter().any(|share| share.option == option);
    if shares.iter().any(|share| !share.has_id && has_share(share.option)) {
        return Err(Refusal::Invalid(json!([
            "{'__all__': ['Multivariate feature state value with this Feature state and Multivariate feature \
             option already exists.']}"
        ])));
    }
    Ok(())
}

/// Sets the shares of a state. Options that are not listed keep a share of 0 %.
pub fn set(call: &mut Call<'_>, state: &mut FeatureState, shares: Vec<RequestedShare>) {
    for share in &mut state.shares {
        share.percentage_allocation = 0.0;
    }
    for requested in shares {
        match state.shares.iter_mut().find(|share| share.option == requested.option) {
            Some(share) => share.percentage_allocation = requested.percentage_allocation,
            None => state.shares.push(new_share(call, requested.option, requested.percentage_allocation)),
        }
    }
}

/// The shares of a state.
pub fn render(shares: &[Share]) -> Value {
    let render = |share: &Share| {
        json!({
            "id": share.id,
            "multivariate_feature_option": share.option,
            "percentage_allocation": share.percentage_allocation,
        })
    };
    shares.iter().map(render).collect()
}
