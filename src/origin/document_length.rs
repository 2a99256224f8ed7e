//! The limit of the environment documents: an upper bound that is quick to add up, and the exact length beyond it.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::limits::MAX_DOCUMENT_BYTES;
use crate::rows::{Condition, Environment, FeatureState, MultivariateOption, Rule, Segment, TypedValue};
use crate::state::State;

/// The most bytes that JSON has for a byte of a text.
const ESCAPE: usize = 6;
/// Bytes of an environment with its project and its organisation, without their texts.
const ENVIRONMENT: usize = 2000;
/// Bytes of an id in a list.
const ID: usize = 21;
/// Bytes of a segment, a rule, a condition, a state, an option in a state and an identity, without their texts.
const SEGMENT: usize = 100;
const RULE: usize = 60;
const CONDITION: usize = 60;
const STATE: usize = 500;
const OPTION: usize = 350;
const IDENTITY: usize = 500;

/// The environments whose documents exceed the limit.
pub fn too_long(state: &State, environments: &[i64]) -> Vec<i64> {
    let bounds = bounds(state, environments).into_iter();
    let suspects = bounds.filter(|(_, bound)| *bound > MAX_DOCUMENT_BYTES).map(|(id, _)| id);
    suspects.filter(|id| is_longer(state, *id, MAX_DOCUMENT_BYTES)).collect()
}

/// True if the document of an environment has more bytes than the limit.
pub fn is_longer(state: &State, environment: i64, limit: usize) -> bool {
    let environment = state.environments.get(&environment);
    environment.is_some_and(|row| Document::of_environment(state, row).length_within(limit).is_none())
}

/// The exact length of a document; 0 if there is no such environment.
pub fn exact(state: &State, environment: i64) -> usize {
    let environment = state.environments.get(&environment);
    let document = environment.map(|row| Document::of_environment(state, row));
    document.and_then(|document| document.length_within(usize::MAX)).unwrap_or_default()
}

/// An upper bound of the length of a document.
pub fn bound(state: &State, environment: i64) -> usize {
    bounds(state, &[environment]).into_values().sum()
}

/// Upper bounds of the lengths of documents, from one pass over the states.
fn bounds(state: &State, environments: &[i64]) -> BTreeMap<i64, usize> {
    let mut of_projects = BTreeMap::new();
    let mut bounds = BTreeMap::new();
    for environment in environments.iter().filter_map(|id| state.environments.get(id)) {
        let of_project =
            *of_projects.entry(environment.project).or_insert_with(|| project(state, environment.project));
        let texts = texts([&environment.name, &environment.api_key, &environment.updated_at]);
        bounds.insert(environment.id, ENVIRONMENT + texts + of_project);
    }
    for row in state.feature_states.values() {
        if let Some(bound) = bounds.get_mut(&row.environment) {
            *bound += feature_state(state, row);
        }
    }
    bounds
}

fn project(state: &State, id: i64) -> usize {
    let Some(project) = state.projects.get(&id) else { return 0 };
    let organisation = state.organisations.get(&project.organisation);
    let organisation = organisation.map_or("", |organisation| &organisation.name);
    let segments = state.segments.values().filter(|segment| segment.project == id).map(segment);
    let features = state.features.values().filter(|feature| feature.project == id).count();
    texts([project.name.as_str(), organisation]) + features * ID + segments.sum::<usize>()
}

fn segment(segment: &Segment) -> usize {
    SEGMENT + texts([&segment.name]) + rules(&segment.rules)
}

fn rules(list: &[Rule]) -> usize {
    let rule = |rule: &Rule| {
        let conditions = rule.conditions.iter().map(condition);
        RULE + texts([&rule.kind]) + rules(&rule.rules) + conditions.sum::<usize>()
    };
    list.iter().map(rule).sum()
}

fn condition(condition: &Condition) -> usize {
    let property = condition.property.as_deref().unwrap_or_default();
    CONDITION + texts([property, &condition.operator, &condition.value])
}

fn feature_state(state: &State, row: &FeatureState) -> usize {
    let feature = state.features.get(&row.feature).map_or("", |feature| &feature.name);
    let options = row.multivariate_feature_state_values.iter();
    let options = options.map(|value| OPTION + state.options.get(&value.option).map_or(0, option));
    let identity = row.identity.map_or(0, |id| identity(state, row.environment, id));
    STATE + texts([feature]) + value(&row.value) + options.sum::<usize>() + identity
}

fn option(option: &MultivariateOption) -> usize {
    value(&option.value) + texts([option.key.as_deref().unwrap_or_default()])
}

fn value(value: &TypedValue) -> usize {
    texts([value.string_value.as_deref().unwrap_or_default()])
}

/// An identity with an override. It counts again for each of its overrides.
fn identity(state: &State, environment: i64, id: i64) -> usize {
    let api_key = state.environments.get(&environment).map_or("", |row: &Environment| &row.api_key);
    let identifier = state.identities.get(&id).map_or("", |identity| &identity.identifier);
    IDENTITY + 2 * texts([api_key, identifier])
}

/// The most bytes that texts have in JSON.
fn texts<T: AsRef<str>, const N: usize>(texts: [T; N]) -> usize {
    ESCAPE * texts.iter().map(|text| text.as_ref().len()).sum::<usize>()
}
