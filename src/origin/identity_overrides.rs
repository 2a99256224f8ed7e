//! `/environments/{key}/identities/{id}/featurestates/`: the overrides of an identity, and all of its flags.

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::defaults::{copy_of, new_state};
use crate::evaluation::EvaluatedFlags;
use crate::feature_states::{exists_already, render, update_state};
use crate::identities;
use crate::multivariate_feature_state_values;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureState, Identity, TypedValue};

/// Lists the overrides of an identity.
pub fn list(call: &mut Call<'_>, api_key: &str, identity: &str) -> Outcome {
    let identity = identities::find(call, api_key, identity)?;
    let feature = call.query("feature");
    let matches = |state: &&FeatureState| {
        state.identity == Some(identity.id)
            && feature.as_ref().is_none_or(|id| id.parse() == Ok(state.feature))
    };
    let states: Vec<&FeatureState> = call.state.feature_states.values().filter(matches).collect();
    page(call, pages::FIXED, states, |state: &FeatureState| {
        let mut rendered = render(state, state.value.scalar());
        let reference = json!({"id": identity.id, "identifier": identity.identifier});
        if let Some(members) = rendered.as_object_mut() {
            members.insert("identity".to_owned(), reference);
        }
        rendered
    })
}

/// Creates an override.
pub fn create(call: &mut Call<'_>, api_key: &str, identity: &str) -> Outcome {
    let environment = call.environment(api_key).map_err(|_| Refusal::Forbidden)?;
    let mut input = call.input()?;
    let feature = input.optional_integer("feature", None);
    let feature =
        feature.filter(|id| call.has_feature(environment.project, *id)).ok_or(Refusal::Forbidden)?;
    let identity_id = number(identity)?;
    let identity = match identities::find(call, api_key, identity) {
        Ok(identity) => identity,
        Err(_) => {
            let problem = format!("Invalid pk \"{identity_id}\" - object does not exist.");
            return Err(Refusal::field("identity", &problem));
        }
    };
    let enabled = input.bool("enabled", false);
    let multivariate_values = multivariate_feature_state_values::read(call, &mut input, feature);
    let json = input.read("feature_state_value", Ok);
    let multivariate_values = input.finish(multivariate_values)?.unwrap_or_default();
    let mut value = TypedValue::default();
    json.map_or(Ok(()), |json| value.set_scalar(json)).map_err(Refusal::Invalid)?;
    multivariate_feature_state_values::check_sum(&multivariate_values)?;
    if overrides_of(call, &identity).iter().any(|state| state.feature == feature) {
        return Err(exists_already());
    }
    let state = new_state(call, feature, environment.id);
    let mut state = FeatureState { identity: Some(identity.id), enabled, value, ..state };
    multivariate_feature_state_values::set(call, &mut state, multivariate_values);
    call.state.put(state.clone());
    call::json(201, &render(&state, state.value.scalar()))
}

/// Reads an override.
pub fn get(call: &mut Call<'_>, api_key: &str, identity: &str, id: &str) -> Outcome {
    let state = find(call, api_key, identity, id)?;
    call::json(200, &render(&state, state.value.scalar()))
}

/// Changes an override.
pub fn update(call: &mut Call<'_>, api_key: &str, identity: &str, id: &str) -> Outcome {
    let state = find(call, api_key, identity, id)?;
    update_state(call, state)
}

/// Deletes an override.
pub fn delete(call: &mut Call<'_>, api_key: &str, identity: &str, id: &str) -> Outcome {
    let id = find(call, api_key, identity, id)?.id;
    call.state.delete::<FeatureState>(|state| state.id == id);
    deleted()
}

/// Reads all flags of an identity with their sources.
pub fn all(call: &mut Call<'_>, api_key: &str, identity: &str) -> Outcome {
    let identity = identities::find(call, api_key, identity)?;
    render_all(call, api_key, &identity)
}

/// Replaces the overrides of an identity with copies of another's.
pub fn clone_from(call: &mut Call<'_>, api_key: &str, identity: &str) -> Outcome {
    let target = identities::find(call, api_key, identity)?;
    let mut input = call.input()?;
    let source = input.integer("source_identity_id");
    input.finish(())?;
    let source = identities::find(call, api_key, &source.to_string())?;
    // Evaluated first, since a refused request changes nothing.
    render_all(call, api_key, &source)?;
    let states = overrides_of(call, &source);
    if source.id != target.id {
        call.state.delete::<FeatureState>(|state| state.identity == Some(target.id));
        for state in states {
            let copy = copy_of(call, state, target.environment);
            let copy = FeatureState { identity: Some(target.id), ..copy };
            call.state.put(copy);
        }
    }
    render_all(call, api_key, &target)
}

fn render_all(call: &Call<'_>, api_key: &str, identity: &Identity) -> Outcome {
    let environment = call.environment(api_key)?;
    let evaluated = EvaluatedFlags::of(&call.state, &environment, identity)?;
    call::json(200, &Value::Array(evaluated.flags()))
}

fn overrides_of(call: &Call<'_>, identity: &Identity) -> Vec<FeatureState> {
    let states = call.state.feature_states.values();
    states.filter(|state| state.identity == Some(identity.id)).cloned().collect()
}

fn find(call: &Call<'_>, api_key: &str, identity: &str, id: &str) -> Result<FeatureState, Refusal> {
    let (identity, id) = (identities::find(call, api_key, identity)?.id, number(id)?);
    let state = call.state.feature_states.get(&id).filter(|state| state.identity == Some(identity));
    state.cloned().ok_or(Refusal::Missing("FeatureState"))
}
