//! The states that features have without being set: one for each feature and environment of a project.

use crate::call::Call;
use crate::rows::{Environment, Feature, FeatureState, MultivariateOption, Share, TypedValue};
use crate::state::Row;

/// The kind of the ids of shares, which have no table.
const SHARE: &str = "share";

/// Adds the default state of a feature to an environment.
pub fn add_state(call: &mut Call<'_>, feature: &Feature, environment: i64) {
    let is_prevented =
        call.state.projects.get(&feature.project).is_some_and(|project| project.prevent_flag_defaults);
    let mut state = new_state(call, feature.id, environment);
    state.enabled = feature.default_enabled && !is_prevented;
    if !is_prevented {
        state.value = TypedValue::of_initial(feature.initial_value.as_deref());
    }
    for option in options_of(call, feature.id) {
        state.shares.push(new_share(call, option.id, option.default_percentage_allocation));
    }
    call.state.put(state);
}

/// Adds the default states of all features of a project to a new environment.
pub fn add_states(call: &mut Call<'_>, environment: &Environment) {
    let features = call.state.features.values().filter(|feature| feature.project == environment.project);
    let features: Vec<Feature> = features.cloned().collect();
    for feature in &features {
        add_state(call, feature, environment.id);
    }
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
        shares: Vec::new(),
        created_at: call.now(),
        updated_at: call.now(),
    }
}

/// A share with a new id.
pub fn new_share(call: &mut Call<'_>, option: i64, percentage_allocation: f64) -> Share {
    Share { id: call.state.next_id(SHARE), uuid: call.uuid(), option, percentage_allocation }
}

/// The options of a feature, in the order of their ids.
pub fn options_of(call: &Call<'_>, feature: i64) -> Vec<MultivariateOption> {
    call.state.options.values().filter(|option| option.feature == feature).cloned().collect()
}
