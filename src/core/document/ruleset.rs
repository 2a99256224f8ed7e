//! The compiled form for evaluation: features, their states, segments, conditions.
//!
//! All references are indices, so that an evaluation can keep its results (of a condition, of a property) in flat
//! tables. Only `builder` and `image` create it.

use super::condition::{Condition, Predicate};
use super::property::Property;
pub use super::span::Span;

/// The release of Flagsmith's evaluation engine to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// flag-engine 10, the default, and the engine of Flagsmith 2.265.
    #[default]
    V10,
    /// flag-engine 11. Conditions may read other flags (`$.flags.<feature>.enabled`). The reason `STATIC` is for
    /// defaults without any segment override.
    V11,
}

/// Index into [`Ruleset::features`].
pub type FeatureIndex = usize;
/// Index into [`Ruleset::states`].
pub type StateIndex = usize;
/// Index into [`Ruleset::segments`].
pub type SegmentIndex = usize;
/// Index into [`Ruleset::conditions`].
pub type ConditionIndex = usize;

/// The features, segments and conditions of a compiled environment.
#[derive(Debug, Default)]
pub struct Ruleset {
    /// The engine release to follow.
    pub engine: Engine,
    /// The environment's client key, `$.environment.key` and the prefix of identity keys.
    pub environment_key: Box<str>,
    /// `$.environment.name`; unset if the document has no name.
    pub environment_name: Option<Box<str>>,
    /// The features in the order of answers.
    pub features: Vec<Feature>,
    /// Environment defaults, segment overrides and identity overrides.
    pub states: Vec<CompiledState>,
    /// The segments in order; for overrides of equal priority the first segment wins.
    pub segments: Vec<Segment>,
    /// Each distinct condition once, also if several segments have it.
    pub conditions: Vec<Condition>,
    /// Each distinct property of conditions, once.
    pub properties: Vec<Property>,
    /// The context for JSONPath queries, if a query needs it. The context of an environment has no identity; an
    /// evaluation context may have one.
    pub context: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) text: String,
}

/// A feature of the environment.
#[derive(Debug)]
pub struct Feature {
    /// Unique within the environment.
    pub name: Box<str>,
    /// The environment default.
    pub default: StateIndex,
    /// True if a segment overrides it.
    pub targeted: bool,
}

/// A feature state: the setting of a feature for the environment, for a segment or for an identity.
#[derive(Debug)]
pub struct CompiledState {
    /// The feature of this state.
    pub feature: FeatureIndex,
    /// The key that is hashed, with the identity's key, for buckets of multivariate values.
    pub key: Box<str>,
    /// True if the flag is on.
    pub enabled: bool,
    /// The JSON text of the value; for a multivariate feature, of the control value.
    pub value: Span,
    /// Multivariate values by ascending priority.
    pub variants: Box<[Variant]>,
    /// The JSON text of the metadata, empty without any.
    pub metadata: Span,
}

/// A multivariate value and its share of the identities.
#[derive(Debug)]
pub struct Variant {
    /// Lower bound of its percentages, inclusive.
    pub start: f64,
    /// Upper bound of its percentages, exclusive.
    pub limit: f64,
    /// Percentage allocation, 0 to 100.
    pub weight: f64,
    /// The option's key.
    pub key: Option<Box<str>>,
    /// The JSON text of the value.
    pub value: Span,
}

/// A segment and its overrides.
#[derive(Debug)]
pub struct Segment {
    /// The name, which is part of the reasons of flags.
    pub name: Box<str>,
    /// The rules. All must match, and there must be at least one.
    pub rules: Box<[Rule]>,
    /// The overrides in source order.
    pub overrides: Box<[SegmentOverride]>,
    /// The JSON text of the metadata, empty without any.
    pub metadata: Span,
}

/// A segment's override of one feature.
#[derive(Debug)]
pub struct SegmentOverride {
    /// The state that replaces the feature's default.
    pub state: StateIndex,
    /// The lowest priority wins; a missing one is infinite.
    pub priority: f64,
}

/// A rule of a segment. Its conditions and its sub-rules must each satisfy the quantifier.
#[derive(Debug)]
pub struct Rule {
    /// The quantifier of its parts.
    pub quantifier: Quantifier,
    /// The conditions of the rule.
    pub conditions: Box<[ConditionIndex]>,
    /// Nested rules.
    pub rules: Box<[Rule]>,
}

/// The quantifier of a rule's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Quantifier {
    /// All parts.
    All,
    /// At least one part.
    Any,
    /// No part.
    None,
}

impl Quantifier {
    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Quantifier::All => "ALL",
            Quantifier::Any => "ANY",
            Quantifier::None => "NONE",
        }
    }
}

impl Ruleset {
    /// The JSON text of a span; `null` for a span of another ruleset.
    pub fn json(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("null")
    }

    /// The predicate that one of the conditions applies.
    #[inline(always)]
    pub fn predicate<'r>(&'r self, condition: &'r Condition) -> &'r Predicate {
        condition.predicate(&self.text)
    }
}
