//! Reads the fields of a JSON body like Flagsmith's serializers: all faults are collected by field and reported
//! together (contract §A.3).

use serde_json::{Map, Value, json};

use super::error::Error;
use crate::document::json::{Json, Kind, Members};
use crate::document::{Identifier, python};
use crate::identity::TraitValue;

/// The maximum length of an identifier, in characters.
pub const MAX_IDENTIFIER_LENGTH: usize = 2000;
/// The maximum length of a trait key, in characters.
pub const MAX_TRAIT_KEY_LENGTH: usize = 200;
/// The maximum number of identities in one request, since each costs a call of an object.
const MAX_IDENTITIES: usize = 100;
/// The maximum number of items in a list. A body of valid items always has fewer, and a report can list the faults of
/// all.
pub const MAX_ITEMS: usize = 32_000;
/// The maximum length of a trait's text, in characters.
pub const MAX_TRAIT_VALUE_LENGTH: usize = 2000;

/// The message for a missing field.
pub const REQUIRED: &str = "This field is required.";
/// The message for a null that is not allowed.
pub const NOT_NULL: &str = "This field may not be null.";
/// The error for an empty text.
pub const NOT_BLANK: &str = "This field may not be blank.";

/// The fields of one object, and the faults of the fields that were read.
pub struct Fields<'a> {
    members: Members<'a>,
    errors: Map<String, Value>,
}

/// The rules of a text field.
#[derive(Clone, Copy)]
pub struct TextRules {
    /// The maximum number of characters.
    pub max_length: usize,
    /// True if null, blank and absent values become an empty text.
    pub optional: bool,
}

/// The rules of a trait's key.
pub const TRAIT_KEY: TextRules = TextRules { max_length: MAX_TRAIT_KEY_LENGTH, optional: false };

/// Checks the number of identities in one request.
pub fn check_identities(count: usize) -> Result<(), Value> {
    if count <= MAX_IDENTITIES {
        return Ok(());
    }
    Err(json!({"detail": format!("Number of identities must not be more than {MAX_IDENTITIES}")}))
}

impl<'a> Fields<'a> {
    /// The fields of an object; the error for any other type.
    pub fn of(json: Json<'a>) -> Result<Fields<'a>, Value> {
        match json.object() {
            Some(members) => Ok(Fields { members, errors: Map::new() }),
            None => {
                let kind = json.kind().python_name();
                Err(
                    json!({"non_field_errors": [format!("Invalid data. Expected a dictionary, but got {kind}.")]}),
                )
            }
        }
    }

    /// The fields of a request's body.
    pub fn of_body(json: Json<'a>) -> Result<Fields<'a>, Error> {
        if json.kind() == Kind::Null {
            return Err(Error::Invalid(json!({"non_field_errors": ["No data provided"]})));
        }
        Fields::of(json).map_err(Error::Invalid)
    }

    /// True if the field is present.
    pub fn has(&self, name: &str) -> bool {
        self.members.has(name)
    }

    /// All members.
    pub fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// A trimmed text; a number becomes its text.
    pub fn text(&mut self, name: &str, rules: TextRules) -> String {
        let value = self.text_value(name, rules);
        self.keep(name, value)
    }

    fn text_value(&self, name: &str, rules: TextRules) -> Result<String, Value> {
        match self.members.get(name) {
            None if rules.optional => Ok(String::new()),
            None => Err(json!([REQUIRED])),
            Some(json) => text(json, rules),
        }
    }

    /// An identifier, normalized; an optional one may be null, blank or absent.
    pub fn identifier(&mut self, name: &str, optional: bool) -> Identifier {
        let rules = TextRules { max_length: MAX_IDENTIFIER_LENGTH, optional };
        let value = self.text_value(name, rules).map(Identifier::normalize);
        self.keep(name, value)
    }

    /// A trait's value; `None` is null. Lists and objects become texts, as Python prints them.
    pub fn trait_value(&mut self, name: &str, nullable: bool) -> Option<TraitValue> {
        let value = match self.members.get(name) {
            None => Err(json!([REQUIRED])),
            Some(json) if json.kind() == Kind::Null && !nullable => Err(json!([NOT_NULL])),
            Some(json) => trait_value(json),
        };
        self.keep(name, value)
    }

    /// A boolean in any spelling that Flagsmith accepts; false if it is absent.
    pub fn bool(&mut self, name: &str) -> bool {
        if self.has(name) { self.required_bool(name) } else { false }
    }

    /// A required boolean.
    pub fn required_bool(&mut self, name: &str) -> bool {
        let value =
            self.required(name, |json| bool_value(json).ok_or_else(|| json!(["Must be a valid boolean."])));
        self.keep(name, value)
    }

    /// A whole number of 64 bits, also as text or with a fraction of zeros.
    pub fn integer(&mut self, name: &str) -> i64 {
        let value = self.required(name, |json| integer_value(json).ok_or_else(|| json!([INVALID_INTEGER])));
        self.keep(name, value)
    }

    /// An object, parsed by `read`, which returns its faults.
    pub fn object<T: Default>(&mut self, name: &str, read: impl FnOnce(Json<'a>) -> Result<T, Value>) -> T {
        let value = self.required(name, read);
        self.keep(name, value)
    }

    /// A list with items that `read` parses. Faults are reported by position, with an empty object for each valid item.
    pub fn list<T>(&mut self, name: &str, mut read: impl FnMut(Json<'a>) -> Result<T, Value>) -> Vec<T> {
        let items = self.required(name, |json| {
            json.list().ok_or_else(|| {
                let kind = json.kind().python_name();
                json!({"non_field_errors": [format!("Expected a list of items but got type \"{kind}\".")]})
            })
        });
        let read =
            |item: Json<'a>| if item.kind() == Kind::Null { Err(json!([NOT_NULL])) } else { read(item) };
        let items = items.and_then(|items| all(items, read));
        self.keep(name, items)
    }

    /// A field that `read` parses, present or absent.
    pub fn read<T: Default>(
        &mut self,
        name: &str,
        read: impl FnOnce(Option<Json<'a>>) -> Result<T, Value>,
    ) -> T {
        let value = read(self.members.get(name));
        self.keep(name, value)
    }

    /// The result, if there was no error.
    pub fn finish<T>(self, value: T) -> Result<T, Value> {
        if self.errors.is_empty() { Ok(value) } else { Err(Value::Object(self.errors)) }
    }

    fn required<T>(&self, name: &str, read: impl FnOnce(Json<'a>) -> Result<T, Value>) -> Result<T, Value> {
        match self.members.get(name) {
            None => Err(json!([REQUIRED])),
            Some(json) if json.kind() == Kind::Null => Err(json!([NOT_NULL])),
            Some(json) => read(json),
        }
    }

    /// The value, or a default after recording a fault.
    fn keep<T: Default>(&mut self, name: &str, value: Result<T, Value>) -> T {
        value.unwrap_or_else(|problem| {
            self.errors.insert(name.to_owned(), problem);
            T::default()
        })
    }
}

/// Reads all items, or reports their faults by position.
///
/// The report has a part for each item, so a long list is refused unread.
pub fn all<'a, T>(
    items: Vec<Json<'a>>,
    mut read: impl FnMut(Json<'a>) -> Result<T, Value>,
) -> Result<Vec<T>, Value> {
    if items.len() > MAX_ITEMS {
        let problem = format!("Ensure this field has no more than {MAX_ITEMS} elements.");
        return Err(json!({"non_field_errors": [problem]}));
    }
    let count = items.len();
    let mut values = Vec::with_capacity(count);
    let mut problems = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match read(item) {
            Ok(value) => values.push(value),
            Err(problem) => {
                // Valid items have an empty part in the report.
                problems.resize(index, json!({}));
                problems.push(problem);
            }
        }
    }
    if problems.is_empty() {
        return Ok(values);
    }
    problems.resize(count, json!({}));
    Err(Value::Array(problems))
}

fn text(json: Json<'_>, rules: TextRules) -> Result<String, Value> {
    let text = match json.kind() {
        Kind::Null if rules.optional => return Ok(String::new()),
        Kind::Null => return Err(json!([NOT_NULL])),
        Kind::String | Kind::Integer | Kind::Float => python::json_text(json).unwrap_or_default(),
        Kind::Bool | Kind::List | Kind::Object => return Err(json!(["Not a valid string."])),
    };
    let text = python::strip(&text);
    if text.is_empty() && !rules.optional {
        return Err(json!([NOT_BLANK]));
    }
    check_text(text, rules.max_length).map(|()| text.to_owned())
}

/// The normalized identifier of a query; an error if it is too long or contains a NUL.
pub fn query_identifier(text: &str) -> Result<Identifier, Error> {
    let identifier = Identifier::normalize(text);
    let checked = check_text(&identifier, MAX_IDENTIFIER_LENGTH);
    checked.map(|()| identifier).map_err(|problem| Error::Invalid(json!({"identifier": problem})))
}

/// Checks the length and the characters of a text field.
pub fn check_text(text: &str, max_length: usize) -> Result<(), Value> {
    let mut problems = Vec::new();
    if text.chars().count() > max_length {
        problems.push(json!(format!("Ensure this field has no more than {max_length} characters.")));
    }
    if text.contains('\0') {
        problems.push(json!(NULL_CHARACTERS));
    }
    if problems.is_empty() { Ok(()) } else { Err(Value::Array(problems)) }
}

/// The message for a text with a NUL character.
pub const NULL_CHARACTERS: &str = "Null characters are not allowed.";
/// The message for a value that is not an integer.
pub const INVALID_INTEGER: &str = "A valid integer is required.";

/// A value that is a trait as it is; `None` for any other.
pub fn scalar_trait(json: Json<'_>) -> Option<TraitValue> {
    let is_scalar = !matches!(json.kind(), Kind::Null | Kind::List | Kind::Object);
    if is_scalar { trait_value(json).ok().flatten() } else { None }
}

fn trait_value(json: Json<'_>) -> Result<Option<TraitValue>, Value> {
    let value = match json.kind() {
        Kind::Null => return Ok(None),
        Kind::Bool => TraitValue::Bool(json.is_true()),
        Kind::Integer => TraitValue::Integer(json.source().parse().map_err(|_| json!([INVALID_INTEGER]))?),
        Kind::Float => TraitValue::Float(json.source().parse().map_err(|_| json!([INVALID_INTEGER]))?),
        Kind::String | Kind::List | Kind::Object => {
            let Some(text) = python::short_json_text(json, MAX_TRAIT_VALUE_LENGTH) else {
                let limit = MAX_TRAIT_VALUE_LENGTH;
                // Flagsmith's wording, although it is `character`, and the limit itself is allowed.
                let problem = format!("Value string is too long. Must be less than {limit} character");
                return Err(json!([problem]));
            };
            if text.contains('\0') {
                return Err(json!([NULL_CHARACTERS]));
            }
            TraitValue::Text(text.into())
        }
    };
    Ok(Some(value))
}

fn bool_value(json: Json<'_>) -> Option<bool> {
    match json.kind() {
        Kind::Bool => Some(json.is_true()),
        Kind::Integer | Kind::Float => match json.source().parse::<f64>() {
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => None,
        },
        Kind::String => match json.text()?.to_lowercase().as_str() {
            "t" | "y" | "yes" | "true" | "on" | "1" => Some(true),
            "f" | "n" | "no" | "false" | "off" | "0" => Some(false),
            _ => None,
        },
        Kind::Null | Kind::List | Kind::Object => None,
    }
}

/// A whole number of 64 bits, with the rules of [`Fields::integer`].
pub fn integer_value(json: Json<'_>) -> Option<i64> {
    let text = match json.kind() {
        Kind::String | Kind::Integer | Kind::Float => python::json_text(json)?,
        Kind::Null | Kind::Bool | Kind::List | Kind::Object => return None,
    };
    let whole = match text.trim_end_matches(python::is_space).trim_end_matches('0').strip_suffix('.') {
        Some(whole) => whole,
        None => &text,
    };
    match python::parse_int(whole)? {
        python::Integer::Small(value) => i64::try_from(value).ok(),
        python::Integer::Large { .. } => None,
    }
}
