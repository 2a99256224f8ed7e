//! `/environments/{key}/document/`: the environment document, which the edge compiles.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome};
use crate::rows::{
    Condition, Environment, FeatureState, Identity, Organisation, Project, Rule, Segment, Share,
};
use crate::state::State;

/// Reads the document of an environment.
pub fn get(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?;
    call::json(200, &render(&call.state, &environment))
}

/// The document of an environment. Identities are in it only if local evaluation uses them.
fn render(state: &State, environment: &Environment) -> Value {
    let mut document = render_with_identities(state, environment);
    if let Some(members) =
        document.as_object_mut().filter(|_| !environment.use_identity_overrides_in_local_eval)
    {
        members.insert("identity_overrides".to_owned(), json!([]));
    }
    document
}

/// The document of an environment with all overrides of identities.
pub fn render_with_identities(state: &State, environment: &Environment) -> Value {
    let states = States::of(state, environment.id);
    let project = state.projects.get(&environment.project);
    let overrides = render_identities(state, environment, &states);
    json!({
        "id": environment.id,
        "api_key": environment.api_key,
        "project": project.map(|project| render_project(state, project, &states)),
        "feature_states": states.defaults.iter().map(|row| render_state(state, row)).collect::<Vec<_>>(),
        "identity_overrides": overrides,
        "name": environment.name,
        "allow_client_traits": environment.allow_client_traits,
        "updated_at": environment.updated_at,
        "hide_sensitive_data": environment.hide_sensitive_data,
        "hide_disabled_flags": environment.hide_disabled_flags,
        "use_identity_composite_key_for_hashing": environment.use_identity_composite_key_for_hashing,
        "use_identity_overrides_in_local_eval": environment.use_identity_overrides_in_local_eval,
    })
}

/// The states of an environment: defaults, and overrides by segment and by identity.
#[derive(Default)]
struct States<'s> {
    defaults: Vec<&'s FeatureState>,
    of_segments: BTreeMap<i64, Vec<&'s FeatureState>>,
    of_identities: BTreeMap<i64, Vec<&'s FeatureState>>,
}

impl<'s> States<'s> {
    fn of(state: &'s State, environment: i64) -> States<'s> {
        let mut states = States::default();
        for row in state.feature_states.values().filter(|row| row.environment == environment) {
            let place = row.feature_segment.and_then(|id| state.feature_segments.get(&id));
            match (row.identity, place) {
                (Some(identity), _) => states.of_identities.entry(identity).or_default().push(row),
                (None, Some(place)) => states.of_segments.entry(place.segment).or_default().push(row),
                (None, None) => states.defaults.push(row),
            }
        }
        states
    }
}

fn render_project(state: &State, project: &Project, states: &States<'_>) -> Value {
    let organisation = state.organisations.get(&project.organisation).map(render_organisation);
    // A segment for one feature is in the documents of environments with its override only.
    let segments = state.segments.values().filter(|segment| {
        segment.project == project.id
            && (segment.feature.is_none() || states.of_segments.contains_key(&segment.id))
    });
    let features = state.features.values();
    let secret = features.filter(|feature| feature.project == project.id && feature.is_server_key_only);
    json!({
        "id": project.id,
        "name": project.name,
        "organisation": organisation,
        "hide_disabled_flags": project.hide_disabled_flags,
        "segments": segments.map(|segment| render_segment(state, segment, states)).collect::<Vec<_>>(),
        "enable_realtime_updates": project.enable_realtime_updates,
        "server_key_only_feature_ids": secret.map(|feature| feature.id).collect::<Vec<_>>(),
    })
}

fn render_organisation(organisation: &Organisation) -> Value {
    json!({
        "id": organisation.id,
        "name": organisation.name,
        "feature_analytics": false,
        "stop_serving_flags": false,
        "persist_trait_data": organisation.persist_trait_data,
    })
}

fn render_segment(state: &State, segment: &Segment, states: &States<'_>) -> Value {
    let overrides = states.of_segments.get(&segment.id).into_iter().flatten();
    json!({
        "id": segment.id,
        "name": segment.name,
        "rules": segment.rules.iter().map(render_rule).collect::<Vec<_>>(),
        "feature_states": overrides.map(|row| render_state(state, row)).collect::<Vec<_>>(),
    })
}

fn render_rule(rule: &Rule) -> Value {
    json!({
        "type": rule.kind,
        "rules": rule.rules.iter().map(render_rule).collect::<Vec<_>>(),
        "conditions": rule.conditions.iter().map(render_condition).collect::<Vec<_>>(),
    })
}

fn render_condition(condition: &Condition) -> Value {
    json!({"operator": condition.operator, "value": condition.value, "property_": condition.property})
}

fn render_state(state: &State, row: &FeatureState) -> Value {
    let feature = state.features.get(&row.feature);
    let feature =
        feature.map(|feature| json!({"id": feature.id, "name": feature.name, "type": feature.kind}));
    let place = row.feature_segment.and_then(|id| state.feature_segments.get(&id));
    json!({
        "feature": feature,
        "enabled": row.enabled,
        "django_id": row.id,
        "feature_segment": place.map(|place| json!({"priority": place.priority})),
        "featurestate_uuid": row.uuid,
        "feature_state_value": row.value.scalar(),
        "multivariate_feature_state_values":
            row.shares.iter().map(|share| render_share(state, share)).collect::<Vec<_>>(),
    })
}

fn render_share(state: &State, share: &Share) -> Value {
    let option = state.options.get(&share.option);
    json!({
        "multivariate_feature_option": {
            "value": option.map(|option| option.value.scalar()),
            "id": share.option,
            "key": option.and_then(|option| option.key.as_ref()),
        },
        "percentage_allocation": share.percentage_allocation,
        "id": share.id,
        "mv_fs_value_uuid": share.uuid,
    })
}

fn render_identities(state: &State, environment: &Environment, states: &States<'_>) -> Vec<Value> {
    let overrides = states.of_identities.iter();
    let overrides = overrides.filter_map(|(id, rows)| Some((state.identities.get(id)?, rows)));
    let render = |(identity, rows): (&Identity, &Vec<&FeatureState>)| {
        json!({
            "identifier": identity.identifier,
            "environment_api_key": environment.api_key,
            "created_date": identity.created_date,
            "identity_features": rows.iter().map(|row| render_state(state, row)).collect::<Vec<_>>(),
            "identity_traits": [],
            "identity_uuid": identity.uuid,
            "django_id": identity.id,
            "dashboard_alias": null,
            "composite_key": format!("{}_{}", environment.api_key, identity.identifier),
        })
    };
    overrides.map(render).collect()
}
