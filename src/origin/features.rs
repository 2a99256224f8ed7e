//! `/projects/{id}/features/`.

use std::collections::{BTreeMap, BTreeSet};

use flagsmith_edge_core::document::budget::Budget;
use flagsmith_edge_core::document::json::Json;
use flagsmith_edge_core::document::pattern::Pattern;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::changes::Transaction;
use crate::defaults::{add_states_of, options_by_feature, options_of};
use crate::input::{Input, quote};
use crate::limits::{MAX_DESCRIPTION_LENGTH, MAX_FEATURES, MAX_NAME_LENGTH};
use crate::multivariate_options::{self, MULTIVARIATE, STANDARD, check_sum};
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{Environment, Feature, FeatureSegment, FeatureState, MultivariateOption, Segment};
use crate::segments;
use crate::state::Row;
use crate::values;

const TYPES: [&str; 2] = [STANDARD, MULTIVARIATE];

/// Lists the features of a project; with `environment`, also their states there.
pub fn list(call: &mut Call<'_>, project: &str) -> Outcome {
    let project = call.project(number(project)?)?.id;
    let environment = call.query_id("environment");
    let sort_field = call.query("sort_field").unwrap_or("created_date".to_owned());
    if !matches!(sort_field.as_str(), "created_date" | "name") {
        return Err(Refusal::field(
            "sort_field",
            &format!("\"{}\" is not a valid choice.", quote(&sort_field)),
        ));
    }
    let filter = Filter::of(call);
    let states = environment.map(|id| StateSummary::of(call, id));
    let features = call.state.features.values().filter(|feature| feature.project == project);
    let mut features: Vec<&Feature> =
        features.filter(|feature| filter.matches(feature, states.as_ref())).collect();
    if sort_field == "name" {
        features.sort_by_key(|feature| feature.name.to_lowercase());
    }
    if call.query("sort_direction").is_some_and(|direction| direction == "DESC") {
        features.reverse();
    }
    let options = options_by_feature(&call.state);
    page(call, pages::SIZED, features, |feature: &Feature| {
        let options = options.get(&feature.id).map(Vec::as_slice).unwrap_or_default();
        render_with(feature, options, states.as_ref())
    })
}

/// The conditions of a list's query.
struct Filter {
    search: Option<String>,
    kind: Option<String>,
    is_archived: Option<bool>,
    is_enabled: Option<bool>,
    value: Option<String>,
}

impl Filter {
    fn of(call: &Call<'_>) -> Filter {
        let lower =
            |name: &str| call.query(name).map(|text| text.to_lowercase()).filter(|text| !text.is_empty());
        let bool = |name: &str| call.query(name).map(|text| text.eq_ignore_ascii_case("true"));
        Filter {
            search: lower("search"),
            kind: call.query("type"),
            is_archived: bool("is_archived"),
            is_enabled: bool("is_enabled"),
            value: lower("value_search"),
        }
    }

    fn matches(&self, feature: &Feature, states: Option<&StateSummary<'_>>) -> bool {
        let contains = |text: &String| feature.name.to_lowercase().contains(text);
        self.search.as_ref().is_none_or(contains)
            && self.kind.as_ref().is_none_or(|kind| *kind == feature.kind)
            && self.is_archived.is_none_or(|is_archived| is_archived == feature.is_archived)
            && states.is_none_or(|states| self.matches_state(states.defaults.get(&feature.id).copied()))
    }

    fn matches_state(&self, state: Option<&FeatureState>) -> bool {
        let contains = |state: &FeatureState, part: &String| {
            state.value.scalar().to_string().to_lowercase().contains(part)
        };
        self.is_enabled.is_none_or(|wanted| state.is_some_and(|state| state.enabled == wanted))
            && self.value.as_ref().is_none_or(|part| state.is_some_and(|state| contains(state, part)))
    }
}

/// The states of an environment by feature.
struct StateSummary<'s> {
    defaults: BTreeMap<i64, &'s FeatureState>,
    /// The numbers of segment overrides.
    overrides: BTreeMap<i64, usize>,
}

impl<'s> StateSummary<'s> {
    fn of(call: &'s Call<'_>, environment: i64) -> StateSummary<'s> {
        let mut states = StateSummary { defaults: BTreeMap::new(), overrides: BTreeMap::new() };
        for state in call.state.feature_states.values().filter(|state| state.environment == environment) {
            if state.is_default() {
                states.defaults.insert(state.feature, state);
            } else if state.feature_segment.is_some() {
                *states.overrides.entry(state.feature).or_default() += 1;
            }
        }
        states
    }
}

/// Creates a feature, with its state in every environment.
pub fn create(call: &mut Call<'_>, project: &str) -> Outcome {
    let project = call.project(number(project)?).map_err(|_| Refusal::Forbidden)?.id;
    let mut input = call.input()?;
    let feature = Feature {
        id: 0,
        uuid: call.uuid(),
        name: input.text("name", MAX_NAME_LENGTH, None),
        kind: input.choice("type", &TYPES, Some(STANDARD)),
        project,
        default_enabled: input.bool("default_enabled", false),
        initial_value: input.optional_text("initial_value", values::MAX_LENGTH, None),
        description: None,
        is_archived: false,
        is_server_key_only: false,
        created_date: call.now(),
    };
    let options = input.read("multivariate_options", |json| match json {
        None => Ok(Vec::new()),
        Some(json) => multivariate_options::read_list(json),
    });
    let mut feature = read_settings(input, feature)?;
    check_name(call, &feature)?;
    multivariate_options::check_keys(&options)?;
    check_sum(options.iter().map(|option| option.default_percentage_allocation), "multivariate_options")?;
    if call.state.features.values().filter(|feature| feature.project == project).count() >= MAX_FEATURES {
        let problem = "The Project has reached the maximum allowed features limit.";
        return Err(Refusal::Invalid(json!({"project": problem})));
    }
    feature.id = call.state.next_id(Feature::KIND);
    if !options.is_empty() {
        MULTIVARIATE.clone_into(&mut feature.kind);
    }
    for option in options {
        let (id, uuid) = (call.state.next_id(MultivariateOption::KIND), call.uuid());
        call.state.put(MultivariateOption { id, uuid, feature: feature.id, ..option });
    }
    call.state.put(feature.clone());
    let environments = call.state.environments.values().filter(|environment| environment.project == project);
    let environments: Vec<i64> = environments.map(Environment::id).collect();
    add_states_of(call, feature.id, &environments);
    call::json(201, &render_without(call, &feature, "code_references_counts"))
}

/// Reads a feature.
pub fn get(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    let feature = call.feature(project, id)?;
    let states = call.query_id("environment").map(|id| StateSummary::of(call, id));
    call::json(200, &render(call, &feature, states.as_ref()))
}

/// Changes a feature. Its name and what new environments get stay as they were.
pub fn update(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    let feature = call.feature(project, id)?;
    let mut input = call.input()?;
    let kind = input.choice("type", &TYPES, Some(&feature.kind));
    let feature = read_settings(input, Feature { kind, ..feature })?;
    call.state.put(feature.clone());
    call::json(
        200,
        &match call.is_partial() {
            true => render_without(call, &feature, "is_num_identity_overrides_complete"),
            false => render(call, &feature, None),
        },
    )
}

/// Deletes a feature with its states.
pub fn delete(call: &mut Call<'_>, project: &str, id: &str) -> Outcome {
    let feature = call.feature(project, id)?;
    remove(&mut call.state, &BTreeSet::from([feature.id]));
    deleted()
}

/// Deletes the rows of features, and the segments that belong to one of them.
pub fn remove(state: &mut Transaction<'_>, ids: &BTreeSet<i64>) {
    let is_specific = |segment: &&Segment| segment.feature.is_some_and(|feature| ids.contains(&feature));
    let segments = state.segments.values().filter(is_specific).map(|segment| segment.id).collect();
    segments::remove(state, &segments);
    state.delete::<FeatureSegment>(|row| ids.contains(&row.feature));
    state.delete::<FeatureState>(|row| ids.contains(&row.feature));
    state.delete::<MultivariateOption>(|row| ids.contains(&row.feature));
    state.delete::<Feature>(|row| ids.contains(&row.id));
}

/// Reads the fields that may change at any time.
fn read_settings(mut input: Input<'_>, old: Feature) -> Result<Feature, Refusal> {
    input.read("tags", |json| json.map_or(Ok(()), no_tags));
    let feature = Feature {
        description: input.optional_text("description", MAX_DESCRIPTION_LENGTH, old.description),
        is_archived: input.bool("is_archived", old.is_archived),
        is_server_key_only: input.bool("is_server_key_only", old.is_server_key_only),
        ..old
    };
    input.finish(feature)
}

/// Refuses tags, since there are none.
fn no_tags(json: Json<'_>) -> Result<(), Value> {
    let Some(tags) = json.list() else {
        let kind = json.kind().python_name();
        return Err(json!([format!("Expected a list of items but got type \"{kind}\".")]));
    };
    match tags.first() {
        None => Ok(()),
        Some(tag) => Err(json!([format!("Invalid pk \"{}\" - object does not exist.", quote(tag.source()))])),
    }
}

/// Refuses a name that the project's pattern does not match, or that another feature has in any case.
fn check_name(call: &Call<'_>, feature: &Feature) -> Result<(), Refusal> {
    let project = call.state.projects.get(&feature.project);
    let source = project.and_then(|project| project.feature_name_regex.as_deref());
    if let Some(source) = source.filter(|source| !source.is_empty()) {
        // The whole name must match.
        let pattern = Pattern::new(&format!("^{source}$"));
        let matches = pattern.and_then(|pattern| pattern.matches(&feature.name, &mut Budget::default()));
        if matches != Some(true) {
            return Err(Refusal::field("name", &format!("Feature name must match regex: {source}")));
        }
    }
    let name = feature.name.to_lowercase();
    let mut features = call.state.features.values();
    if features.any(|other| other.project == feature.project && other.name.to_lowercase() == name) {
        let problem = "Feature with that name already exists for this project. \
                       Note that feature names are case insensitive.";
        return Err(Refusal::field("name", problem));
    }
    Ok(())
}

/// A feature without a member that the answer to POST or PATCH does not have, as in Flagsmith.
fn render_without(call: &Call<'_>, feature: &Feature, member: &str) -> Value {
    let mut rendered = render(call, feature, None);
    if let Some(members) = rendered.as_object_mut() {
        members.shift_remove(member);
    }
    rendered
}

fn render(call: &Call<'_>, feature: &Feature, states: Option<&StateSummary<'_>>) -> Value {
    let options = options_of(call, feature.id);
    render_with(feature, &options.iter().collect::<Vec<_>>(), states)
}

fn render_with(
    feature: &Feature,
    options: &[&MultivariateOption],
    states: Option<&StateSummary<'_>>,
) -> Value {
    let state = states.and_then(|states| states.defaults.get(&feature.id)).map(|state| {
        json!({
            "id": state.id,
            "feature_state_value": state.value.scalar(),
            "environment": state.environment,
            "identity": null,
            "feature_segment": null,
            "enabled": state.enabled,
        })
    });
    let overrides = states.and_then(|states| states.overrides.get(&feature.id)).copied().unwrap_or_default();
    json!({
        "id": feature.id,
        "name": feature.name,
        "type": feature.kind,
        "default_enabled": feature.default_enabled,
        "initial_value": feature.initial_value,
        "created_date": feature.created_date,
        "description": feature.description,
        "tags": [],
        "multivariate_options": options.iter().map(|option| multivariate_options::render(option)).collect::<Vec<_>>(),
        "is_archived": feature.is_archived,
        "owners": [],
        "group_owners": [],
        "uuid": feature.uuid,
        "project": feature.project,
        "environment_feature_state": state,
        "segment_feature_state": null,
        "num_segment_overrides": overrides,
        "num_identity_overrides": null,
        "is_num_identity_overrides_complete": true,
        "is_server_key_only": feature.is_server_key_only,
        "last_modified_in_any_environment": null,
        "last_modified_in_current_environment": null,
        "metadata": [],
        "code_references_counts": [],
    })
}
