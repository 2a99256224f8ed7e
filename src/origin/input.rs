//! The fields of a body, with the rules of the Admin API: absent fields keep a value, and some may be null.

use std::ops::ControlFlow;

use flagsmith_edge_core::api::fields::{
    Fields, INVALID_INTEGER, NOT_BLANK, NOT_NULL, REQUIRED, TextRules, check_text, integer_value,
};
use flagsmith_edge_core::document::json::{Json, Kind};
use flagsmith_edge_core::document::{Timestamp, python};
use serde_json::{Value, json};

use crate::limits::{MAX_FAULTS, MAX_LIST_ITEMS, MAX_QUOTE_LENGTH};
use crate::refusal::Refusal;

/// The fields of a body, and the faults of those that were read.
pub struct Input<'a> {
    fields: Fields<'a>,
    /// True if an absent boolean is false, as an unchecked box of a form.
    absent_is_false: bool,
}

impl<'a> Input<'a> {
    /// The fields of a request's body.
    pub fn of_body(json: Json<'a>, absent_is_false: bool) -> Result<Input<'a>, Refusal> {
        Ok(Input { fields: Fields::of_body(json)?, absent_is_false })
    }

    /// The fields of an object inside of a body; the error is its report.
    pub fn of(json: Json<'a>) -> Result<Input<'a>, Value> {
        Ok(Input { fields: Fields::of(json)?, absent_is_false: false })
    }

    /// True if the field is present.
    pub fn has(&self, name: &str) -> bool {
        self.fields.has(name)
    }

    /// A text that is not blank. It is required if there is no value to keep.
    pub fn text(&mut self, name: &str, max_length: usize, keep: Option<&str>) -> String {
        match keep {
            Some(keep) if !self.has(name) => keep.to_owned(),
            _ => self.fields.text(name, TextRules { max_length, optional: false }),
        }
    }

    /// A text that may be null or blank.
    pub fn optional_text(&mut self, name: &str, max_length: usize, keep: Option<String>) -> Option<String> {
        self.optional(name, keep, |json| plain_text(json, max_length))
    }

    /// A boolean.
    pub fn bool(&mut self, name: &str, keep: bool) -> bool {
        match self.has(name) {
            true => self.fields.required_bool(name),
            false => keep && !self.absent_is_false,
        }
    }

    /// A boolean that may be null.
    pub fn optional_bool(&mut self, name: &str, keep: Option<bool>) -> Option<bool> {
        let is_null = self.read(name, |json| Ok(json.is_some_and(|json| json.kind() == Kind::Null)));
        match (is_null, self.has(name)) {
            (true, _) => None,
            (false, true) => Some(self.fields.required_bool(name)),
            (false, false) => keep,
        }
    }

    /// A value that may be null, read by `read`.
    pub fn optional<T>(
        &mut self,
        name: &str,
        keep: Option<T>,
        read: impl FnOnce(Json<'a>) -> Result<T, Value>,
    ) -> Option<T> {
        self.fields.read(name, |json| match json {
            None => Ok(keep),
            Some(json) if json.kind() == Kind::Null => Ok(None),
            Some(json) => read(json).map(Some),
        })
    }

    /// A whole number that may be null.
    pub fn optional_integer(&mut self, name: &str, keep: Option<i64>) -> Option<i64> {
        self.optional(name, keep, |json| integer_value(json).ok_or_else(|| json!([INVALID_INTEGER])))
    }

    /// A required whole number.
    pub fn integer(&mut self, name: &str) -> i64 {
        self.fields.integer(name)
    }

    /// A required boolean.
    pub fn required_bool(&mut self, name: &str) -> bool {
        self.fields.required_bool(name)
    }

    /// The required field `priority`: a whole number from 0 on, or null.
    pub fn priority(&mut self) -> Option<i64> {
        let is_null = self.read("priority", |json| Ok(json.is_some_and(|json| json.kind() == Kind::Null)));
        let priority = if is_null { None } else { Some(self.fields.integer("priority")) };
        if priority.is_some_and(|priority| priority < 0) {
            let problem = "Ensure this value is greater than or equal to 0.";
            return self.read("priority", |_| Err(json!([problem])));
        }
        priority
    }

    /// The field `priority`; `None` if it is absent.
    pub fn optional_priority(&mut self) -> Option<i64> {
        if self.has("priority") { self.priority() } else { None }
    }

    /// A point in time that may be null.
    pub fn optional_time(&mut self, name: &str, keep: Option<String>) -> Option<String> {
        self.optional(name, keep, |json| {
            let time = json.text().and_then(|text| Timestamp::from_iso(&text));
            time.map(Timestamp::iso).ok_or_else(|| json!([INVALID_TIME]))
        })
    }

    /// One of several texts.
    pub fn choice(&mut self, name: &str, choices: &[&str], keep: Option<&str>) -> String {
        self.fields.read(name, |json| match (json, keep) {
            (None, Some(keep)) => Ok(keep.to_owned()),
            (None, None) => Err(json!([REQUIRED])),
            (Some(json), _) => choice(json, choices),
        })
    }

    /// The id of a row; `exists` is true for the ids that are allowed.
    pub fn reference(&mut self, name: &str, exists: impl FnOnce(i64) -> bool) -> i64 {
        self.fields.read(name, |json| reference(required(json)?, exists))
    }

    /// The id of a row that may be null or absent.
    pub fn optional_reference(&mut self, name: &str, exists: impl FnOnce(i64) -> bool) -> Option<i64> {
        self.fields.read(name, |json| match json {
            Some(json) if json.kind() != Kind::Null => reference(json, exists).map(Some),
            _ => Ok(None),
        })
    }

    /// A field that `read` parses, present or absent.
    pub fn read<T: Default>(
        &mut self,
        name: &str,
        read: impl FnOnce(Option<Json<'a>>) -> Result<T, Value>,
    ) -> T {
        self.fields.read(name, read)
    }

    /// The result, if there was no fault.
    pub fn finish<T>(self, value: T) -> Result<T, Refusal> {
        self.fields.finish(value).map_err(Refusal::Invalid)
    }

    /// The result of an object inside of a body; the error is its report.
    pub fn finish_part<T>(self, value: T) -> Result<T, Value> {
        self.fields.finish(value)
    }
}

const INVALID_TIME: &str = "Datetime has wrong format. Use one of these formats instead: \
                            YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";

/// The trimmed text of a string or number; it may be blank.
pub fn plain_text(json: Json<'_>, max_length: usize) -> Result<String, Value> {
    match json.kind() {
        Kind::String | Kind::Integer | Kind::Float => {}
        Kind::Null => return Err(json!([NOT_NULL])),
        Kind::Bool | Kind::List | Kind::Object => return Err(json!(["Not a valid string."])),
    }
    let text = python::json_text(json).unwrap_or_default();
    let text = python::strip(&text);
    check_text(text, max_length).map(|()| text.to_owned())
}

fn reference(json: Json<'_>, exists: impl FnOnce(i64) -> bool) -> Result<i64, Value> {
    if json.kind() == Kind::Null {
        return Err(json!([NOT_NULL]));
    }
    let Some(id) = integer_value(json) else {
        let kind = json.kind().python_name();
        return Err(json!([format!("Incorrect type. Expected pk value, received {kind}.")]));
    };
    if exists(id) { Ok(id) } else { Err(json!([format!("Invalid pk \"{id}\" - object does not exist.")])) }
}

/// The value of a required field; the error for an absent one.
pub fn required(json: Option<Json<'_>>) -> Result<Json<'_>, Value> {
    json.ok_or_else(|| json!([REQUIRED]))
}

/// The report of a value that is no list.
pub fn not_a_list(json: Json<'_>) -> Value {
    let kind = json.kind().python_name();
    json!({"non_field_errors": [format!("Expected a list of items but got type \"{kind}\".")]})
}

/// Reads all items of a list, or reports their faults by position.
pub fn read_all<'a, T>(
    items: Vec<Json<'a>>,
    mut read: impl FnMut(Json<'a>) -> Result<T, Value>,
) -> Result<Vec<T>, Value> {
    read_until(items, |item| ControlFlow::Continue(read(item).map(Some)))
}

/// Reads items until `read` breaks, without those that it leaves out, or reports their faults by position.
///
/// An item without a fault has an empty part in the report. The report ends with the fault that is one too many.
pub fn read_until<'a, T>(
    items: Vec<Json<'a>>,
    mut read: impl FnMut(Json<'a>) -> ControlFlow<(), Result<Option<T>, Value>>,
) -> Result<Vec<T>, Value> {
    let count = items.len();
    let (mut values, mut problems, mut faults) = (Vec::new(), Vec::new(), 0);
    let mut is_whole = true;
    for (index, item) in items.into_iter().enumerate() {
        if index == MAX_LIST_ITEMS {
            let problem = format!("Ensure this field has no more than {MAX_LIST_ITEMS} elements.");
            return Err(json!({"non_field_errors": [problem]}));
        }
        let ControlFlow::Continue(value) = read(item) else {
            is_whole = false;
            break;
        };
        match value {
            Ok(value) => values.extend(value),
            Err(problem) => {
                problems.resize(index, json!({}));
                problems.push(problem);
                faults += 1;
            }
        }
        if faults == MAX_FAULTS {
            is_whole = false;
            break;
        }
    }
    if problems.is_empty() {
        return Ok(values);
    }
    if is_whole {
        problems.resize(count, json!({}));
    }
    Err(Value::Array(problems))
}

/// The beginning of a refused text, for its report.
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE_LENGTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn choice(json: Json<'_>, choices: &[&str]) -> Result<String, Value> {
    match json.kind() {
        Kind::Null => return Err(json!([NOT_NULL])),
        Kind::String if json.text().is_some_and(|text| text.is_empty()) => return Err(json!([NOT_BLANK])),
        _ => {}
    }
    let text = python::json_text(json).unwrap_or_default();
    if choices.contains(&&*text) {
        return Ok(text);
    }
    Err(json!([format!("\"{}\" is not a valid choice.", quote(&text))]))
}
