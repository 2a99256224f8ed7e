//! The value of the evaluation context that a condition tests.

use std::borrow::Cow;

use crate::document::python::{self, Integer};
use crate::identity::TraitValue;

/// A value of the evaluation context after coercion: a numeric text is a number (contract §C.2). An unset value has no
/// `ContextValue`.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextValue<'a> {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Integer(Integer),
    /// Any other number.
    Float(f64),
    /// A text that is not numeric.
    Text(Cow<'a, str>),
}

impl<'a> ContextValue<'a> {
    /// Coerces a text: `-?[0-9]+` is a whole number, `-?[0-9]+\.[0-9]+` a float.
    pub fn from_text(text: Cow<'a, str>) -> ContextValue<'a> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, &*text), |digits| (true, digits));
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return ContextValue::Text(text);
        }
        let whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        match digits.split_once('.') {
            None if whole(digits) => ContextValue::Integer(Integer::from_digits(negative, digits)),
            Some((before, after)) if whole(before) && whole(after) => {
                text.parse().map_or(ContextValue::Text(text), ContextValue::Float)
            }
            _ => ContextValue::Text(text),
        }
    }

    /// Coerces a trait's value.
    pub fn from_trait(value: &'a TraitValue) -> ContextValue<'a> {
        match value {
            TraitValue::Bool(value) => ContextValue::Bool(*value),
            TraitValue::Integer(value) => ContextValue::Integer(Integer::Small(i128::from(*value))),
            TraitValue::Float(value) => ContextValue::Float(*value),
            TraitValue::Text(text) => ContextValue::from_text(Cow::Borrowed(text)),
        }
    }

    /// Coerces the value of a JSONPath query's node; lists, objects and null count as unset.
    pub fn from_json(value: &serde_json::Value) -> Option<ContextValue<'static>> {
        use serde_json::Value as Json;
        match value {
            Json::Bool(value) => Some(ContextValue::Bool(*value)),
            Json::String(text) => Some(ContextValue::from_text(Cow::Owned(text.clone()))),
            Json::Number(number) => Some(match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => ContextValue::Integer(Integer::Small(i128::from(value))),
                (None, Some(value)) => ContextValue::Integer(Integer::Small(i128::from(value))),
                (None, None) => ContextValue::Float(number.as_f64()?),
            }),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// The length of the value in bytes, as a measure of the cost to read it.
    #[inline]
    pub fn length(&self) -> usize {
        match self {
            ContextValue::Text(text) => text.len(),
            ContextValue::Integer(Integer::Large { digits, .. }) => digits.len(),
            ContextValue::Integer(Integer::Small(_)) | ContextValue::Bool(_) | ContextValue::Float(_) => 0,
        }
    }

    /// Python's `str()` of the value.
    pub fn python_text(&self) -> Cow<'_, str> {
        match self {
            ContextValue::Bool(value) => Cow::Borrowed(python::bool_text(*value)),
            ContextValue::Integer(value) => Cow::Owned(value.to_string()),
            ContextValue::Float(value) => Cow::Owned(python::float_text(*value)),
            ContextValue::Text(text) => Cow::Borrowed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coerces_numeric_texts() {
        for (text, expected) in [
            ("12", ContextValue::Integer(Integer::Small(12))),
            ("-007", ContextValue::Integer(Integer::Small(-7))),
            ("1.50", ContextValue::Float(1.5)),
            ("-0.0", ContextValue::Float(-0.0)),
        ] {
            assert_eq!(ContextValue::from_text(text.into()), expected, "{text}");
        }
        for text in ["", "-", "1e5", " 12", "1.", ".5", "1.2.3", "+1", "٣", "inf", "NaN", "1.-2"] {
            assert_eq!(ContextValue::from_text(text.into()), ContextValue::Text(text.into()), "{text}");
        }
    }
}
