//! `/environments/{key}/identities/{id}/traits/`.

use flagsmith_edge_core::api::fields::{INVALID_INTEGER, MAX_TRAIT_KEY_LENGTH, MAX_TRAIT_VALUE_LENGTH};
use flagsmith_edge_core::document::json::{Json, Kind};
use flagsmith_edge_core::identity::TraitValue;
use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::identities;
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::Trait;
use crate::state::Row;
use crate::values;

const TYPES: [&str; 4] = ["unicode", "int", "bool", "float"];

/// Lists the traits of an identity.
pub fn list(call: &mut Call<'_>, api_key: &str, identity: &str) -> Outcome {
    let identity = identities::find(call, api_key, identity)?.id;
    let traits = call.state.traits.values().filter(|row| row.identity == identity).collect();
    page(call, pages::FIXED, traits, render)
}

/// Creates a trait.
pub fn create(call: &mut Call<'_>, api_key: &str, identity: &str) -> Outcome {
    let identity = identities::find(call, api_key, identity)?.id;
    let fresh = Trait {
        id: 0,
        identity,
        trait_key: String::new(),
        value_type: TYPES[0].to_owned(),
        integer_value: None,
        string_value: None,
        boolean_value: None,
        float_value: None,
        created_date: call.now(),
    };
    let mut row = read(call, fresh, false)?;
    row.id = call.state.next_id(Trait::KIND);
    call.state.put(row.clone());
    call::json(201, &render(&row))
}

/// Reads a trait.
pub fn get(call: &mut Call<'_>, api_key: &str, identity: &str, id: &str) -> Outcome {
    call::json(200, &render(&find(call, api_key, identity, id)?))
}

/// Changes a trait.
pub fn update(call: &mut Call<'_>, api_key: &str, identity: &str, id: &str) -> Outcome {
    let row = find(call, api_key, identity, id)?;
    let row = read(call, row, call.is_partial())?;
    call.state.put(row.clone());
    call::json(200, &render(&row))
}

/// Deletes a trait.
pub fn delete(call: &mut Call<'_>, api_key: &str, identity: &str, id: &str) -> Outcome {
    let id = find(call, api_key, identity, id)?.id;
    call.state.delete::<Trait>(|row| row.id == id);
    deleted()
}

fn find(call: &Call<'_>, api_key: &str, identity: &str, id: &str) -> Result<Trait, Refusal> {
    let (identity, id) = (identities::find(call, api_key, identity)?.id, number(id)?);
    let row = call.state.traits.get(&id).filter(|row| row.identity == identity);
    row.cloned().ok_or(Refusal::Missing("Trait"))
}

fn read(call: &Call<'_>, old: Trait, is_partial: bool) -> Result<Trait, Refusal> {
    let mut input = call.input()?;
    let keep = is_partial.then_some(old.trait_key.as_str());
    let row = Trait {
        trait_key: input.text("trait_key", MAX_TRAIT_KEY_LENGTH, keep),
        value_type: input.choice("value_type", &TYPES, Some(&old.value_type)),
        integer_value: input.optional("integer_value", old.integer_value, values::integer),
        string_value: input.optional_text("string_value", MAX_TRAIT_VALUE_LENGTH, old.string_value),
        boolean_value: input.optional_bool("boolean_value", old.boolean_value),
        float_value: input.optional("float_value", old.float_value, float),
        ..old
    };
    let row = input.finish(row)?;
    let is_same = |other: &Trait| {
        other.identity == row.identity && other.trait_key == row.trait_key && other.id != row.id
    };
    if call.state.traits.values().any(is_same) {
        let problem = "The fields identity, trait_key must make a unique set.";
        return Err(Refusal::field("non_field_errors", problem));
    }
    Ok(row)
}

fn float(json: Json<'_>) -> Result<f64, Value> {
    let number = match json.kind() {
        Kind::Integer | Kind::Float => json.source().parse().ok(),
        Kind::String => json.text().and_then(|text| text.trim().parse().ok()),
        Kind::Null | Kind::Bool | Kind::List | Kind::Object => None,
    };
    number
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| json!([INVALID_INTEGER.replace("n integer", " number")]))
}

/// The value that conditions read; `None` if the column is empty.
pub fn value(row: &Trait) -> Option<TraitValue> {
    match row.value_type.as_str() {
        "int" => row.integer_value.map(TraitValue::Integer),
        "bool" => row.boolean_value.map(TraitValue::Bool),
        "float" => row.float_value.map(TraitValue::Float),
        _ => row.string_value.as_deref().map(|text| TraitValue::Text(text.into())),
    }
}

fn render(row: &Trait) -> Value {
    json!({
        "id": row.id,
        "trait_key": row.trait_key,
        "value_type": row.value_type,
        "integer_value": row.integer_value,
        "string_value": row.string_value,
        "boolean_value": row.boolean_value,
        "float_value": row.float_value,
        "created_date": row.created_date,
    })
}
