//! Answers of the edge-identities routes (contract §D).

use serde_json::{Value, json};

use super::action::{Reply, TargetIdentity};
use crate::api::{Dependency, Error, Response};
use crate::document::{Environment, FeatureState, Identifier, StoredOverrides, json};
use crate::evaluate::{Decision, EvaluatedIdentity, Outcome, StateSource, evaluate, outcome_for};
use crate::identity::directory::{DirectoryOverride, Entry, MAX_ENVIRONMENT_OVERRIDES_LENGTH, PageKey};
use crate::identity::{CommandError, Identity, MAX_OVERRIDES_LENGTH, MAX_TRAITS_LENGTH};

/// A page of the directory.
pub fn page(entries: &[Entry], next: Option<&PageKey>) -> Response<'static> {
    let result = |entry: &Entry| identity(&entry.uuid, &entry.identifier, entry.alias.as_deref());
    let results: Vec<Value> = entries.iter().map(result).collect();
    ok(&json!({"results": results, "last_evaluated_key": next.map(PageKey::encode)}))
}

/// The environment's overrides without those of deleted features, in the order of Flagsmith's store.
pub fn overrides(environment: &Environment, mut overrides: Vec<DirectoryOverride>) -> Response<'static> {
    overrides.retain(|known| environment.feature_with_id(known.state.feature.id).is_some());
    overrides.sort_by_cached_key(|known| (known.state.feature.id.to_string(), known.uuid.clone()));
    let result = |known: &DirectoryOverride| {
        let key = environment.identity_key(&known.identifier, known.django_id);
        let state = feature_state(environment, &known.state, &key);
        json!({"identifier": known.identifier, "identity_uuid": known.uuid, "feature_state": state})
    };
    let results: Vec<Value> = overrides.iter().map(result).collect();
    ok(&json!({"results": results}))
}

/// The answer for an unknown identity or override.
pub fn missing() -> Response<'static> {
    Response::error(&Error::NotFound)
}

/// The empty answer, 204.
pub fn nothing() -> Response<'static> {
    Response::empty(204)
}

/// The answer to a command that was refused.
pub fn refused(refusal: CommandError, target: &TargetIdentity, reply: &Reply) -> Response<'static> {
    let body = match refusal {
        CommandError::Missing if *reply == Reply::Nothing(true) => return nothing(),
        CommandError::Missing => return missing(),
        CommandError::Exists => {
            let name = match target {
                TargetIdentity::Identifier(identifier) => identifier.as_str(),
                TargetIdentity::Uuid(uuid) => uuid,
            };
            json!([format!("Identity with identifier: {name} already exists")])
        }
        CommandError::OverrideExists => json!(["Feature state already exists."]),
        CommandError::TooManyOverrides | CommandError::EnvironmentFull => json!([bound(refusal)]),
        CommandError::TooLarge => json!({"trait_value": [bound(refusal)]}),
        CommandError::Unavailable => return Response::error(&Error::Unavailable(Dependency::Identity)),
        CommandError::NotAnInteger | CommandError::OutOfRange => {
            json!({"trait_value": ["Input should be a valid integer"]})
        }
    };
    Response::error(&Error::Invalid(body))
}

/// The text for a size limit that was exceeded; `None` for other errors.
pub fn bound(refusal: CommandError) -> Option<String> {
    let (what, length) = match refusal {
        CommandError::TooLarge => ("traits of an identity", MAX_TRAITS_LENGTH),
        CommandError::TooManyOverrides => ("overrides of an identity", MAX_OVERRIDES_LENGTH),
        CommandError::EnvironmentFull => {
            ("overrides of an environment", MAX_ENVIRONMENT_OVERRIDES_LENGTH as usize)
        }
        _ => return None,
    };
    Some(format!("The {what} must not be more than {length} bytes."))
}

/// The answer after a command was executed.
pub fn reply(
    environment: &Environment,
    identifier: &Identifier,
    state: &Identity,
    reply: &Reply,
) -> Response<'static> {
    let uuid = state.uuid();
    if *reply == Reply::Nothing(true) || *reply == Reply::Nothing(false) {
        return nothing();
    }
    let Some(uuid) = uuid else { return missing() };
    let key = || environment.identity_key(identifier, state.django_id);
    let shown = |known: &FeatureState| {
        let mut shown = feature_state(environment, known, &key());
        if let Some(members) = shown.as_object_mut() {
            members.insert("identity_uuid".to_owned(), uuid.into());
        }
        shown
    };
    match reply {
        Reply::Identity(new) => {
            let alias = state.details.as_ref().and_then(|details| details.dashboard_alias.as_deref());
            created_if(*new, ok(&identity(uuid, identifier, alias)))
        }
        Reply::Nothing(_) => nothing(),
        Reply::Traits => {
            let pair = |(key, value)| json!({"trait_key": key, "trait_value": value});
            ok(&state.traits.iter().map(pair).collect())
        }
        Reply::Trait(key, value) => ok(&json!({"trait_key": key, "trait_value": value})),
        Reply::FeatureStates(feature) => {
            let known = state.overrides.iter().filter(|known| {
                let id = known.feature.id;
                feature.is_none_or(|wanted| wanted == id) && environment.feature_with_id(id).is_some()
            });
            ok(&known.map(shown).collect())
        }
        Reply::FeatureState(name, new) => {
            let known = state.overrides.iter().find(|known| known.featurestate_uuid == *name);
            known.map_or_else(missing, |known| created_if(*new, ok(&shown(known))))
        }
        Reply::FeatureStateOf(feature) => {
            let known = state.overrides.iter().find(|known| known.feature.id == *feature);
            known.map_or_else(missing, |known| ok(&shown(known)))
        }
        Reply::AllFeatureStates => all_feature_states(environment, identifier, state),
    }
}

fn identity(uuid: &str, identifier: &Identifier, alias: Option<&str>) -> Value {
    json!({"identity_uuid": uuid, "identifier": identifier, "dashboard_alias": alias})
}

/// An override with its value for an identity with this key.
fn feature_state(environment: &Environment, state: &FeatureState, identity_key: &str) -> Value {
    let stored = StoredOverrides::new(environment, std::slice::from_ref(state));
    let compiled = environment
        .feature_with_id(state.feature.id)
        .and_then(|feature| stored.state(&environment.ruleset, stored.of_feature(feature)?));
    let variant = compiled.map(|compiled| outcome_for(compiled, identity_key));
    let value = match variant {
        Some(Outcome::Variant(index)) => {
            state.variants().get(index).map(|variant| &variant.multivariate_feature_option.value)
        }
        _ => None,
    };
    let options = state.multivariate_feature_state_values.iter().map(|value| {
        json!({
            "multivariate_feature_option": value.multivariate_feature_option.id,
            "percentage_allocation": value.percentage_allocation,
        })
    });
    json!({
        "feature_state_value": value.unwrap_or(&state.feature_state_value),
        "feature": state.feature.id,
        "multivariate_feature_state_values": options.collect::<Vec<_>>(),
        "enabled": state.enabled,
        "featurestate_uuid": state.featurestate_uuid,
    })
}

/// All features with their values and sources, including disabled and server-only ones.
fn all_feature_states(
    environment: &Environment,
    identifier: &Identifier,
    state: &Identity,
) -> Response<'static> {
    let stored = StoredOverrides::new(environment, &state.overrides);
    let key = environment.identity_key(identifier, state.django_id);
    let identity = EvaluatedIdentity::new(environment, identifier, &key, &state.traits, &stored);
    let evaluation = evaluate(&environment.ruleset, Some(identity));
    let results = evaluation.decisions.iter().enumerate().map(|(feature, decision)| {
        // Read from the rendered flag, so that both have the same text.
        let flag = stored.outcome(decision.state, decision.variant());
        let flag = flag.unwrap_or_else(|| environment.flags.outcome(decision.state, decision.variant()));
        let flag: Value = json::read(flag).unwrap_or_default();
        let (overridden_by, segment) = match decision.source {
            StateSource::Default => (Value::Null, Value::Null),
            StateSource::Identity => ("IDENTITY".into(), Value::Null),
            StateSource::Segment(index) => ("SEGMENT".into(), segment(environment, index)),
        };
        json!({
            "feature": flag.get("feature"),
            "enabled": flag.get("enabled"),
            "feature_state_value": flag.get("feature_state_value"),
            "overridden_by": overridden_by,
            "segment": segment,
            "multivariate_feature_state_values": options(environment, state, feature, decision),
        })
    });
    ok(&results.collect()).exhausted(evaluation.exhausted)
}

fn segment(environment: &Environment, index: usize) -> Value {
    let Some(segment) = environment.ruleset.segments.get(index) else { return Value::Null };
    let metadata: Value =
        serde_json::from_str(environment.ruleset.json(segment.metadata)).unwrap_or_default();
    json!({"id": metadata.get("id"), "name": segment.name})
}

/// The multivariate values of the winning state.
fn options(environment: &Environment, state: &Identity, feature: usize, decision: &Decision) -> Vec<Value> {
    let option = |value: Value, percentage: f64| json!({"multivariate_feature_option": {"value": value}, "percentage_allocation": percentage});
    let ruleset = &environment.ruleset;
    if let Some(compiled) = ruleset.states.get(decision.state) {
        let value = |span| serde_json::from_str(ruleset.json(span)).unwrap_or_default();
        return compiled
            .variants
            .iter()
            .map(|variant| option(value(variant.value), variant.weight))
            .collect();
    }
    let made_here = |known: &&FeatureState| environment.feature_with_id(known.feature.id) == Some(feature);
    let values = state.overrides.iter().find(made_here);
    let values = values.iter().flat_map(|known| &known.multivariate_feature_state_values);
    let pair = |value: &crate::document::MultivariateValue| {
        option(value.multivariate_feature_option.value.clone(), value.percentage_allocation)
    };
    values.map(pair).collect()
}

fn ok(body: &Value) -> Response<'static> {
    Response::json(body.to_string().into_bytes())
}

fn created_if(new: bool, mut response: Response<'static>) -> Response<'static> {
    if new {
        response.status = 201;
    }
    response
}
