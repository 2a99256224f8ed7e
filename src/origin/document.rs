//! The environment document, which the edge compiles.
//!
//! The structs borrow from the rows and are written at once, since a large document has thousands of states.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::limits::MAX_DOCUMENT_BYTES;
use crate::refusal::Refusal;
use crate::rows::{self, Environment};
use crate::state::{State, json_length_within};
use crate::values::Scalar;

/// The refusal to make a document that is too long. Its rows are from a version without the limit.
const TOO_LONG: Refusal = Refusal::Detail(
    400,
    "The document of the environment has more than 16777216 bytes of JSON. \
     Shorten values, or delete options, overrides or segments.",
);

/// The document of an environment.
#[derive(Serialize)]
pub struct Document<'s> {
    id: i64,
    api_key: &'s str,
    project: Option<Project<'s>>,
    feature_states: Vec<FeatureState<'s>>,
    identity_overrides: Vec<IdentityOverride<'s>>,
    name: &'s str,
    allow_client_traits: bool,
    updated_at: &'s str,
    hide_sensitive_data: bool,
    hide_disabled_flags: Option<bool>,
    use_identity_composite_key_for_hashing: bool,
    use_identity_overrides_in_local_eval: bool,
}

#[derive(Serialize)]
struct Project<'s> {
    id: i64,
    name: &'s str,
    organisation: Option<Organisation<'s>>,
    hide_disabled_flags: bool,
    segments: Vec<Segment<'s>>,
    enable_realtime_updates: bool,
    server_key_only_feature_ids: Vec<i64>,
}

#[derive(Serialize)]
struct Organisation<'s> {
    id: i64,
    name: &'s str,
    feature_analytics: bool,
    stop_serving_flags: bool,
    persist_trait_data: bool,
}

#[derive(Serialize)]
struct Segment<'s> {
    id: i64,
    name: &'s str,
    rules: Vec<Rule<'s>>,
    feature_states: Vec<FeatureState<'s>>,
}

#[derive(Serialize)]
struct Rule<'s> {
    #[serde(rename = "type")]
    kind: &'s str,
    rules: Vec<Rule<'s>>,
    conditions: Vec<Condition<'s>>,
}

#[derive(Serialize)]
struct Condition<'s> {
    operator: &'s str,
    value: &'s str,
    property_: Option<&'s str>,
}

#[derive(Serialize)]
struct FeatureState<'s> {
    feature: Option<Feature<'s>>,
    enabled: bool,
    django_id: i64,
    feature_segment: Option<FeatureSegment>,
    featurestate_uuid: &'s str,
    feature_state_value: Scalar<'s>,
    multivariate_feature_state_values: Vec<MultivariateValue<'s>>,
}

#[derive(Serialize)]
struct Feature<'s> {
    id: i64,
    name: &'s str,
    #[serde(rename = "type")]
    kind: &'s str,
}

#[derive(Serialize)]
struct FeatureSegment {
    priority: i64,
}

#[derive(Serialize)]
struct MultivariateValue<'s> {
    multivariate_feature_option: MultivariateOption<'s>,
    percentage_allocation: f64,
    id: i64,
    mv_fs_value_uuid: &'s str,
}

#[derive(Serialize)]
struct MultivariateOption<'s> {
    value: Scalar<'s>,
    id: i64,
    key: Option<&'s str>,
}

#[derive(Serialize)]
struct IdentityOverride<'s> {
    identifier: &'s str,
    environment_api_key: &'s str,
    created_date: &'s str,
    identity_features: Vec<FeatureState<'s>>,
    /// Empty, since conditions read the traits of a request.
    identity_traits: [(); 0],
    identity_uuid: &'s str,
    django_id: i64,
    dashboard_alias: Option<&'s str>,
    composite_key: String,
}

/// The states of an environment: defaults, and overrides by segment and by identity.
#[derive(Default)]
struct DocumentStates<'s> {
    defaults: Vec<&'s rows::FeatureState>,
    of_segments: BTreeMap<i64, Vec<&'s rows::FeatureState>>,
    of_identities: BTreeMap<i64, Vec<&'s rows::FeatureState>>,
}

impl<'s> DocumentStates<'s> {
    /// The states of an environment; of the overrides by identity only those of the identities that are wanted.
    fn of(state: &'s State, environment: i64, is_wanted: impl Fn(i64) -> bool) -> DocumentStates<'s> {
        let mut states = DocumentStates::default();
        for row in state.feature_states.values().filter(|row| row.environment == environment) {
            let feature_segment = row.feature_segment.and_then(|id| state.feature_segments.get(&id));
            match (row.identity, feature_segment) {
                (Some(identity), _) if !is_wanted(identity) => {}
                (Some(identity), _) => states.of_identities.entry(identity).or_default().push(row),
                (None, Some(feature_segment)) => {
                    states.of_segments.entry(feature_segment.segment).or_default().push(row)
                }
                (None, None) => states.defaults.push(row),
            }
        }
        states
    }
}

impl<'s> Document<'s> {
    /// The document of an environment, as the edge gets it.
    pub fn of_environment(state: &'s State, environment: &'s Environment) -> Document<'s> {
        Document::of(state, environment, |_| environment.use_identity_overrides_in_local_eval)
    }

    /// The document of an environment, with the overrides of the identities that are wanted.
    pub fn of(
        state: &'s State,
        environment: &'s Environment,
        is_wanted: impl Fn(i64) -> bool,
    ) -> Document<'s> {
        let states = DocumentStates::of(state, environment.id, is_wanted);
        let project = state.projects.get(&environment.project);
        let identities = states.of_identities.iter();
        Document {
            id: environment.id,
            api_key: &environment.api_key,
            project: project.map(|project| Project::of(state, project, &states)),
            feature_states: feature_states(state, &states.defaults),
            identity_overrides: identities
                .filter_map(|(id, rows)| {
                    let identity = state.identities.get(id)?;
                    Some(IdentityOverride::of(state, environment, identity, rows))
                })
                .collect(),
            name: &environment.name,
            allow_client_traits: environment.allow_client_traits,
            updated_at: &environment.updated_at,
            hide_sensitive_data: environment.hide_sensitive_data,
            hide_disabled_flags: environment.hide_disabled_flags,
            use_identity_composite_key_for_hashing: environment.use_identity_composite_key_for_hashing,
            use_identity_overrides_in_local_eval: environment.use_identity_overrides_in_local_eval,
        }
    }

    /// The length of the JSON in bytes; `None` if it exceeds the limit.
    pub fn length_within(&self, limit: usize) -> Option<usize> {
        json_length_within(self, limit)
    }

    /// The JSON, unless it is too long.
    pub fn to_json(&self) -> Result<Vec<u8>, Refusal> {
        let length = self.length_within(MAX_DOCUMENT_BYTES).ok_or(TOO_LONG)?;
        let mut json = Vec::with_capacity(length);
        // It can always be made, since all names of members are texts.
        serde_json::to_writer(&mut json, self).map_err(|_| TOO_LONG)?;
        Ok(json)
    }
}

impl<'s> Project<'s> {
    fn of(state: &'s State, project: &'s rows::Project, states: &DocumentStates<'s>) -> Project<'s> {
        // A segment for one feature is in the documents of environments with its override only.
        let segments = state.segments.values().filter(|segment| {
            segment.project == project.id
                && (segment.feature.is_none() || states.of_segments.contains_key(&segment.id))
        });
        let features = state.features.values();
        let secret = features.filter(|feature| feature.project == project.id && feature.is_server_key_only);
        Project {
            id: project.id,
            name: &project.name,
            organisation: state.organisations.get(&project.organisation).map(Organisation::of),
            hide_disabled_flags: project.hide_disabled_flags,
            segments: segments.map(|segment| Segment::of(state, segment, states)).collect(),
            enable_realtime_updates: project.enable_realtime_updates,
            server_key_only_feature_ids: secret.map(|feature| feature.id).collect(),
        }
    }
}

impl<'s> Organisation<'s> {
    fn of(organisation: &'s rows::Organisation) -> Organisation<'s> {
        Organisation {
            id: organisation.id,
            name: &organisation.name,
            feature_analytics: false,
            stop_serving_flags: false,
            persist_trait_data: organisation.persist_trait_data,
        }
    }
}

impl<'s> Segment<'s> {
    fn of(state: &'s State, segment: &'s rows::Segment, states: &DocumentStates<'s>) -> Segment<'s> {
        let overrides = states.of_segments.get(&segment.id).map(Vec::as_slice).unwrap_or_default();
        Segment {
            id: segment.id,
            name: &segment.name,
            rules: segment.rules.iter().map(Rule::of).collect(),
            feature_states: feature_states(state, overrides),
        }
    }
}

impl<'s> Rule<'s> {
    fn of(rule: &'s rows::Rule) -> Rule<'s> {
        Rule {
            kind: &rule.kind,
            rules: rule.rules.iter().map(Rule::of).collect(),
            conditions: rule.conditions.iter().map(Condition::of).collect(),
        }
    }
}

impl<'s> Condition<'s> {
    fn of(condition: &'s rows::Condition) -> Condition<'s> {
        Condition {
            operator: &condition.operator,
            value: &condition.value,
            property_: condition.property.as_deref(),
        }
    }
}

fn feature_states<'s>(state: &'s State, rows: &[&'s rows::FeatureState]) -> Vec<FeatureState<'s>> {
    rows.iter().map(|row| FeatureState::of(state, row)).collect()
}

impl<'s> FeatureState<'s> {
    fn of(state: &'s State, row: &'s rows::FeatureState) -> FeatureState<'s> {
        let feature = state.features.get(&row.feature);
        let feature_segment = row.feature_segment.and_then(|id| state.feature_segments.get(&id));
        FeatureState {
            feature: feature.map(|feature| Feature {
                id: feature.id,
                name: &feature.name,
                kind: &feature.kind,
            }),
            enabled: row.enabled,
            django_id: row.id,
            feature_segment: feature_segment
                .map(|feature_segment| FeatureSegment { priority: feature_segment.priority }),
            featurestate_uuid: &row.uuid,
            feature_state_value: row.value.borrowed_scalar(),
            multivariate_feature_state_values: row
                .multivariate_feature_state_values
                .iter()
                .map(|multivariate_value| MultivariateValue::of(state, multivariate_value))
                .collect(),
        }
    }
}

impl<'s> MultivariateValue<'s> {
    fn of(
        state: &'s State,
        multivariate_value: &'s rows::MultivariateFeatureStateValue,
    ) -> MultivariateValue<'s> {
        let option = state.options.get(&multivariate_value.option);
        MultivariateValue {
            multivariate_feature_option: MultivariateOption {
                value: option.map(|option| option.value.borrowed_scalar()).unwrap_or_default(),
                id: multivariate_value.option,
                key: option.and_then(|option| option.key.as_deref()),
            },
            percentage_allocation: multivariate_value.percentage_allocation,
            id: multivariate_value.id,
            mv_fs_value_uuid: &multivariate_value.uuid,
        }
    }
}

impl<'s> IdentityOverride<'s> {
    fn of(
        state: &'s State,
        environment: &'s Environment,
        identity: &'s rows::Identity,
        rows: &[&'s rows::FeatureState],
    ) -> IdentityOverride<'s> {
        IdentityOverride {
            identifier: &identity.identifier,
            environment_api_key: &environment.api_key,
            created_date: &identity.created_date,
            identity_features: feature_states(state, rows),
            identity_traits: [],
            identity_uuid: &identity.uuid,
            django_id: identity.id,
            dashboard_alias: None,
            composite_key: format!("{}_{}", environment.api_key, identity.identifier),
        }
    }
}
