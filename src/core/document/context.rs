//! Compiled evaluation contexts (contract §C.0), the form of the test cases of Flagsmith's engines.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::builder::{Builder, Definition, VariantDefinition};
use super::json::Json;
use super::ruleset::{Engine, Ruleset, SegmentOverride};
use super::schema::{self, or_default};

/// An evaluation context with its features and segments compiled.
#[derive(Debug)]
pub struct EvaluationContext {
    /// Features, segments and conditions.
    pub ruleset: Ruleset,
    /// The identity to evaluate for.
    pub identity: Option<ContextIdentity>,
}

/// The identity of an evaluation context.
#[derive(Debug)]
pub struct ContextIdentity {
    /// `$.identity.identifier`
    pub identifier: String,
    /// `$.identity.key`: as given, else the composite key.
    pub key: String,
    /// Any JSON; only scalars are used.
    pub traits: Map<String, Value>,
}

impl EvaluationContext {
    /// Compiles an evaluation context from JSON.
    pub fn parse(json: &[u8], engine: Engine) -> Result<EvaluationContext, serde_json::Error> {
        let schema: Schema<'_> = serde_json::from_slice(json)?;
        let environment = &schema.environment;
        let mut builder = Builder::new(engine, &environment.key, Some(&environment.name));
        for (_, feature) in &schema.features.0 {
            define(feature, |definition| builder.feature(&feature.name, definition));
        }
        for (_, segment) in &schema.segments.0 {
            let mut overrides = Vec::with_capacity(segment.overrides.len());
            for state in &segment.overrides {
                if let Some(feature) = builder.feature_named(&state.name) {
                    let index = define(state, |definition| builder.state(feature, definition));
                    overrides.push(SegmentOverride {
                        state: index,
                        priority: state.priority.unwrap_or(f64::INFINITY),
                    });
                }
            }
            let metadata = metadata(segment.metadata);
            builder.segment(&segment.key, &segment.name, &segment.rules, overrides, metadata);
        }
        let mut context: Option<Map<String, Value>> =
            builder.needs_context().then(|| serde_json::from_slice(json)).transpose()?;
        let identity = schema.identity.map(|identity| ContextIdentity {
            key: match identity.key.filter(|key| !key.is_empty()) {
                Some(key) => key.into_owned(),
                None => format!("{}_{}", environment.key, identity.identifier),
            },
            identifier: identity.identifier.into_owned(),
            traits: identity.traits,
        });
        // Kept at its place in the source, since wildcards visit members in order.
        let members = context.as_mut().and_then(|context| context.get_mut("identity")?.as_object_mut());
        if let (Some(members), Some(identity)) = (members, &identity) {
            members.insert("key".to_owned(), identity.key.as_str().into());
        }
        Ok(EvaluationContext { ruleset: builder.finish(context), identity })
    }
}

#[derive(serde::Deserialize)]
struct Schema<'a> {
    #[serde(borrow)]
    environment: EnvironmentContext<'a>,
    #[serde(borrow)]
    identity: Option<IdentityContext<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    features: Entries<'a, FeatureContext<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    segments: Entries<'a, SegmentContext<'a>>,
}

#[derive(serde::Deserialize)]
struct EnvironmentContext<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(serde::Deserialize)]
struct IdentityContext<'a> {
    #[serde(borrow)]
    identifier: Cow<'a, str>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "or_default")]
    traits: Map<String, Value>,
}

#[derive(serde::Deserialize)]
struct FeatureContext<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    enabled: bool,
    #[serde(borrow)]
    value: Json<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    variants: Vec<VariantContext<'a>>,
    priority: Option<f64>,
    #[serde(borrow)]
    metadata: Option<Json<'a>>,
}

#[derive(serde::Deserialize)]
struct VariantContext<'a> {
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Json<'a>,
    weight: f64,
    priority: f64,
}

#[derive(serde::Deserialize)]
struct SegmentContext<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    rules: Vec<schema::Rule<'a>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    overrides: Vec<FeatureContext<'a>>,
    #[serde(borrow)]
    metadata: Option<Json<'a>>,
}

fn define<T>(feature: &FeatureContext<'_>, add: impl FnOnce(&Definition<'_>) -> T) -> T {
    let mut variants: Vec<_> = feature.variants.iter().collect();
    variants.sort_by(|a, b| a.priority.partial_cmp(&b.priority).unwrap_or(Ordering::Equal));
    let variants = variants.into_iter().map(|variant| VariantDefinition {
        weight: variant.weight,
        key: variant.key.as_deref(),
        value: variant.value.source(),
    });
    add(&Definition {
        key: &feature.key,
        enabled: feature.enabled,
        value: feature.value.source(),
        variants: variants.collect(),
        metadata: metadata(feature.metadata),
    })
}

/// The metadata, unchanged; an empty object counts as none.
fn metadata(json: Option<Json<'_>>) -> &str {
    let json = json.filter(|json| json.object().is_some_and(|members| !members.is_empty()));
    json.map_or("", Json::source)
}

/// An object's entries in source order.
struct Entries<'a, T>(Vec<(Cow<'a, str>, T)>);

impl<T> Default for Entries<'_, T> {
    fn default() -> Self {
        Entries(Vec::new())
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Entries<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'a, T>, D::Error> {
        struct InOrder<'a, T>(PhantomData<(&'a (), T)>);
        impl<'de: 'a, 'a, T: Deserialize<'de>> Visitor<'de> for InOrder<'a, T> {
            type Value = Entries<'a, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}
