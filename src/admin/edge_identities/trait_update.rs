//! A trait in an `update-traits` request. Flagsmith reports its faults with pydantic's texts (contract §D).

use serde_json::{Map, Value, json};

use crate::api::Error;
use crate::api::fields::{MAX_TRAIT_KEY_LENGTH, MAX_TRAIT_VALUE_LENGTH};
use crate::document::json::{Json, Kind};
use crate::document::python;
use crate::identity::TraitValue;

/// Reads a key and a value. `None` stands for null, which deletes the trait.
pub fn read(body: Json<'_>) -> Result<(Box<str>, Option<TraitValue>), Error> {
    let members = body
        .object()
        .ok_or_else(|| Error::Invalid(json!({"detail": "Request data must be a JSON object."})))?;
    let mut errors = Map::new();
    let mut report = |field: &str, problem: Value| {
        errors.insert(field.to_owned(), problem);
    };
    let key = match members.get("trait_key") {
        None => Err(json!(["Field required"])),
        Some(key) => match key.text() {
            None => Err(json!(["Input should be a valid string"])),
            Some(key) if key.is_empty() => Err(json!(["String should have at least 1 character"])),
            Some(key) if key.chars().count() > MAX_TRAIT_KEY_LENGTH => {
                Err(json!([format!("String should have at most {MAX_TRAIT_KEY_LENGTH} characters")]))
            }
            Some(key) if key.contains('\0') => Err(json!(["Null characters are not allowed."])),
            Some(key) => Ok(Box::from(key)),
        },
    };
    let value = members.get("trait_value").ok_or_else(|| json!(["Field required"]));
    let value = value.and_then(|value| trait_value(value));
    match (key, value) {
        (Ok(key), Ok(value)) => return Ok((key, value)),
        (key, value) => {
            key.map_err(|problem| report("trait_key", problem)).ok();
            value.map_err(|problem| report("trait_value", problem)).ok();
        }
    }
    Err(Error::Invalid(Value::Object(errors)))
}

/// Reads a trait's value. Numeric texts become numbers, as in Flagsmith's own store.
fn trait_value(json: Json<'_>) -> Result<Option<TraitValue>, Value> {
    let number = |text: &str| -> Option<TraitValue> {
        let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let digits = text.strip_prefix('-').unwrap_or(text);
        match digits.split_once('.') {
            None if whole(digits) => text.parse().ok().map(TraitValue::Integer),
            Some((before, after)) if whole(before) && whole(after) => {
                text.parse().ok().filter(|value: &f64| value.is_finite()).map(TraitValue::Float)
            }
            _ => None,
        }
    };
    Ok(Some(match json.kind() {
        Kind::Null => return Ok(None),
        Kind::Bool => TraitValue::Bool(json.is_true()),
        Kind::Integer => {
            let value = json.source().parse();
            TraitValue::Integer(value.map_err(|_| json!(["Input should be a valid integer"]))?)
        }
        Kind::Float => {
            let value = json.source().parse();
            TraitValue::Float(value.map_err(|_| json!(["Input should be a valid number"]))?)
        }
        Kind::String | Kind::List | Kind::Object => {
            let text = python::short_json_text(json, MAX_TRAIT_VALUE_LENGTH).ok_or_else(too_long)?;
            if text.contains('\0') {
                return Err(json!(["Null characters are not allowed."]));
            }
            number(&text).unwrap_or_else(|| TraitValue::Text(text.into()))
        }
    }))
}

/// The messages for a text that is too long: one for each type that a value may have.
fn too_long() -> Value {
    json!({
        "bool": ["Input should be a valid boolean"],
        "float": ["Input should be a valid number, unable to parse string as a number"],
        "int": ["Input should be a valid integer, unable to parse string as an integer"],
        "constrained-str": [format!("String should have at most {MAX_TRAIT_VALUE_LENGTH} characters")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_texts_become_numbers() {
        for (json, expected) in [
            (r#""007""#, TraitValue::Integer(7)),
            (r#""-1.50""#, TraitValue::Float(-1.5)),
            (r#"" 12""#, TraitValue::Text(" 12".into())),
            (r#""1e5""#, TraitValue::Text("1e5".into())),
            (r#""""#, TraitValue::Text("".into())),
            ("[1]", TraitValue::Text("[1]".into())),
            (r#""99999999999999999999""#, TraitValue::Text("99999999999999999999".into())),
        ] {
            let body = format!(r#"{{"trait_key": "k", "trait_value": {json}}}"#);
            let read = read(Json::parse(body.as_bytes()).unwrap()).unwrap();
            assert_eq!(read, ("k".into(), Some(expected)), "{json}");
        }
    }
}
