//! Values of features: read from a scalar or from an object with a column for each type, and rendered as either.

use flagsmith_edge_core::api::fields::integer_value;
use flagsmith_edge_core::document::json::{Json, Kind};
use flagsmith_edge_core::document::python;
use serde::Serialize;
use serde_json::{Value, json};

use crate::input::{Input, plain_text};
use crate::rows::TypedValue;

/// The maximum length of a value, in characters.
pub const MAX_LENGTH: usize = 20_000;
const TYPES: [&str; 3] = ["unicode", "int", "bool"];
const MAX_INTEGER: i64 = 2_147_483_647;
const MIN_INTEGER: i64 = -2_147_483_648;

/// A value without its columns.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Scalar<'v> {
    Text(Option<&'v str>),
    Integer(Option<i64>),
    Bool(Option<bool>),
}

impl Default for Scalar<'_> {
    fn default() -> Self {
        Scalar::Text(None)
    }
}

impl Default for TypedValue {
    fn default() -> TypedValue {
        TypedValue { kind: TYPES[0].to_owned(), string_value: None, integer_value: None, boolean_value: None }
    }
}

impl TypedValue {
    /// The value of a feature's initial text: a number or boolean if the text is one.
    pub fn of_initial(text: Option<&str>) -> TypedValue {
        let mut value = TypedValue::default();
        let Some(text) = text else { return value };
        match (text, text.parse::<i64>()) {
            ("true" | "false" | "True" | "False", _) => value.set_bool(text.eq_ignore_ascii_case("true")),
            (_, Ok(number)) if (MIN_INTEGER..=MAX_INTEGER).contains(&number) => value.set_integer(number),
            _ => value.set_text(Some(text.to_owned())),
        }
        value
    }

    /// Takes a scalar; the error is the report of the column that refuses it.
    pub fn set_scalar(&mut self, json: Json<'_>) -> Result<(), Value> {
        match json.kind() {
            Kind::Null => self.set_text(None),
            Kind::Bool => self.set_bool(json.is_true()),
            Kind::Integer => {
                let number = integer(json).map_err(|problem| json!({"integer_value": problem}))?;
                self.set_integer(number);
            }
            Kind::String | Kind::Float | Kind::List | Kind::Object => {
                let text = text(json).map_err(|problem| json!({"string_value": problem}))?;
                self.set_text(Some(text));
            }
        }
        Ok(())
    }

    /// Takes an object with columns; absent columns keep their values. The error is its report.
    pub fn set_typed(&mut self, json: Json<'_>) -> Result<(), Value> {
        let mut input = Input::of(json)?;
        let value = self.read_columns(&mut input);
        *self = input.finish_part(value)?;
        Ok(())
    }

    /// Reads the columns among the fields of an object.
    pub fn read_columns(&self, input: &mut Input<'_>) -> TypedValue {
        let old = self.clone();
        TypedValue {
            kind: input.choice("type", &TYPES, Some(&old.kind)),
            string_value: input.optional("string_value", old.string_value, text),
            integer_value: input.optional("integer_value", old.integer_value, integer),
            boolean_value: input.optional_bool("boolean_value", old.boolean_value),
        }
    }

    /// Takes a text.
    pub fn set_text(&mut self, text: Option<String>) {
        self.kind = TYPES[0].to_owned();
        self.string_value = text;
    }

    /// Takes a whole number.
    pub fn set_integer(&mut self, number: i64) {
        self.kind = TYPES[1].to_owned();
        self.integer_value = Some(number);
    }

    /// Takes a boolean.
    pub fn set_bool(&mut self, is_true: bool) {
        self.kind = TYPES[2].to_owned();
        self.boolean_value = Some(is_true);
    }

    /// The value as a string, number, boolean or null.
    pub fn scalar(&self) -> Value {
        json!(self.borrowed_scalar())
    }

    /// The value as a scalar that borrows its text.
    pub fn borrowed_scalar(&self) -> Scalar<'_> {
        match self.kind.as_str() {
            "int" => Scalar::Integer(self.integer_value),
            "bool" => Scalar::Bool(self.boolean_value),
            _ => Scalar::Text(self.string_value.as_deref()),
        }
    }

    /// The value with its columns.
    pub fn typed(&self) -> Value {
        json!({
            "type": self.kind,
            "string_value": self.string_value,
            "integer_value": self.integer_value,
            "boolean_value": self.boolean_value,
        })
    }
}

/// A text value. Spaces stay, unlike in other texts.
pub fn text(json: Json<'_>) -> Result<String, Value> {
    match json.text() {
        Some(text) => {
            flagsmith_edge_core::api::fields::check_text(&text, MAX_LENGTH).map(|()| text.into_owned())
        }
        None => plain_text(json, MAX_LENGTH),
    }
}

/// A whole number of 32 bits.
pub fn integer(json: Json<'_>) -> Result<i64, Value> {
    let invalid = flagsmith_edge_core::api::fields::INVALID_INTEGER;
    let is_huge = json.kind() == Kind::Integer && integer_value(json).is_none();
    let is_negative = python::json_text(json).is_some_and(|text| text.starts_with('-'));
    match integer_value(json) {
        Some(number) if (MIN_INTEGER..=MAX_INTEGER).contains(&number) => Ok(number),
        None if !is_huge => Err(json!([invalid])),
        _ if is_negative => {
            Err(json!([format!("Ensure this value is greater than or equal to {MIN_INTEGER}.")]))
        }
        _ => Err(json!([format!("Ensure this value is less than or equal to {MAX_INTEGER}.")])),
    }
}
