//! `/features/feature-segments/`: the places of segment overrides.

use std::collections::{BTreeMap, BTreeSet};

use flagsmith_edge_core::api::fields::all;
use flagsmith_edge_core::document::json::Json;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::changes::Transaction;
use crate::input::{Input, not_a_list};
use crate::limits::MAX_SEGMENT_OVERRIDES;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureSegment, FeatureState};
use crate::state::Row;

/// Lists the places of a feature in an environment, first the one that wins.
pub fn list(call: &mut Call<'_>) -> Outcome {
    let (environment, feature) = (call.query_id("environment"), call.query_id("feature"));
    let mut problems = serde_json::Map::new();
    for (name, value) in [("environment", environment), ("feature", feature)] {
        if value.is_none() {
            problems.insert(name.to_owned(), json!(["This field is required."]));
        }
    }
    let (Some(environment), Some(feature)) = (environment, feature) else {
        return Err(Refusal::Invalid(Value::Object(problems)));
    };
    call.environment_by_id(environment)?;
    let places = group(&call.state, feature, environment);
    page(call, pages::SIZED, places, |place| render(call, &place))
}

/// Creates a place after all others of the feature.
pub fn create(call: &mut Call<'_>) -> Outcome {
    let mut input = call.input()?;
    let environment = input.optional_integer("environment", None).unwrap_or_default();
    let project = call.environment_by_id(environment)?.project;
    let feature = input.reference("feature", |id| has_feature(call, project, id));
    let segment = input.reference("segment", |id| has_segment(call, project, id));
    let (feature, segment) = input.finish((feature, segment))?;
    check_limit(call, environment)?;
    let place = add(call, FeatureSegment { feature, segment, environment, ..fresh() }, None);
    call::json(
        201,
        &json!({
            "id": place.id,
            "uuid": place.uuid,
            "feature": place.feature,
            "segment": place.segment,
            "environment": place.environment,
            "priority": place.priority,
        }),
    )
}

/// Reads a place.
pub fn get(call: &mut Call<'_>, id: &str) -> Outcome {
    call::json(200, &render(call, &find(call, number(id)?)?))
}

/// Reads a place by its UUID.
pub fn get_by_uuid(call: &mut Call<'_>, uuid: &str) -> Outcome {
    let place = call.state.feature_segments.values().find(|place| place.uuid == uuid);
    let id = place.ok_or(Refusal::Missing("FeatureSegment"))?.id;
    call::json(200, &render(call, &find(call, id)?))
}

/// Gives a place to another segment of the same project.
pub fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let place = find(call, number(id)?)?;
    let project = call.environment_by_id(place.environment)?.project;
    let mut input = call.input()?;
    let segment = match call.is_partial() && !input.has("segment") {
        true => place.segment,
        false => input.reference("segment", |id| has_segment(call, project, id)),
    };
    let place = input.finish(FeatureSegment { segment, ..place })?;
    call.state.put(place.clone());
    call::json(200, &render(call, &place))
}

/// Deletes a place with its override.
pub fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    let place = find(call, number(id)?)?;
    remove(&mut call.state, |row| row.id == place.id);
    let rest = group(&call.state, place.feature, place.environment);
    renumber(&mut call.state, rest);
    deleted()
}

/// Deletes the places that match, with their overrides.
pub fn remove(state: &mut Transaction<'_>, matches: impl Fn(&FeatureSegment) -> bool) {
    let places = state.feature_segments.values().filter(|place| matches(place));
    let ids: BTreeSet<i64> = places.map(FeatureSegment::id).collect();
    state.delete::<FeatureState>(|row| row.feature_segment.is_some_and(|id| ids.contains(&id)));
    state.delete::<FeatureSegment>(|row| ids.contains(&row.id));
}

/// Moves places to new priorities. The other places of the feature make room.
pub fn update_priorities(call: &mut Call<'_>) -> Outcome {
    let json = call.json()?;
    let items = json.list().ok_or_else(|| Refusal::Invalid(not_a_list(json)))?;
    let moves = all(items, read_move).map_err(Refusal::Invalid)?;
    let is_missing = |(id, _): &(i64, i64)| find(call, *id).is_err();
    if moves.iter().any(is_missing) {
        return Err(Refusal::field("non_field_errors", "Some of the provided ids were not found."));
    }
    // Of several moves of one place, the last counts.
    let mut groups: BTreeMap<(i64, i64), BTreeMap<i64, i64>> = BTreeMap::new();
    for (id, priority) in &moves {
        if let Some(place) = call.state.feature_segments.get(id) {
            groups.entry((place.feature, place.environment)).or_default().insert(*id, *priority);
        }
    }
    for ((feature, environment), moves) in groups {
        let places = group(&call.state, feature, environment);
        move_all(&mut call.state, places, &moves);
    }
    let ids: BTreeSet<i64> = moves.iter().map(|(id, _)| *id).collect();
    let moved = ids.iter().filter_map(|id| call.state.feature_segments.get(id));
    call::json(200, &moved.map(|place| render(call, place)).collect())
}

fn read_move(json: Json<'_>) -> Result<(i64, i64), Value> {
    let mut input = Input::of(json)?;
    let id = input.integer("id");
    let priority = input.priority().unwrap_or_default();
    input.finish_part((id, priority))
}

/// Adds a place with a new id: at a priority, or after all others of the feature.
pub fn add(call: &mut Call<'_>, place: FeatureSegment, priority: Option<i64>) -> FeatureSegment {
    let others = group(&call.state, place.feature, place.environment);
    let last = others.last().map_or(0, |other| other.priority.saturating_add(1));
    let (id, uuid) = (call.state.next_id(FeatureSegment::KIND), call.uuid());
    let place = FeatureSegment { id, uuid, priority: last, ..place };
    call.state.put(place.clone());
    if let Some(priority) = priority {
        move_to(&mut call.state, id, priority);
    }
    call.state.feature_segments.get(&id).cloned().unwrap_or(place)
}

/// A place without an id.
pub fn fresh() -> FeatureSegment {
    FeatureSegment { id: 0, uuid: String::new(), feature: 0, segment: 0, environment: 0, priority: 0 }
}

/// Refuses one more override in an environment that is full.
pub fn check_limit(call: &Call<'_>, environment: i64) -> Result<(), Refusal> {
    let places = call.state.feature_segments.values();
    if places.filter(|place| place.environment == environment).count() < MAX_SEGMENT_OVERRIDES {
        return Ok(());
    }
    let problem = "The environment has reached the maximum allowed segments overrides limit.";
    Err(Refusal::Invalid(json!({"environment": problem})))
}

/// True if a project has the segment.
pub fn has_segment(call: &Call<'_>, project: i64, id: i64) -> bool {
    call.state.segments.get(&id).is_some_and(|segment| segment.project == project)
}

fn has_feature(call: &Call<'_>, project: i64, id: i64) -> bool {
    call.state.features.get(&id).is_some_and(|feature| feature.project == project)
}

/// Moves a place to a priority. The places of its feature get the numbers from 0 on.
pub fn move_to(state: &mut Transaction<'_>, id: i64, priority: i64) {
    let Some(place) = state.feature_segments.get(&id) else { return };
    let places = group(state, place.feature, place.environment);
    move_all(state, places, &BTreeMap::from([(id, priority)]));
}

/// Moves some of the places of a feature to priorities. The others take what is left. Neither these nor places that
/// share a priority change their order.
fn move_all(state: &mut Transaction<'_>, places: Vec<FeatureSegment>, moves: &BTreeMap<i64, i64>) {
    let (mut moved, others): (Vec<_>, Vec<_>) =
        places.into_iter().partition(|place| moves.contains_key(&place.id));
    moved.sort_by_key(|place| moves.get(&place.id));
    let mut moved = moved.into_iter().peekable();
    let mut ordered = Vec::new();
    for other in others {
        let is_due = |place: &FeatureSegment, count: usize| {
            moves
                .get(&place.id)
                .is_some_and(|priority| usize::try_from(*priority).is_ok_and(|priority| priority <= count))
        };
        while let Some(place) = moved.next_if(|place| is_due(place, ordered.len())) {
            ordered.push(place);
        }
        ordered.push(other);
    }
    ordered.extend(moved);
    renumber(state, ordered);
}

fn renumber(state: &mut Transaction<'_>, places: Vec<FeatureSegment>) {
    for (place, priority) in places.into_iter().zip(0..) {
        if place.priority != priority {
            state.put(FeatureSegment { priority, ..place });
        }
    }
}

/// The places of a feature in an environment, by priority.
fn group(state: &Transaction<'_>, feature: i64, environment: i64) -> Vec<FeatureSegment> {
    let places = state.feature_segments.values();
    let places = places.filter(|place| place.feature == feature && place.environment == environment);
    let mut places: Vec<FeatureSegment> = places.cloned().collect();
    places.sort_by_key(|place| (place.priority, place.id));
    places
}

fn find(call: &Call<'_>, id: i64) -> Result<FeatureSegment, Refusal> {
    let place = call.state.feature_segments.get(&id);
    let place = place.filter(|place| call.environment_by_id(place.environment).is_ok());
    place.cloned().ok_or(Refusal::Missing("FeatureSegment"))
}

fn render(call: &Call<'_>, place: &FeatureSegment) -> Value {
    let segment = call.state.segments.get(&place.segment);
    json!({
        "id": place.id,
        "uuid": place.uuid,
        "segment": place.segment,
        "priority": place.priority,
        "environment": place.environment,
        "segment_name": segment.map(|segment| &segment.name),
        "is_feature_specific": segment.is_some_and(|segment| segment.feature.is_some()),
    })
}
