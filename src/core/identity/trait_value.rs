//! The value of a trait, with the type that was sent.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::document::python;

/// A trait's value. There is no null, since a null deletes the trait.
#[derive(Clone, Debug)]
pub enum TraitValue {
    /// JSON's `true` and `false`.
    Bool(bool),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Any other number; finite.
    Float(f64),
    /// Up to 2,000 characters.
    Text(Box<str>),
}

impl TraitValue {
    /// Python's `str()` of the value, for the hash of anonymous identifiers.
    pub fn python_text(&self) -> Cow<'_, str> {
        match self {
            TraitValue::Bool(value) => python::bool_text(*value).into(),
            TraitValue::Integer(value) => value.to_string().into(),
            TraitValue::Float(value) => python::float_text(*value).into(),
            TraitValue::Text(text) => Cow::Borrowed(text),
        }
    }
}

/// Floats are compared by bits, since `0.0` and `-0.0` must differ.
impl PartialEq for TraitValue {
    fn eq(&self, other: &TraitValue) -> bool {
        match (self, other) {
            (TraitValue::Bool(a), TraitValue::Bool(b)) => a == b,
            (TraitValue::Integer(a), TraitValue::Integer(b)) => a == b,
            (TraitValue::Float(a), TraitValue::Float(b)) => a.to_bits() == b.to_bits(),
            (TraitValue::Text(a), TraitValue::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl Hash for TraitValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            TraitValue::Bool(value) => value.hash(state),
            TraitValue::Integer(value) => value.hash(state),
            TraitValue::Float(value) => value.to_bits().hash(state),
            TraitValue::Text(text) => text.hash(state),
        }
    }
}

impl Serialize for TraitValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            TraitValue::Bool(value) => serializer.serialize_bool(*value),
            TraitValue::Integer(value) => serializer.serialize_i64(*value),
            TraitValue::Float(value) => serializer.serialize_f64(*value),
            TraitValue::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for TraitValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TraitValue, D::Error> {
        struct TraitValueVisitor;
        impl Visitor<'_> for TraitValueVisitor {
            type Value = TraitValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boolean, a number or a string")
            }

            fn visit_bool<E>(self, value: bool) -> Result<TraitValue, E> {
                Ok(TraitValue::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<TraitValue, E> {
                Ok(TraitValue::Integer(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<TraitValue, E> {
                Ok(i64::try_from(value).map_or(TraitValue::Float(value as f64), TraitValue::Integer))
            }

            fn visit_f64<E>(self, value: f64) -> Result<TraitValue, E> {
                Ok(TraitValue::Float(value))
            }

            fn visit_str<E>(self, text: &str) -> Result<TraitValue, E> {
                Ok(TraitValue::Text(text.into()))
            }
        }
        deserializer.deserialize_any(TraitValueVisitor)
    }
}
