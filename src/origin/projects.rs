//! `/projects/`.

use std::collections::BTreeSet;

use flagsmith_edge_core::document::json::Json;
use flagsmith_edge_core::document::pattern::Pattern;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::changes::Transaction;
use crate::environments;
use crate::features;
use crate::input::plain_text;
use crate::limits::{MAX_FEATURES, MAX_NAME_LENGTH, MAX_SEGMENT_OVERRIDES, MAX_SEGMENTS};
use crate::refusal::Refusal;
use crate::rows::{Environment, Feature, Project, Segment};
use crate::segments;
use crate::state::Row;

const MAX_REGEX_LENGTH: usize = 255;
const STALE_FLAGS_LIMIT_DAYS: i64 = 30;

/// Lists the projects of the caller's key, without pages.
pub fn list(call: &mut Call<'_>) -> Outcome {
    let organisation = call.query_id("organisation");
    let projects = call.state.projects.values().filter(|project| {
        call.caller.reaches(project.organisation) && organisation.is_none_or(|id| id == project.organisation)
    });
    call::json(200, &projects.map(render).collect())
}

/// Creates a project.
pub fn create(call: &mut Call<'_>) -> Outcome {
    let mut input = call.input()?;
    let organisation = input.integer("organisation");
    let is_reached =
        call.state.organisations.contains_key(&organisation) && call.caller.reaches(organisation);
    if input.has("organisation") && !is_reached {
        return Err(Refusal::Forbidden);
    }
    input.finish(())?;
    let fresh = Project {
        id: 0,
        uuid: call.uuid(),
        name: String::new(),
        organisation,
        hide_disabled_flags: false,
        prevent_flag_defaults: false,
        enable_realtime_updates: false,
        only_allow_lower_case_feature_names: true,
        feature_name_regex: None,
        stale_flags_limit_days: STALE_FLAGS_LIMIT_DAYS,
        minimum_change_request_approvals: None,
        enforce_feature_owners: false,
    };
    let mut project = read(call, fresh, false)?;
    project.id = call.state.next_id(Project::KIND);
    call.state.put(project.clone());
    call::json(201, &render(&project))
}

/// Reads a project, with the limits and the sums.
pub fn get(call: &mut Call<'_>, id: &str) -> Outcome {
    let project = call.project(number(id)?)?;
    let mut answer = render(&project);
    if let Some(members) = answer.as_object_mut() {
        members.insert("max_segments_allowed".to_owned(), json!(MAX_SEGMENTS));
        members.insert("max_features_allowed".to_owned(), json!(MAX_FEATURES));
        members.insert("max_segment_overrides_allowed".to_owned(), json!(MAX_SEGMENT_OVERRIDES));
        let features = call.state.features.values().filter(|feature| feature.project == project.id);
        members.insert("total_features".to_owned(), json!(features.count()));
        let segments = call.state.segments.values().filter(|segment| segment.project == project.id);
        members.insert("total_segments".to_owned(), json!(segments.count()));
    }
    call::json(200, &answer)
}

/// Changes a project.
pub fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let project = call.project(number(id)?)?;
    let project = read(call, project, call.is_partial())?;
    call.state.put(project.clone());
    call::json(200, &render(&project))
}

/// Deletes a project with everything in it.
pub fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    let project = call.project(number(id)?)?;
    remove(&mut call.state, &BTreeSet::from([project.id]));
    deleted()
}

/// Deletes the rows of projects.
pub fn remove(state: &mut Transaction<'_>, ids: &BTreeSet<i64>) {
    let environments = state.environments.values().filter(|row| ids.contains(&row.project));
    let environments = environments.map(Environment::id).collect();
    environments::remove(state, &environments);
    let features =
        state.features.values().filter(|row| ids.contains(&row.project)).map(Feature::id).collect();
    features::remove(state, &features);
    let segments =
        state.segments.values().filter(|row| ids.contains(&row.project)).map(Segment::id).collect();
    segments::remove(state, &segments);
    state.delete::<Project>(|project| ids.contains(&project.id));
}

/// Reads the fields that a client may change. The organisation stays.
fn read(call: &Call<'_>, old: Project, is_partial: bool) -> Result<Project, Refusal> {
    let mut input = call.input()?;
    let keep = is_partial.then_some(old.name.as_str());
    let project = Project {
        name: input.text("name", MAX_NAME_LENGTH, keep),
        hide_disabled_flags: input.bool("hide_disabled_flags", old.hide_disabled_flags),
        prevent_flag_defaults: input.bool("prevent_flag_defaults", old.prevent_flag_defaults),
        enable_realtime_updates: input.bool("enable_realtime_updates", old.enable_realtime_updates),
        only_allow_lower_case_feature_names: input
            .bool("only_allow_lower_case_feature_names", old.only_allow_lower_case_feature_names),
        feature_name_regex: input.optional("feature_name_regex", old.feature_name_regex, regex),
        stale_flags_limit_days: input
            .optional_integer("stale_flags_limit_days", Some(old.stale_flags_limit_days))
            .unwrap_or(old.stale_flags_limit_days),
        minimum_change_request_approvals: input
            .optional_integer("minimum_change_request_approvals", old.minimum_change_request_approvals),
        enforce_feature_owners: input.bool("enforce_feature_owners", old.enforce_feature_owners),
        ..old
    };
    input.finish(project)
}

/// A regular expression of Python.
fn regex(json: Json<'_>) -> Result<String, Value> {
    let source = plain_text(json, MAX_REGEX_LENGTH)?;
    match Pattern::new(&source) {
        Some(_) => Ok(source),
        None => Err(json!(["Send a regular expression of Python's syntax."])),
    }
}

fn render(project: &Project) -> Value {
    json!({
        "id": project.id,
        "uuid": project.uuid,
        "name": project.name,
        "organisation": project.organisation,
        "hide_disabled_flags": project.hide_disabled_flags,
        "enable_dynamo_db": false,
        "migration_status": "NOT_APPLICABLE",
        "use_edge_identities": false,
        "prevent_flag_defaults": project.prevent_flag_defaults,
        "enable_realtime_updates": project.enable_realtime_updates,
        "only_allow_lower_case_feature_names": project.only_allow_lower_case_feature_names,
        "feature_name_regex": project.feature_name_regex,
        "show_edge_identity_overrides_for_feature": false,
        "stale_flags_limit_days": project.stale_flags_limit_days,
        "edge_v2_migration_status": "NOT_STARTED",
        "minimum_change_request_approvals": project.minimum_change_request_approvals,
        "enforce_feature_owners": project.enforce_feature_owners,
    })
}
