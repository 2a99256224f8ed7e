//! `/projects/{id}/segments/`. A segment is one row, so a change of its rules is one step.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::changes::Transaction;
use crate::evaluation::EvaluatedFlags;
use crate::feature_segments;
use crate::input::required;
use crate::limits::{MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH, MAX_SEGMENTS};
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::Segment;
use crate::rules::{self, RuleReader};
use crate::state::Row;

/// Lists the segments of a project.
pub fn list(call: &mut Call<'_>, project: &str) -> Outcome {
    let project = reached(call, project)?;
    let search = call.query("q").unwrap_or_default().to_lowercase();
    let is_general = call.query("include_feature_specific").is_some_and(|text| text == "false");
    let of_identity = call.query("identity").map(|id| segments_of(call, project, &id)).transpose()?;
    let matches = |segment: &&Segment| {
        segment.project == project
            && of_identity.as_ref().is_none_or(|ids| ids.contains(&segment.id))
            && segment.name.to_lowercase().contains(&search)
            && !(is_general && segment.feature.is_some())
    };
    page(call, pages::SIZED, call.state.segments.values().filter(matches).collect(), render)
}

/// The ids of the segments that an identity of the project is in; none if the project has no such identity.
fn segments_of(call: &Call<'_>, project: i64, identity: &str) -> Result<Vec<i64>, Refusal> {
    let identity = identity.parse().ok().and_then(|id: i64| call.state.identities.get(&id));
    let Some(identity) = identity else { return Ok(Vec::new()) };
    let environment = call.state.environments.get(&identity.environment);
    let Some(environment) = environment.filter(|environment| environment.project == project) else {
        return Ok(Vec::new());
    };
    Ok(EvaluatedFlags::of(&call.state, environment, identity)?.segments())
}

/// Creates a segment.
pub fn create(call: &mut Call<'_>, project: &str) -> Outcome {
    let project = reached(call, project)?;
    let fresh = Segment {
        id: 0,
        uuid: call.uuid(),
        name: String::new(),
        description: None,
        project,
        feature: None,
        rules: Vec::new(),
        created_at: call.now(),
        updated_at: call.now(),
    };
    let segment = read(call, fresh, false)?;
    add(call, segment)
}

/// Reads a segment.
pub fn get(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    call::json(200, &render(&find(call, project, id)?))
}

/// Reads a segment by its UUID.
pub fn get_by_uuid(call: &mut Call<'_>, uuid: &str) -> Outcome {
    let segment = call.state.segments.values().find(|segment| segment.uuid == uuid);
    let segment = segment.filter(|segment| call.project(segment.project).is_ok());
    call::json(200, &render(segment.ok_or(Refusal::Missing("Segment"))?))
}

/// Changes a segment. New rules replace all earlier ones.
pub fn update(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    let segment = find(call, project, id)?;
    let mut segment = read(call, segment, call.is_partial())?;
    segment.updated_at = call.now();
    rules::number(&mut call.state, &mut segment.rules);
    call.state.put(segment.clone());
    call::json(200, &render(&segment))
}

/// Deletes a segment with its overrides.
pub fn delete(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    let id = find(call, project, id)?.id;
    remove(&mut call.state, &BTreeSet::from([id]));
    deleted()
}

/// Deletes the rows of segments.
pub fn remove(state: &mut Transaction<'_>, ids: &BTreeSet<i64>) {
    feature_segments::remove(state, |feature_segment| ids.contains(&feature_segment.segment));
    state.delete::<Segment>(|segment| ids.contains(&segment.id));
}

/// Creates a segment with the rules of another.
pub fn clone(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    let original = find(call, project, id)?;
    let mut input = call.input()?;
    let name = input.text("name", MAX_NAME_LENGTH, None);
    let name = input.finish(name)?;
    let (created_at, updated_at) = (call.now(), call.now());
    let rules = rules::without_ids(original.rules);
    add(call, Segment { uuid: call.uuid(), name, rules, created_at, updated_at, ..original })
}

/// Adds a segment under a new id.
fn add(call: &mut Call<'_>, mut segment: Segment) -> Outcome {
    let count = call.state.segments.values().filter(|other| other.project == segment.project).count();
    if count >= MAX_SEGMENTS {
        let problem = "The project has reached the maximum allowed segments limit.";
        return Err(Refusal::Invalid(json!({"project": problem})));
    }
    segment.id = call.state.next_id(Segment::KIND);
    rules::number(&mut call.state, &mut segment.rules);
    call.state.put(segment.clone());
    call::json(201, &render(&segment))
}

/// The id of a project that the caller's key reaches.
fn reached(call: &Call<'_>, project: &str) -> Result<i64, Refusal> {
    Ok(call.project(number(project)?).map_err(|_| Refusal::Forbidden)?.id)
}

fn find(call: &Call<'_>, project: &str, id: &str) -> Result<Segment, Refusal> {
    let (project, id) = (reached(call, project)?, number(id)?);
    let segment = call.state.segments.get(&id).filter(|segment| segment.project == project);
    segment.cloned().ok_or(Refusal::Missing("Segment"))
}

fn read(call: &Call<'_>, old: Segment, is_partial: bool) -> Result<Segment, Refusal> {
    let mut input = call.input()?;
    let keep = is_partial.then_some(old.name.as_str());
    let has_feature = |id: i64| call.has_feature(old.project, id);
    let feature = match input.has("feature") {
        true => input.optional_reference("feature", has_feature),
        false => old.feature,
    };
    let mut rules = RuleReader::default();
    let segment = Segment {
        name: input.text("name", MAX_NAME_LENGTH, keep),
        description: input.optional_text("description", MAX_DESCRIPTION_LENGTH, old.description),
        feature,
        rules: input.read("rules", |json| match json {
            None if is_partial => Ok(old.rules),
            json => rules.read(required(json)?),
        }),
        ..old
    };
    // Before the faults, whose report ends at the limit.
    rules.check()?;
    input.finish(segment)
}

fn render(segment: &Segment) -> Value {
    json!({
        "id": segment.id,
        "uuid": segment.uuid,
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
        "name": segment.name,
        "description": segment.description,
        "project": segment.project,
        "feature": segment.feature,
        "version_of": segment.id,
        "rules": rules::render(&segment.rules),
        "metadata": [],
        "membership_counts": [],
        "managed_by": "",
    })
}
