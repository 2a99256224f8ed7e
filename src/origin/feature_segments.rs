//! `/features/feature-segments/`: the segments' overrides of features, and their order.

use std::collections::{BTreeMap, BTreeSet};

use flagsmith_edge_core::api::fields::REQUIRED;
use flagsmith_edge_core::document::json::Json;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::changes::Transaction;
use crate::input::{Input, not_a_list, read_all};
use crate::limits::MAX_SEGMENT_OVERRIDES;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureSegment, FeatureState};
use crate::state::Row;

/// Lists the feature segments of a feature in an environment, first the one that wins.
pub fn list(call: &mut Call<'_>) -> Outcome {
    let (environment, feature) = (call.query_id("environment"), call.query_id("feature"));
    let mut problems = serde_json::Map::new();
    for (name, value) in [("environment", environment), ("feature", feature)] {
        if value.is_none() {
            problems.insert(name.to_owned(), json!([REQUIRED]));
        }
    }
    let (Some(environment), Some(feature)) = (environment, feature) else {
        return Err(Refusal::Invalid(Value::Object(problems)));
    };
    call.environment_by_id(environment)?;
    let feature_segments = group(&call.state, feature, environment);
    page(call, pages::SIZED, feature_segments, |feature_segment| render(call, &feature_segment))
}

/// Creates a feature segment after all others of the feature.
pub fn create(call: &mut Call<'_>) -> Outcome {
    let mut input = call.input()?;
    let environment = input.optional_integer("environment", None).unwrap_or_default();
    let project = call.environment_by_id(environment)?.project;
    let feature = input.reference("feature", |id| call.has_feature(project, id));
    let segment = input.reference("segment", |id| call.has_segment(project, id));
    let (feature, segment) = input.finish((feature, segment))?;
    check_limit(call, environment)?;
    let feature_segment = add(call, FeatureSegment { feature, segment, environment, ..fresh() }, None);
    call::json(
        201,
        &json!({
            "id": feature_segment.id,
            "uuid": feature_segment.uuid,
            "feature": feature_segment.feature,
            "segment": feature_segment.segment,
            "environment": feature_segment.environment,
            "priority": feature_segment.priority,
        }),
    )
}

/// Reads a feature segment.
pub fn get(call: &mut Call<'_>, id: &str) -> Outcome {
    call::json(200, &render(call, &find(call, number(id)?)?))
}

/// Reads a feature segment by its UUID.
pub fn get_by_uuid(call: &mut Call<'_>, uuid: &str) -> Outcome {
    let feature_segment =
        call.state.feature_segments.values().find(|feature_segment| feature_segment.uuid == uuid);
    let id = feature_segment.ok_or(Refusal::Missing("FeatureSegment"))?.id;
    call::json(200, &render(call, &find(call, id)?))
}

/// Gives a feature segment to another segment of the same project.
pub fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let feature_segment = find(call, number(id)?)?;
    let project = call.environment_by_id(feature_segment.environment)?.project;
    let mut input = call.input()?;
    let segment = match call.is_partial() && !input.has("segment") {
        true => feature_segment.segment,
        false => input.reference("segment", |id| call.has_segment(project, id)),
    };
    let feature_segment = input.finish(FeatureSegment { segment, ..feature_segment })?;
    call.state.put(feature_segment.clone());
    call::json(200, &render(call, &feature_segment))
}

/// Deletes a feature segment with its override.
pub fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    let feature_segment = find(call, number(id)?)?;
    remove(&mut call.state, |row| row.id == feature_segment.id);
    let rest = group(&call.state, feature_segment.feature, feature_segment.environment);
    renumber(&mut call.state, rest);
    deleted()
}

/// Deletes the feature segments that match, with their overrides.
pub fn remove(state: &mut Transaction<'_>, matches: impl Fn(&FeatureSegment) -> bool) {
    let feature_segments = state.feature_segments.values().filter(|feature_segment| matches(feature_segment));
    let ids: BTreeSet<i64> = feature_segments.map(FeatureSegment::id).collect();
    state.delete::<FeatureState>(|row| row.feature_segment.is_some_and(|id| ids.contains(&id)));
    state.delete::<FeatureSegment>(|row| ids.contains(&row.id));
}

/// Moves feature segments to new priorities. The other feature segments of the feature make room.
pub fn update_priorities(call: &mut Call<'_>) -> Outcome {
    let json = call.json()?;
    let items = json.list().ok_or_else(|| Refusal::Invalid(not_a_list(json)))?;
    let moves = read_all(items, read_move).map_err(Refusal::Invalid)?;
    let is_missing = |(id, _): &(i64, i64)| find(call, *id).is_err();
    if moves.iter().any(is_missing) {
        return Err(Refusal::field("non_field_errors", "Some of the provided ids were not found."));
    }
    // Of several moves of one feature segment, the last counts.
    let mut groups: BTreeMap<(i64, i64), BTreeMap<i64, i64>> = BTreeMap::new();
    for (id, priority) in &moves {
        if let Some(feature_segment) = call.state.feature_segments.get(id) {
            groups
                .entry((feature_segment.feature, feature_segment.environment))
                .or_default()
                .insert(*id, *priority);
        }
    }
    for ((feature, environment), moves) in groups {
        let feature_segments = group(&call.state, feature, environment);
        move_all(&mut call.state, feature_segments, &moves);
    }
    let ids: BTreeSet<i64> = moves.iter().map(|(id, _)| *id).collect();
    let moved = ids.iter().filter_map(|id| call.state.feature_segments.get(id));
    call::json(200, &moved.map(|feature_segment| render(call, feature_segment)).collect())
}

fn read_move(json: Json<'_>) -> Result<(i64, i64), Value> {
    let mut input = Input::of(json)?;
    let id = input.integer("id");
    let priority = input.priority().unwrap_or_default();
    input.finish_part((id, priority))
}

/// Adds a feature segment with a new id: at a priority, or after all others of the feature.
pub fn add(call: &mut Call<'_>, feature_segment: FeatureSegment, priority: Option<i64>) -> FeatureSegment {
    let others = group(&call.state, feature_segment.feature, feature_segment.environment);
    let last = others.last().map_or(0, |other| other.priority.saturating_add(1));
    let (id, uuid) = (call.state.next_id(FeatureSegment::KIND), call.uuid());
    let feature_segment = FeatureSegment { id, uuid, priority: last, ..feature_segment };
    call.state.put(feature_segment.clone());
    if let Some(priority) = priority {
        move_to(&mut call.state, id, priority);
    }
    call.state.feature_segments.get(&id).cloned().unwrap_or(feature_segment)
}

/// A feature segment without an id.
pub fn fresh() -> FeatureSegment {
    FeatureSegment { id: 0, uuid: String::new(), feature: 0, segment: 0, environment: 0, priority: 0 }
}

/// Refuses one more override in an environment that is full.
pub fn check_limit(call: &Call<'_>, environment: i64) -> Result<(), Refusal> {
    let feature_segments = call.state.feature_segments.values();
    if feature_segments.filter(|feature_segment| feature_segment.environment == environment).count()
        < MAX_SEGMENT_OVERRIDES
    {
        return Ok(());
    }
    let problem = "The environment has reached the maximum allowed segments overrides limit.";
    Err(Refusal::Invalid(json!({"environment": problem})))
}

/// Moves a feature segment to a priority. The feature segments of its feature get the numbers from 0 on.
pub fn move_to(state: &mut Transaction<'_>, id: i64, priority: i64) {
    let Some(feature_segment) = state.feature_segments.get(&id) else { return };
    let feature_segments = group(state, feature_segment.feature, feature_segment.environment);
    move_all(state, feature_segments, &BTreeMap::from([(id, priority)]));
}

/// Moves some feature segments of a feature to priorities. The others take what is left, in their order. Those that are
/// moved to one priority keep their order, too.
fn move_all(state: &mut Transaction<'_>, feature_segments: Vec<FeatureSegment>, moves: &BTreeMap<i64, i64>) {
    let (mut moved, others): (Vec<_>, Vec<_>) =
        feature_segments.into_iter().partition(|feature_segment| moves.contains_key(&feature_segment.id));
    moved.sort_by_key(|feature_segment| moves.get(&feature_segment.id));
    let mut moved = moved.into_iter().peekable();
    let mut ordered = Vec::new();
    for other in others {
        let is_due = |feature_segment: &FeatureSegment, count: usize| {
            moves
                .get(&feature_segment.id)
                .is_some_and(|priority| usize::try_from(*priority).is_ok_and(|priority| priority <= count))
        };
        while let Some(feature_segment) =
            moved.next_if(|feature_segment| is_due(feature_segment, ordered.len()))
        {
            ordered.push(feature_segment);
        }
        ordered.push(other);
    }
    ordered.extend(moved);
    renumber(state, ordered);
}

fn renumber(state: &mut Transaction<'_>, feature_segments: Vec<FeatureSegment>) {
    for (feature_segment, priority) in feature_segments.into_iter().zip(0..) {
        if feature_segment.priority != priority {
            state.put(FeatureSegment { priority, ..feature_segment });
        }
    }
}

/// The feature segments of a feature in an environment, by priority.
fn group(state: &Transaction<'_>, feature: i64, environment: i64) -> Vec<FeatureSegment> {
    let feature_segments = state.feature_segments.values();
    let feature_segments = feature_segments.filter(|feature_segment| {
        feature_segment.feature == feature && feature_segment.environment == environment
    });
    let mut feature_segments: Vec<FeatureSegment> = feature_segments.cloned().collect();
    feature_segments.sort_by_key(|feature_segment| (feature_segment.priority, feature_segment.id));
    feature_segments
}

fn find(call: &Call<'_>, id: i64) -> Result<FeatureSegment, Refusal> {
    let feature_segment = call.state.feature_segments.get(&id);
    let feature_segment =
        feature_segment.filter(|feature_segment| call.environment_by_id(feature_segment.environment).is_ok());
    feature_segment.cloned().ok_or(Refusal::Missing("FeatureSegment"))
}

fn render(call: &Call<'_>, feature_segment: &FeatureSegment) -> Value {
    let segment = call.state.segments.get(&feature_segment.segment);
    json!({
        "id": feature_segment.id,
        "uuid": feature_segment.uuid,
        "segment": feature_segment.segment,
        "priority": feature_segment.priority,
        "environment": feature_segment.environment,
        "segment_name": segment.map(|segment| &segment.name),
        "is_feature_specific": segment.is_some_and(|segment| segment.feature.is_some()),
    })
}
