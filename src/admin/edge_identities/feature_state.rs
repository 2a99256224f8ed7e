//! A feature state in a request, which becomes an override (contract §D, FSin).

use serde_json::{Value, json};

use crate::api::fields::{Fields, INVALID_INTEGER, NOT_NULL, REQUIRED, all, check_text, integer_value};
use crate::document::json::{Json, Kind};
use crate::document::{Environment, FeatureDefinition, FeatureKey, FeatureState, MultivariateValue, python};
use crate::identity::uuid;

/// The maximum length of a feature state's text, in characters.
const MAX_VALUE_LENGTH: usize = 20_000;
/// The maximum number of multivariate values of a feature state. Flagsmith has no limit, but their percentages cannot
/// exceed 100 in sum.
const MAX_MULTIVARIATE_VALUES: usize = 1000;

const OVER_100: &str =
    "Value error, Total percentage allocation for feature must be less or equal to 100 percent";

/// Reads a feature state. Also returns true if the request has no multivariate values, so that the stored ones stay.
pub fn read(
    environment: &Environment,
    fields: &mut Fields<'_>,
    random: &dyn Fn() -> [u8; 16],
) -> (Option<FeatureState>, bool) {
    let definition = fields.read("feature", |json| {
        let definition = environment.feature_definition(&feature_key(json)?);
        definition.map(Some).ok_or_else(|| json!(["There is no such feature in this environment."]))
    });
    let enabled = fields.bool("enabled");
    let value = fields.read("feature_state_value", feature_value);
    let keep = !fields.has("multivariate_feature_state_values");
    let values = if keep { Vec::new() } else { multivariate_values(fields, definition.as_ref(), random) };
    let state = definition.map(|definition| FeatureState {
        feature: definition.feature,
        enabled,
        feature_state_value: value,
        django_id: None,
        featurestate_uuid: uuid(random()).into(),
        multivariate_feature_state_values: values,
    });
    (state, keep)
}

/// Reads a reference to a feature: its number or its name.
pub fn feature_key(json: Option<Json<'_>>) -> Result<FeatureKey, Value> {
    let json = json.ok_or_else(|| json!([REQUIRED]))?;
    match json.kind() {
        Kind::Null => Err(json!([NOT_NULL])),
        Kind::Integer => integer_value(json).map(FeatureKey::Id).ok_or_else(|| json!([INVALID_INTEGER])),
        Kind::String => Ok(FeatureKey::Name(json.text().unwrap_or_default().into_owned())),
        Kind::Bool | Kind::Float | Kind::List | Kind::Object => Err(json!([INVALID_INTEGER])),
    }
}

/// Reads a text, whole number, boolean or null. Other numbers become texts: a feature's value is never a float.
fn feature_value(json: Option<Json<'_>>) -> Result<Value, Value> {
    let Some(json) = json else { return Ok(Value::Null) };
    match json.kind() {
        Kind::Null => Ok(Value::Null),
        Kind::Bool => Ok(json.is_true().into()),
        Kind::Integer => match json.source().parse::<i64>() {
            Ok(value) => Ok(value.into()),
            Err(_) => Err(json!({"integer_value": [INVALID_INTEGER]})),
        },
        Kind::Float => Ok(python::json_text(json).unwrap_or_default().into()),
        Kind::String => {
            let value = Value::from(json.text().unwrap_or_default());
            check_value(&value).map(|()| value)
        }
        Kind::List | Kind::Object => Err(json!({"string_value": ["Not a valid string."]})),
    }
}

/// Checks the length and the characters of a value that is a text.
pub fn check_value(value: &Value) -> Result<(), Value> {
    let checked = value.as_str().map_or(Ok(()), |text| check_text(text, MAX_VALUE_LENGTH));
    checked.map_err(|problems| json!({"string_value": problems}))
}

fn multivariate_values(
    fields: &mut Fields<'_>,
    definition: Option<&FeatureDefinition>,
    random: &dyn Fn() -> [u8; 16],
) -> Vec<MultivariateValue> {
    fields.read("multivariate_feature_state_values", |json| {
        let items = items(json)?;
        let sent = all(items, |item| {
            let mut fields = Fields::of(item)?;
            let option = fields.integer("multivariate_feature_option");
            let percentage = fields.read("percentage_allocation", percentage);
            fields.finish((option, percentage))
        })?;
        if sent.iter().map(|(_, percentage)| percentage).sum::<f64>() > 100.0 {
            return Err(json!([OVER_100]));
        }
        // An unknown feature is already reported.
        let Some(definition) = definition else { return Ok(Vec::new()) };
        let value = |(id, percentage): (i64, f64)| {
            let option = definition.options.iter().find(|option| option.id == Some(id));
            let problem = || json!([format!("Invalid pk \"{id}\" - object does not exist.")]);
            Ok(MultivariateValue {
                id: None,
                mv_fs_value_uuid: uuid(random()).into(),
                percentage_allocation: percentage,
                multivariate_feature_option: option.ok_or_else(problem)?.clone(),
            })
        };
        sent.into_iter().map(value).collect()
    })
}

fn items(json: Option<Json<'_>>) -> Result<Vec<Json<'_>>, Value> {
    let Some(json) = json else { return Ok(Vec::new()) };
    let items = json.list().ok_or_else(|| match json.kind() {
        Kind::Null => json!([NOT_NULL]),
        kind => {
            let problem = format!("Expected a list of items but got type \"{}\".", kind.python_name());
            json!({"non_field_errors": [problem]})
        }
    })?;
    if items.len() > MAX_MULTIVARIATE_VALUES {
        let problem = format!("Ensure this field has no more than {MAX_MULTIVARIATE_VALUES} elements.");
        return Err(json!([problem]));
    }
    Ok(items)
}

fn percentage(json: Option<Json<'_>>) -> Result<f64, Value> {
    let json = json.ok_or_else(|| json!([REQUIRED]))?;
    let number = match json.kind() {
        Kind::Null => return Err(json!([NOT_NULL])),
        Kind::Integer | Kind::Float => json.source().parse::<f64>().ok(),
        Kind::String => json.text().and_then(|text| text.trim().parse::<f64>().ok()),
        Kind::Bool | Kind::List | Kind::Object => None,
    };
    match number.filter(|number| number.is_finite()) {
        None => Err(json!(["A valid number is required."])),
        Some(number) if number < 0.0 => Err(json!(["Ensure this value is greater than or equal to 0."])),
        Some(number) if number > 100.0 => Err(json!(["Ensure this value is less than or equal to 100."])),
        Some(number) => Ok(number),
    }
}
