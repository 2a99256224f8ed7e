//! `/environments/`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted};
use crate::changes::Transaction;
use crate::defaults::{add_states, copy_of};
use crate::input::Input;
use crate::keys;
use crate::limits::{MAX_DELETED_ENVIRONMENTS, MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH};
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{
    DeletedEnvironment, Environment, FeatureSegment, FeatureState, Identity, ServerKey, Trait,
};
use crate::state::Row;

const MAX_BANNER_LENGTH: usize = 255;
const MAX_COLOUR_LENGTH: usize = 7;

/// Lists the environments of a project.
pub fn list(call: &mut Call<'_>) -> Outcome {
    let project = call.query_id("project").and_then(|id| call.state.projects.get(&id));
    let project =
        project.ok_or(Refusal::Invalid(json!(["Invalid or missing value for project parameter."])))?;
    let is_reached = call.caller.reaches(project.organisation);
    let environments = call.state.environments.values();
    let environments = environments.filter(|row| is_reached && row.project == project.id).collect();
    page(call, pages::FIXED, environments, render)
}

/// Creates an environment. The request may choose the client key, so that a move from a Flagsmith keeps it.
pub fn create(call: &mut Call<'_>) -> Outcome {
    let mut input = call.input()?;
    let project = input.optional_integer("project", None).unwrap_or_default();
    call.project(project).map_err(|_| Refusal::Forbidden)?;
    let api_key = keys::chosen_client_key(call, &mut input);
    let environment = Environment {
        id: 0,
        uuid: call.uuid(),
        name: String::new(),
        api_key: api_key.unwrap_or_else(|| keys::client_key(call.context.random)),
        description: None,
        project,
        minimum_change_request_approvals: None,
        allow_client_traits: true,
        banner_text: None,
        banner_colour: None,
        hide_disabled_flags: None,
        use_identity_composite_key_for_hashing: true,
        hide_sensitive_data: false,
        use_identity_overrides_in_local_eval: true,
        updated_at: call.now(),
    };
    let mut environment = read(call, input, environment, false)?;
    environment.id = call.state.next_id(Environment::KIND);
    call.state.delete::<DeletedEnvironment>(|row| row.api_key == environment.api_key);
    call.state.put(environment.clone());
    add_states(call, &environment);
    call::json(201, &render(&environment))
}

/// Reads an environment.
pub fn get(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?;
    let mut answer = render(&environment);
    if let Some(members) = answer.as_object_mut() {
        let feature_segments = call.state.feature_segments.values();
        let count =
            feature_segments.filter(|feature_segment| feature_segment.environment == environment.id).count();
        members.insert("total_segment_overrides".to_owned(), json!(count));
    }
    call::json(200, &answer)
}

/// Reads an environment by its UUID.
pub fn get_by_uuid(call: &mut Call<'_>, uuid: &str) -> Outcome {
    let mut environments = call.state.environments.values();
    let environment = environments.find(|environment| environment.uuid == uuid);
    let environment = environment.ok_or(Refusal::Missing("Environment"))?;
    call::json(200, &render(&call.environment(&environment.api_key)?))
}

/// Changes an environment. Its project stays.
pub fn update(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?;
    let environment = read(call, call.input()?, environment, call.is_partial())?;
    call.state.put(environment.clone());
    call::json(200, &render(&environment))
}

/// Deletes an environment with everything in it.
pub fn delete(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?;
    remove(&mut call.state, &BTreeSet::from([environment.id]));
    deleted()
}

/// Deletes the rows of environments, and keeps their client keys for their organisations.
pub fn remove(state: &mut Transaction<'_>, ids: &BTreeSet<i64>) {
    keep_keys(state, ids);
    let identities = state.identities.values().filter(|identity| ids.contains(&identity.environment));
    let identities: BTreeSet<i64> = identities.map(Identity::id).collect();
    state.delete::<Trait>(|row| identities.contains(&row.identity));
    state.delete::<Identity>(|identity| ids.contains(&identity.environment));
    state.delete::<FeatureSegment>(|feature_segment| ids.contains(&feature_segment.environment));
    state.delete::<FeatureState>(|state| ids.contains(&state.environment));
    state.delete::<ServerKey>(|key| ids.contains(&key.environment));
    state.delete::<Environment>(|environment| ids.contains(&environment.id));
}

/// Keeps the client keys of environments that are about to be deleted, in the place of the oldest.
fn keep_keys(state: &mut Transaction<'_>, ids: &BTreeSet<i64>) {
    let environments = ids.iter().filter_map(|id| state.environments.get(id));
    let owned = environments.filter_map(|row| {
        let project = state.projects.get(&row.project)?;
        Some((row.api_key.clone(), project.organisation))
    });
    let owned: Vec<(String, i64)> = owned.collect();
    for (api_key, organisation) in owned {
        let id = state.next_id(DeletedEnvironment::KIND);
        state.put(DeletedEnvironment { id, api_key, organisation });
    }
    let surplus = state.deleted_environments.len().saturating_sub(MAX_DELETED_ENVIRONMENTS);
    if let Some(first_kept) = state.deleted_environments.keys().nth(surplus).copied() {
        state.delete::<DeletedEnvironment>(|row| row.id < first_kept);
    }
}

/// Creates an environment with the settings of another.
pub fn clone(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let original = call.environment(api_key)?;
    let mut input = call.input()?;
    let name = input.text("name", MAX_NAME_LENGTH, None);
    let name = input.finish(name)?;
    check_name(call, &name, &original, 0)?;
    let original_id = original.id;
    let clone = Environment {
        id: call.state.next_id(Environment::KIND),
        uuid: call.uuid(),
        name,
        api_key: keys::client_key(call.context.random),
        ..original
    };
    call.state.put(clone.clone());
    copy_states(call, original_id, clone.id);
    call::json(
        200,
        &json!({"id": clone.id, "name": clone.name, "api_key": clone.api_key, "project": clone.project}),
    )
}

/// Copies the default states and the segment overrides of an environment to another.
fn copy_states(call: &mut Call<'_>, from: i64, to: i64) {
    let feature_segments =
        call.state.feature_segments.values().filter(|feature_segment| feature_segment.environment == from);
    let feature_segments: Vec<FeatureSegment> = feature_segments.cloned().collect();
    let mut copies = BTreeMap::new();
    for feature_segment in feature_segments {
        let id = call.state.next_id(FeatureSegment::KIND);
        copies.insert(feature_segment.id, id);
        let uuid = call.uuid();
        call.state.put(FeatureSegment { id, uuid, environment: to, ..feature_segment });
    }
    let states = call.state.feature_states.values();
    let states = states.filter(|state| state.environment == from && state.identity.is_none());
    let states: Vec<FeatureState> = states.cloned().collect();
    for state in states {
        let feature_segment = state.feature_segment.and_then(|id| copies.get(&id).copied());
        let copy = FeatureState { feature_segment, ..copy_of(call, state, to) };
        call.state.put(copy);
    }
}

/// Reads the caller's permissions. Every key may do everything that it reaches.
pub fn my_permissions(call: &mut Call<'_>, api_key: &str) -> Outcome {
    if !call.caller.is_user {
        let text = "This endpoint can only be used with a user and not Master API Key";
        return Err(Refusal::Detail(400, text));
    }
    call.environment(api_key)?;
    call::json(200, &json!({"permissions": [], "admin": true, "tag_based_permissions": []}))
}

fn read(
    call: &Call<'_>,
    mut input: Input<'_>,
    old: Environment,
    is_partial: bool,
) -> Result<Environment, Refusal> {
    let keep = is_partial.then_some(old.name.as_str());
    // An older name of the same setting.
    let is_composite = input.bool("use_mv_v2_evaluation", old.use_identity_composite_key_for_hashing);
    let environment = Environment {
        name: input.text("name", MAX_NAME_LENGTH, keep),
        description: input.optional_text("description", MAX_DESCRIPTION_LENGTH, old.description),
        minimum_change_request_approvals: input
            .optional_integer("minimum_change_request_approvals", old.minimum_change_request_approvals),
        allow_client_traits: input.bool("allow_client_traits", old.allow_client_traits),
        banner_text: input.optional_text("banner_text", MAX_BANNER_LENGTH, old.banner_text),
        banner_colour: input.optional_text("banner_colour", MAX_COLOUR_LENGTH, old.banner_colour),
        hide_disabled_flags: input.optional_bool("hide_disabled_flags", old.hide_disabled_flags),
        use_identity_composite_key_for_hashing: input
            .bool("use_identity_composite_key_for_hashing", is_composite),
        hide_sensitive_data: input.bool("hide_sensitive_data", old.hide_sensitive_data),
        use_identity_overrides_in_local_eval: input
            .bool("use_identity_overrides_in_local_eval", old.use_identity_overrides_in_local_eval),
        ..old
    };
    let environment = input.finish(environment)?;
    check_name(call, &environment.name, &environment, environment.id)?;
    Ok(environment)
}

/// Refuses a name that another environment of the same project has.
fn check_name(call: &Call<'_>, name: &str, sibling: &Environment, id: i64) -> Result<(), Refusal> {
    let mut environments = call.state.environments.values();
    if environments.any(|row| row.project == sibling.project && row.name == name && row.id != id) {
        let problem = "An environment with this name already exists.";
        return Err(Refusal::field("non_field_errors", problem));
    }
    Ok(())
}

fn render(environment: &Environment) -> Value {
    json!({
        "id": environment.id,
        "uuid": environment.uuid,
        "name": environment.name,
        "api_key": environment.api_key,
        "description": environment.description,
        "project": environment.project,
        "minimum_change_request_approvals": environment.minimum_change_request_approvals,
        "allow_client_traits": environment.allow_client_traits,
        "banner_text": environment.banner_text,
        "banner_colour": environment.banner_colour,
        "hide_disabled_flags": environment.hide_disabled_flags,
        "use_mv_v2_evaluation": environment.use_identity_composite_key_for_hashing,
        "use_identity_composite_key_for_hashing": environment.use_identity_composite_key_for_hashing,
        "hide_sensitive_data": environment.hide_sensitive_data,
        "use_v2_feature_versioning": false,
        "use_identity_overrides_in_local_eval": environment.use_identity_overrides_in_local_eval,
        "is_creating": false,
        "metadata": [],
    })
}
