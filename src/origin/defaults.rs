//! The states that features have without being set: one for each feature and environment of a project.

use std::collections::BTreeMap;

use crate::call::Call;
use crate::rows::{
    Environment, Feature, FeatureState, MultivariateFeatureStateValue, MultivariateOption, TypedValue,
};
use crate::state::{Row, State};

/// The kind of the ids of multivariate values, which have no table.
const MULTIVARIATE_FEATURE_STATE_VALUE: &str = "multivariate_feature_state_value";

/// Adds the default states of a feature to environments.
pub fn add_states_of(call: &mut Call<'_>, feature: i64, environments: &[i64]) {
    let options = options_of(call, feature);
    for environment in environments {
        let state = state_with(call, feature, *environment, &options);
        call.state.put(state);
    }
}

/// Adds the default states of all features of a project to a new environment.
pub fn add_states(call: &mut Call<'_>, environment: &Environment) {
    let features = call.state.features.values().filter(|feature| feature.project == environment.project);
    let options = options_by_feature(&call.state);
    let owned = |feature: &Feature| {
        let options = options.get(&feature.id).into_iter().flatten();
        (feature.id, options.map(|option| (*option).clone()).collect())
    };
    let features: Vec<(i64, Vec<MultivariateOption>)> = features.map(owned).collect();
    for (feature, options) in features {
        let state = state_with(call, feature, environment.id, &options);
        call.state.put(state);
    }
}

/// A new default state: with the feature's initial value, unless the project prevents that, and the default percentages
/// of the options.
pub fn default_state(call: &mut Call<'_>, feature: i64, environment: i64) -> FeatureState {
    let options = options_of(call, feature);
    state_with(call, feature, environment, &options)
}

fn state_with(
    call: &mut Call<'_>,
    feature: i64,
    environment: i64,
    options: &[MultivariateOption],
) -> FeatureState {
    let is_prevented =
        |project| call.state.projects.get(&project).is_some_and(|row| row.prevent_flag_defaults);
    let row = call.state.features.get(&feature).filter(|row| !is_prevented(row.project));
    let enabled = row.is_some_and(|row| row.default_enabled);
    let value = TypedValue::of_initial(row.and_then(|row| row.initial_value.as_deref()));
    let mut state = FeatureState { enabled, value, ..new_state(call, feature, environment) };
    for option in options {
        let percentage = option.default_percentage_allocation;
        let multivariate_value = new_multivariate_value(call, option.id, percentage);
        state.multivariate_feature_state_values.push(multivariate_value);
    }
    state
}

/// The default state of a feature in an environment, unless it was deleted.
pub fn find_default(state: &State, feature: i64, environment: i64) -> Option<&FeatureState> {
    let is_it =
        |row: &&FeatureState| row.feature == feature && row.environment == environment && row.is_default();
    state.feature_states.values().find(is_it)
}

/// A state with a new id that is disabled and has no value.
pub fn new_state(call: &mut Call<'_>, feature: i64, environment: i64) -> FeatureState {
    FeatureState {
        id: call.state.next_id(FeatureState::KIND),
        uuid: call.uuid(),
        environment,
        feature,
        feature_segment: None,
        identity: None,
        enabled: false,
        value: TypedValue::default(),
        multivariate_feature_state_values: Vec::new(),
        created_at: call.now(),
        updated_at: call.now(),
    }
}

/// A new state with the settings of another of the same feature: a default, until it gets a feature segment or an
/// identity.
pub fn copy_of(call: &mut Call<'_>, original: FeatureState, environment: i64) -> FeatureState {
    let FeatureState { feature, enabled, value, multivariate_feature_state_values, .. } = original;
    let mut copy = FeatureState { enabled, value, ..new_state(call, feature, environment) };
    for multivariate_value in multivariate_feature_state_values {
        let MultivariateFeatureStateValue { option, percentage_allocation, .. } = multivariate_value;
        let multivariate_value = new_multivariate_value(call, option, percentage_allocation);
        copy.multivariate_feature_state_values.push(multivariate_value);
    }
    copy
}

/// A multivariate value with a new id.
pub fn new_multivariate_value(
    call: &mut Call<'_>,
    option: i64,
    percentage_allocation: f64,
) -> MultivariateFeatureStateValue {
    MultivariateFeatureStateValue {
        id: call.state.next_id(MULTIVARIATE_FEATURE_STATE_VALUE),
        uuid: call.uuid(),
        option,
        percentage_allocation,
    }
}

/// The options of all features, by feature and in the order of their ids.
pub fn options_by_feature(state: &State) -> BTreeMap<i64, Vec<&MultivariateOption>> {
    let mut options: BTreeMap<i64, Vec<&MultivariateOption>> = BTreeMap::new();
    for option in state.options.values() {
        options.entry(option.feature).or_default().push(option);
    }
    options
}

/// The options of a feature, in the order of their ids.
pub fn options_of(call: &Call<'_>, feature: i64) -> Vec<MultivariateOption> {
    call.state.options.values().filter(|option| option.feature == feature).cloned().collect()
}
