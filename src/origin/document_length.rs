//! The limit of the environment documents, in three steps. Each is more exact, and is taken if the one before exceeds
//! the limit: sums that changes keep up to date, one pass over the feature states, and the document itself.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::limits::MAX_DOCUMENT_BYTES;
use crate::rows::{Condition, Environment, FeatureState, MultivariateOption, Rule, Segment};
use crate::state::State;
use crate::state_sums::{texts, value};

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

/// The parts of documents that are the same in all environments of a project.
#[derive(Clone, Copy)]
struct ProjectParts {
    bytes: usize,
    longest_feature: usize,
    longest_option: usize,
}

/// The environments whose documents exceed the limit.
pub fn too_long(state: &State, environments: &[i64]) -> Vec<i64> {
    let exceeds = |(id, bound): (i64, usize)| (bound > MAX_DOCUMENT_BYTES).then_some(id);
    let suspects: Vec<i64> = rough_bounds(state, environments).into_iter().filter_map(exceeds).collect();
    if suspects.is_empty() {
        return suspects;
    }
    let suspects = bounds(state, &suspects).into_iter().filter_map(exceeds);
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

/// An upper bound of the length of a document, from sums. It is never below [`bound`].
pub fn rough_bound(state: &State, environment: i64) -> usize {
    rough_bounds(state, &[environment]).into_values().sum()
}

/// Upper bounds of the lengths of documents, without a pass over the feature states. Each state counts with the longest
/// feature, option and identity.
fn rough_bounds(state: &State, environments: &[i64]) -> BTreeMap<i64, usize> {
    let mut longest_identifier = None;
    let mut of_projects = BTreeMap::new();
    let mut bounds = BTreeMap::new();
    for environment in environments.iter().filter_map(|id| state.environments.get(id)) {
        let parts =
            *of_projects.entry(environment.project).or_insert_with(|| project(state, environment.project));
        let sums = state.state_sums.get(&environment.id).copied().unwrap_or_default();
        let identity = match sums.identity_overrides {
            0 => 0,
            _ => {
                let longest = longest_identifier.get_or_insert_with(|| {
                    let lengths = state.identities.values().map(|identity| texts([&identity.identifier]));
                    lengths.max().unwrap_or_default()
                });
                IDENTITY + 2 * (texts([&environment.api_key]) + *longest)
            }
        };
        // A usize has 32 bits on wasm32.
        let bound = (environment_bytes(environment) + parts.bytes + sums.values)
            .saturating_add(sums.states.saturating_mul(STATE + parts.longest_feature))
            .saturating_add(sums.options.saturating_mul(OPTION + parts.longest_option))
            .saturating_add(sums.identity_overrides.saturating_mul(identity));
        bounds.insert(environment.id, bound);
    }
    bounds
}

fn environment_bytes(environment: &Environment) -> usize {
    ENVIRONMENT + texts([&environment.name, &environment.api_key, &environment.updated_at])
}

/// Upper bounds of the lengths of documents, from one pass over the states.
fn bounds(state: &State, environments: &[i64]) -> BTreeMap<i64, usize> {
    let mut of_projects = BTreeMap::new();
    let mut bounds = BTreeMap::new();
    for environment in environments.iter().filter_map(|id| state.environments.get(id)) {
        let parts =
            *of_projects.entry(environment.project).or_insert_with(|| project(state, environment.project));
        bounds.insert(environment.id, environment_bytes(environment) + parts.bytes);
    }
    for row in state.feature_states.values() {
        if let Some(bound) = bounds.get_mut(&row.environment) {
            *bound = bound.saturating_add(feature_state(state, row));
        }
    }
    bounds
}

fn project(state: &State, id: i64) -> ProjectParts {
    let project = state.projects.get(&id);
    let organisation = project.and_then(|project| state.organisations.get(&project.organisation));
    let organisation = organisation.map_or("", |organisation| &organisation.name);
    let name = project.map_or("", |project| &project.name);
    let segments = state.segments.values().filter(|segment| segment.project == id).map(segment);
    let features = state.features.values().filter(|feature| feature.project == id);
    let (mut count, mut longest_feature) = (0, 0);
    for feature in features {
        count += 1;
        longest_feature = longest_feature.max(texts([&feature.name]));
    }
    let has_project = |option: &&MultivariateOption| {
        state.features.get(&option.feature).is_some_and(|feature| feature.project == id)
    };
    let options = state.options.values().filter(has_project).map(option);
    ProjectParts {
        bytes: texts([name, organisation]) + count * ID + segments.sum::<usize>(),
        longest_feature,
        longest_option: options.max().unwrap_or_default(),
    }
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

/// An identity with an override. It counts again for each of its overrides.
fn identity(state: &State, environment: i64, id: i64) -> usize {
    let api_key = state.environments.get(&environment).map_or("", |row: &Environment| &row.api_key);
    let identifier = state.identities.get(&id).map_or("", |identity| &identity.identifier);
    IDENTITY + 2 * texts([api_key, identifier])
}
