//! `/projects/{id}/features/{id}/mv-options/`: the values of a multivariate feature.

use std::collections::BTreeSet;

use flagsmith_edge_core::api::fields::NOT_BLANK;
use flagsmith_edge_core::document::json::{Json, Kind};
use flagsmith_edge_core::document::python;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::defaults::{new_multivariate_value, options_of};
use crate::input::{Input, not_a_list, plain_text, read_all};
use crate::limits::MAX_OPTIONS;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{Feature, FeatureState, MultivariateOption, TypedValue};
use crate::state::Row;

/// The types of features.
pub const STANDARD: &str = "STANDARD";
pub const MULTIVARIATE: &str = "MULTIVARIATE";
const MAX_KEY_LENGTH: usize = 255;
const MAX_PERCENTAGE: f64 = 100.0;

/// Lists the options of a feature.
pub fn list(call: &mut Call<'_>, project: &str, feature: &str) -> Outcome {
    let feature = call.feature(project, feature)?;
    page(call, pages::SIZED, options_of(call, feature.id), |option| render_alone(&option))
}

/// Adds an option to a feature, and its value to the feature's default states. The first option makes the feature
/// multivariate.
pub fn create(call: &mut Call<'_>, project: &str, feature: &str) -> Outcome {
    let feature = call.feature(project, feature)?;
    let mut input = call.input()?;
    let option = read(&mut input, MultivariateOption { feature: feature.id, ..fresh() });
    let mut option = input.finish(option)?;
    let mut siblings = options_of(call, feature.id);
    siblings.push(option.clone());
    check(&siblings)?;
    check_count(siblings.len())?;
    let states = call.state.feature_states.values();
    let states = states.filter(|state| state.feature == feature.id && state.is_default());
    let states: Vec<FeatureState> = states.cloned().collect();
    for state in &states {
        let multivariate_values = state
            .multivariate_feature_state_values
            .iter()
            .map(|multivariate_value| multivariate_value.percentage_allocation);
        check_sum(
            multivariate_values.chain([option.default_percentage_allocation]),
            "percentage_allocation",
        )?;
    }
    (option.id, option.uuid) = (call.state.next_id(MultivariateOption::KIND), call.uuid());
    call.state.put(option.clone());
    for mut state in states {
        let percentage = option.default_percentage_allocation;
        let multivariate_value = new_multivariate_value(call, option.id, percentage);
        state.multivariate_feature_state_values.push(multivariate_value);
        call.state.put(state);
    }
    set_kind(call, feature, MULTIVARIATE);
    call::json(201, &render_alone(&option))
}

/// Changes the type of a feature.
fn set_kind(call: &mut Call<'_>, feature: Feature, kind: &str) {
    if feature.kind != kind {
        call.state.put(Feature { kind: kind.to_owned(), ..feature });
    }
}

/// Refuses more options than a feature may have.
fn check_count(count: usize) -> Result<(), Refusal> {
    if count <= MAX_OPTIONS { Ok(()) } else { Err(Refusal::field("multivariate_options", &too_many())) }
}

/// The error for more options than a feature may have.
pub fn too_many() -> String {
    format!("A feature must not have more than {MAX_OPTIONS} options.")
}

/// Reads an option.
pub fn get(call: &mut Call<'_>, project: &str, feature: &str, id: &str) -> Outcome {
    call::json(200, &render_alone(&find(call, project, feature, id)?))
}

/// Changes an option. The percentages in environments stay.
pub fn update(call: &mut Call<'_>, project: &str, feature: &str, id: &str) -> Outcome {
    let option = find(call, project, feature, id)?;
    let mut input = call.input()?;
    let option = read(&mut input, option);
    let option = input.finish(option)?;
    let mut siblings = options_of(call, option.feature);
    siblings.retain(|sibling| sibling.id != option.id);
    siblings.push(option.clone());
    check(&siblings)?;
    call.state.put(option.clone());
    call::json(200, &render_alone(&option))
}

/// Deletes an option and its values. Without options, the feature is a standard one.
pub fn delete(call: &mut Call<'_>, project: &str, feature: &str, id: &str) -> Outcome {
    let id = find(call, project, feature, id)?.id;
    let feature = call.feature(project, feature)?;
    let states = call.state.feature_states.values().filter(|state| state.has_option(id));
    let states: Vec<FeatureState> = states.cloned().collect();
    for mut state in states {
        state.multivariate_feature_state_values.retain(|multivariate_value| multivariate_value.option != id);
        call.state.put(state);
    }
    call.state.delete::<MultivariateOption>(|option| option.id == id);
    if options_of(call, feature.id).is_empty() {
        set_kind(call, feature, STANDARD);
    }
    deleted()
}

fn find(call: &Call<'_>, project: &str, feature: &str, id: &str) -> Result<MultivariateOption, Refusal> {
    let (feature, id) = (call.feature(project, feature)?.id, number(id)?);
    let option = call.state.options.get(&id).filter(|option| option.feature == feature);
    option.cloned().ok_or(Refusal::Missing("MultivariateFeatureOption"))
}

/// Reads the options of a new feature. They have no ids yet.
pub fn read_list(json: Json<'_>) -> Result<Vec<MultivariateOption>, Value> {
    let items = json.list().ok_or_else(|| not_a_list(json))?;
    if items.len() > MAX_OPTIONS {
        return Err(json!([too_many()]));
    }
    read_all(items, |json| {
        let mut input = Input::of(json)?;
        let option = read(&mut input, fresh());
        input.finish_part(option)
    })
}

fn fresh() -> MultivariateOption {
    MultivariateOption {
        id: 0,
        uuid: String::new(),
        feature: 0,
        key: None,
        value: TypedValue::default(),
        default_percentage_allocation: MAX_PERCENTAGE,
    }
}

fn read(input: &mut Input<'_>, old: MultivariateOption) -> MultivariateOption {
    MultivariateOption {
        value: old.value.read_columns(input),
        key: input.optional("key", old.key, key),
        default_percentage_allocation: input.read("default_percentage_allocation", |json| match json {
            None => Ok(old.default_percentage_allocation),
            Some(json) => percentage(json),
        }),
        ..old
    }
}

/// A percentage from 0 to 100.
pub fn percentage(json: Json<'_>) -> Result<f64, Value> {
    let text = match json.kind() {
        Kind::Integer | Kind::Float | Kind::String => python::json_text(json).unwrap_or_default(),
        Kind::Null => return Err(json!(["This field may not be null."])),
        Kind::Bool | Kind::List | Kind::Object => return Err(json!(["A valid number is required."])),
    };
    match text.trim().parse::<f64>() {
        Ok(number) if number > MAX_PERCENTAGE => {
            Err(json!(["Ensure this value is less than or equal to 100."]))
        }
        Ok(number) if number >= 0.0 => Ok(number),
        Ok(number) if number < 0.0 => Err(json!(["Ensure this value is greater than or equal to 0."])),
        _ => Err(json!(["A valid number is required."])),
    }
}

/// Refuses options of a feature whose percentages or keys do not fit together.
fn check(options: &[MultivariateOption]) -> Result<(), Refusal> {
    let percentages = options.iter().map(|option| option.default_percentage_allocation);
    check_sum(percentages, "default_percentage_allocation")?;
    check_keys(options)
}

/// Refuses two options with one key.
pub fn check_keys(options: &[MultivariateOption]) -> Result<(), Refusal> {
    let mut keys = BTreeSet::new();
    if options.iter().filter_map(|option| option.key.as_deref()).all(|key| keys.insert(key)) {
        return Ok(());
    }
    Err(Refusal::field("non_field_errors", "The fields feature, key must make a unique set."))
}

/// Reads the key of an option: a slug.
fn key(json: Json<'_>) -> Result<String, Value> {
    let key = plain_text(json, MAX_KEY_LENGTH)?;
    let is_slug = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match key.bytes().all(is_slug) {
        _ if key.is_empty() => Err(json!([NOT_BLANK])),
        true => Ok(key),
        false => Err(json!(["Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."])),
    }
}

/// Refuses percentages of more than 100 in all; `field` is the field to blame.
pub fn check_sum(percentages: impl Iterator<Item = f64>, field: &str) -> Result<(), Refusal> {
    if percentages.sum::<f64>() > MAX_PERCENTAGE {
        return Err(Refusal::field(field, "Invalid percentage allocation"));
    }
    Ok(())
}

/// An option as a part of its feature.
pub fn render(option: &MultivariateOption) -> Value {
    json!({
        "id": option.id,
        "uuid": option.uuid,
        "type": option.value.kind,
        "integer_value": option.value.integer_value,
        "string_value": option.value.string_value,
        "boolean_value": option.value.boolean_value,
        "default_percentage_allocation": option.default_percentage_allocation,
        "key": option.key,
    })
}

fn render_alone(option: &MultivariateOption) -> Value {
    let mut rendered = render(option);
    if let Some(members) = rendered.as_object_mut() {
        members.insert("feature".to_owned(), json!(option.feature));
    }
    rendered
}
