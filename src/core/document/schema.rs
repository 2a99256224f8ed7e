//! The published environment document, in all forms that Flagsmith has used (contract §B).
//!
//! Unknown fields are ignored; absent and null fields get their default. Fields that evaluation does not need are not
//! here, or are a [`Label`], which never makes a document unreadable. Texts without escapes borrow from the document.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use super::json::{self, Json, Kind};
use super::python;
use super::ruleset::Quantifier;

#[derive(serde::Deserialize)]
pub struct Document<'a> {
    #[serde(borrow)]
    pub api_key: Option<Cow<'a, str>>,
    /// The name of `api_key` in documents of DynamoDB.
    #[serde(borrow, default)]
    pub environment_api_key: Label<'a>,
    #[serde(borrow, default)]
    pub name: Label<'a>,
    /// A date, if it can be read.
    #[serde(borrow)]
    pub updated_at: Option<Json<'a>>,
    #[serde(borrow)]
    pub project: Project<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub feature_states: Vec<FeatureState<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub identity_overrides: Vec<IdentityOverride<'a>>,
    pub allow_client_traits: Option<bool>,
    pub hide_sensitive_data: Option<bool>,
    pub hide_disabled_flags: Option<bool>,
    pub use_identity_composite_key_for_hashing: Option<bool>,
}

/// The fields that only stored documents of Flagsmith's own Edge API have. Some are secret, so none is served.
pub const STORED_ONLY: [&str; 12] = [
    "amplitude_config",
    "compressed",
    "document_key",
    "dynatrace_config",
    "environment_api_key",
    "environment_id",
    "heap_config",
    "mixpanel_config",
    "onboarding_pending",
    "rudderstack_config",
    "segment_config",
    "webhook_config",
];

#[derive(serde::Deserialize)]
pub struct Project<'a> {
    #[serde(default, deserialize_with = "or_default")]
    pub organisation: Organisation,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub segments: Vec<Segment<'a>>,
    pub hide_disabled_flags: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub server_key_only_feature_ids: Vec<i64>,
}

impl<'a> Project<'a> {
    /// The segments by id. Of several with one id the last counts, at the place of the first, as in the maps of
    /// Flagsmith's SDKs.
    pub fn distinct_segments(&self) -> Vec<&Segment<'a>> {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(self.segments.len());
        let mut distinct = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let place = *places.entry(&segment.id.text).or_insert(distinct.len());
            match distinct.get_mut(place) {
                Some(earlier) => *earlier = segment,
                None => distinct.push(segment),
            }
        }
        distinct
    }
}

#[derive(Default, serde::Deserialize)]
pub struct Organisation {
    pub stop_serving_flags: Option<bool>,
    pub persist_trait_data: Option<bool>,
}

#[derive(serde::Deserialize)]
pub struct Segment<'a> {
    #[serde(borrow)]
    pub id: Id<'a>,
    #[serde(borrow, default)]
    pub name: Label<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub rules: Vec<Rule<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub feature_states: Vec<FeatureState<'a>>,
}

/// A segment's rule, also in evaluation contexts.
#[derive(serde::Deserialize)]
pub struct Rule<'a> {
    #[serde(rename = "type")]
    pub quantifier: Quantifier,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub rules: Vec<Rule<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub conditions: Vec<Condition<'a>>,
}

#[derive(serde::Deserialize)]
pub struct Condition<'a> {
    #[serde(borrow)]
    pub operator: Cow<'a, str>,
    /// The name in documents.
    #[serde(borrow)]
    pub property_: Option<Cow<'a, str>>,
    /// The name in the Admin API and in evaluation contexts.
    #[serde(borrow)]
    pub property: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub value: ConditionValue<'a>,
}

impl Condition<'_> {
    pub fn property(&self) -> &str {
        self.property_.as_deref().or(self.property.as_deref()).unwrap_or_default()
    }
}

#[derive(serde::Deserialize)]
pub struct FeatureState<'a> {
    #[serde(borrow)]
    pub feature: Feature<'a>,
    pub enabled: bool,
    #[serde(borrow, default)]
    pub feature_state_value: Scalar<'a>,
    pub django_id: Option<i64>,
    #[serde(borrow)]
    pub featurestate_uuid: Option<Cow<'a, str>>,
    pub feature_segment: Option<FeatureSegment>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub multivariate_feature_state_values: Vec<MultivariateValue<'a>>,
    #[serde(borrow, default)]
    pub metadata: Metadata<'a>,
}

#[derive(serde::Deserialize)]
pub struct Feature<'a> {
    pub id: i64,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Label<'a>,
}

#[derive(serde::Deserialize)]
pub struct FeatureSegment {
    pub priority: Option<f64>,
}

#[derive(serde::Deserialize)]
pub struct MultivariateValue<'a> {
    pub id: Option<i64>,
    #[serde(borrow)]
    pub mv_fs_value_uuid: Option<Cow<'a, str>>,
    pub percentage_allocation: f64,
    #[serde(borrow)]
    pub multivariate_feature_option: MultivariateOption<'a>,
}

#[derive(serde::Deserialize)]
pub struct MultivariateOption<'a> {
    pub id: Option<i64>,
    #[serde(borrow, default)]
    pub value: Scalar<'a>,
    #[serde(borrow)]
    pub key: Option<Cow<'a, str>>,
}

#[derive(serde::Deserialize)]
pub struct IdentityOverride<'a> {
    #[serde(borrow)]
    pub identifier: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub identity_features: Vec<FeatureState<'a>>,
    pub django_id: Option<i64>,
}

/// Null counts as absent.
pub fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A text that evaluation does not need.
#[derive(Default)]
pub enum Label<'a> {
    /// Absent or null.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    /// Another type than text; it counts as absent.
    Unreadable,
}

impl Label<'_> {
    pub fn text(&self) -> Option<&str> {
        if let Label::Text(text) = self { Some(text) } else { None }
    }

    pub fn is_unreadable(&self) -> bool {
        matches!(self, Label::Unreadable)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Label<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Label<'a>, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Ok(match (json.kind(), json.text()) {
            (Kind::Null, _) => Label::Absent,
            (_, Some(text)) => Label::Text(text),
            (_, None) => Label::Unreadable,
        })
    }
}

/// The JSON text of a state's metadata, which evaluation does not need.
#[derive(Default)]
pub enum Metadata<'a> {
    /// Absent, null or empty.
    #[default]
    Absent,
    Object(&'a str),
    /// Another type than an object, or one that is too long; it counts as absent.
    Unreadable,
}

/// The maximum length of a state's metadata in bytes. It is rendered once for every outcome of the state.
const MAX_METADATA_LENGTH: usize = 2000;
/// The problem of unreadable metadata.
pub const NO_METADATA: &str = "is no object of at most 2000 bytes";

impl<'a> Metadata<'a> {
    /// The text; empty without metadata.
    pub fn json(&self) -> &'a str {
        if let Metadata::Object(text) = self { text } else { "" }
    }

    pub fn is_unreadable(&self) -> bool {
        matches!(self, Metadata::Unreadable)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Metadata<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata<'a>, D::Error> {
        let text = Json::deserialize(deserializer)?.source();
        if text == "null" {
            return Ok(Metadata::Absent);
        }
        // It is copied into answers unchanged, so all of it must be valid.
        let members = if text.len() > MAX_METADATA_LENGTH { None } else { json::read(text.as_bytes()) };
        Ok(members.map_or(Metadata::Unreadable, |members: serde_json::Map<String, serde_json::Value>| {
            if members.is_empty() { Metadata::Absent } else { Metadata::Object(text) }
        }))
    }
}

/// The JSON text of a flag's value: string, number, boolean or null.
#[derive(Clone, Copy)]
pub struct Scalar<'a>(pub &'a str);

impl Default for Scalar<'_> {
    fn default() -> Self {
        Scalar("null")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<'a>, D::Error> {
        let json = Json::deserialize(deserializer)?;
        match json.kind() {
            Kind::List | Kind::Object => Err(D::Error::custom("expected a string, number, boolean or null")),
            // It is copied into answers unchanged, so it must be a valid string.
            Kind::String if json.text().is_none() => Err(D::Error::custom("expected Unicode")),
            _ => Ok(Scalar(json.source())),
        }
    }
}

/// An identifier: a number or a text.
pub struct Id<'a> {
    pub text: Cow<'a, str>,
    source: &'a str,
}

impl<'a> Id<'a> {
    /// The published JSON.
    pub fn json(&self) -> &'a str {
        self.source
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id<'a>, D::Error> {
        let json = Json::deserialize(deserializer)?;
        let source = json.source();
        match json.kind() {
            Kind::Integer => Ok(Id { text: source.into(), source }),
            Kind::String => Ok(Id { text: json.text().unwrap_or_default(), source }),
            _ => Err(D::Error::custom("expected a number or a string")),
        }
    }
}

/// A condition's value: a string in documents, also a list of strings in evaluation contexts.
#[derive(Default)]
pub enum ConditionValue<'a> {
    #[default]
    Null,
    Text(Cow<'a, str>),
    List(Vec<String>),
}

impl<'de: 'a, 'a> Deserialize<'de> for ConditionValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ConditionValue<'a>, D::Error> {
        struct AnyScalarOrList;
        impl<'de> Visitor<'de> for AnyScalarOrList {
            type Value = ConditionValue<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, a boolean, null or a list of strings")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(ConditionValue::Null)
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(ConditionValue::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ConditionValue::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(ConditionValue::Text(python::bool_text(value).into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(ConditionValue::Text(value.to_string().into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(ConditionValue::Text(value.to_string().into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(ConditionValue::Text(python::float_text(value).into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(item) = items.next_element::<Json<'de>>()? {
                    // The depth is checked here, since the value is printed by recursion.
                    let item = Json::parse(item.source().as_bytes()).map_err(A::Error::custom)?;
                    texts.push(python::json_text(item).ok_or_else(|| A::Error::custom("cannot be read"))?);
                }
                Ok(ConditionValue::List(texts))
            }
        }
        deserializer.deserialize_any(AnyScalarOrList)
    }
}
