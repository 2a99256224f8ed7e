//! The compiled form that is evaluated: features, their states, segments, conditions.
//!
//! Everything refers to everything else by index, so that a request can keep what it has found out (a condition's
//! verdict, a property's value) in flat tables. `builder` makes it and no other code does.

use std::ops::Range;

use super::condition::Condition;
use super::property::Property;

/// The release of Flagsmith's evaluation engine to agree with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// flag-engine 10, what Flagsmith 2.265 runs and the default.
    #[default]
    V10,
    /// flag-engine 11: conditions may read other flags (`$.flags.<feature>.enabled`), and a default that no
    /// segment could have changed has the reason `STATIC`.
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

/// A slice of the ruleset's text; see [`Ruleset::json`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A compiled environment's features, segments and everything that decides between them.
#[derive(Debug, Default)]
pub struct Ruleset {
    /// The engine release whose rules apply.
    pub engine: Engine,
    /// The environment's client key, `$.environment.key` and the prefix of identity keys.
    pub environment_key: Box<str>,
    /// `$.environment.name`; unset where the document has none.
    pub environment_name: Option<Box<str>>,
    /// In the order in which flags are answered.
    pub features: Vec<Feature>,
    /// Environment defaults, segment overrides and identity overrides.
    pub states: Vec<CompiledState>,
    /// In the order in which ties between overrides are settled.
    pub segments: Vec<Segment>,
    /// Each distinct condition once, however many segments have it.
    pub conditions: Vec<Condition>,
    /// Each distinct property that a condition reads, once.
    pub properties: Vec<Property>,
    /// The context that JSONPath queries run on; only where some query needs it. An environment's is without
    /// identity, that of an evaluation context has its own.
    pub context: Option<serde_json::Map<String, serde_json::Value>>,
    pub(super) text: Vec<u8>,
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

/// A compiled feature state: the setting of a feature in the environment, for a segment or for an identity.
#[derive(Debug)]
pub struct CompiledState {
    /// The feature that this sets.
    pub feature: FeatureIndex,
    /// The key that buckets of multivariate values are hashed from, together with the identity's key.
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

/// A segment and what it overrides.
#[derive(Debug)]
pub struct Segment {
    /// Its name, for reasons.
    pub name: Box<str>,
    /// All of them must hold, and there must be one.
    pub rules: Box<[Rule]>,
    /// In the order given.
    pub overrides: Box<[SegmentOverride]>,
    /// The JSON text of the metadata, empty without any.
    pub metadata: Span,
}

/// A segment's override of one feature.
#[derive(Debug)]
pub struct SegmentOverride {
    /// The state that replaces the feature's default.
    pub state: StateIndex,
    /// The lowest wins; absent is infinite.
    pub priority: f64,
}

/// A rule of a segment: both its conditions and its sub-rules must satisfy the quantifier.
#[derive(Debug)]
pub struct Rule {
    /// The quantifier of its parts.
    pub quantifier: Quantifier,
    /// The property that it reads.
    pub conditions: Box<[ConditionIndex]>,
    /// Nested rules.
    pub rules: Box<[Rule]>,
}

/// The quantifier of a rule's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Quantifier {
    /// Every one.
    All,
    /// At least one.
    Any,
    /// Not one.
    None,
}

impl Quantifier {
    /// As documents name it.
    pub fn name(self) -> &'static str {
        match self {
            Quantifier::All => "ALL",
            Quantifier::Any => "ANY",
            Quantifier::None => "NONE",
        }
    }
}

impl Ruleset {
    /// The JSON text behind a span; `null` for one that is not of this ruleset.
    pub fn json(&self, span: Span) -> &str {
        self.text.get(span.range()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("null")
    }
}
