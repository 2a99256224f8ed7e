//! Compiles the features, segments and conditions of an environment document or an evaluation context into a
//! [`Ruleset`].

use std::collections::HashMap;

use serde_json::Value;

use super::condition::{Condition, ConditionValue};
use super::property::{PathTarget, Property, PropertyIndex};
use super::ruleset::{
    CompiledState, ConditionIndex, Engine, Feature, FeatureIndex, Rule, Ruleset, Segment, SegmentOverride,
    Span, StateIndex, Variant,
};
use super::schema;

/// A feature state of an environment document or of an evaluation context.
pub struct Definition<'a> {
    pub key: &'a str,
    pub enabled: bool,
    /// JSON text.
    pub value: &'a str,
    /// The multivariate values by ascending priority.
    pub variants: Vec<VariantDefinition<'a>>,
    /// JSON text, or empty.
    pub metadata: &'a str,
}

/// A multivariate value of an environment document or of an evaluation context.
pub struct VariantDefinition<'a> {
    pub weight: f64,
    pub key: Option<&'a str>,
    /// JSON text.
    pub value: &'a str,
}

#[derive(Default)]
pub struct Builder {
    ruleset: Ruleset,
    features: HashMap<Box<str>, FeatureIndex>,
    properties: HashMap<Box<str>, PropertyIndex>,
    conditions: HashMap<Box<str>, ConditionIndex>,
}

impl Builder {
    pub fn new(engine: Engine, environment_key: &str, environment_name: Option<&str>) -> Builder {
        let mut builder = Builder::default();
        builder.ruleset.engine = engine;
        builder.ruleset.environment_key = environment_key.into();
        builder.ruleset.environment_name = environment_name.map(Into::into);
        builder
    }

    /// Adds a feature with its environment default. A later feature of the same name takes the place of the earlier
    /// one.
    pub fn feature(&mut self, name: &str, default: &Definition<'_>) -> FeatureIndex {
        let feature = self.features.get(name).copied().unwrap_or(self.ruleset.features.len());
        let default = self.state(feature, default);
        match self.ruleset.features.get_mut(feature) {
            Some(earlier) => earlier.default = default,
            None => {
                self.ruleset.features.push(Feature { name: name.into(), default, targeted: false });
                self.features.insert(name.into(), feature);
            }
        }
        feature
    }

    /// The feature of this name, if the environment has it.
    pub fn feature_named(&self, name: &str) -> Option<FeatureIndex> {
        self.features.get(name).copied()
    }

    /// Adds a state that may replace the default of a feature.
    pub fn state(&mut self, feature: FeatureIndex, definition: &Definition<'_>) -> StateIndex {
        let mut start = 0.0;
        let mut variants = Vec::with_capacity(definition.variants.len());
        for variant in &definition.variants {
            let limit = variant.weight + start;
            let value = self.span(variant.value);
            let key = variant.key.map(Into::into);
            variants.push(Variant { start, limit, weight: variant.weight, key, value });
            start = limit;
        }
        let state = CompiledState {
            feature,
            key: definition.key.into(),
            enabled: definition.enabled,
            value: self.span(definition.value),
            variants: variants.into(),
            metadata: self.span(definition.metadata),
        };
        self.ruleset.states.push(state);
        self.ruleset.states.len() - 1
    }

    /// Adds a segment. `overrides` contains only overrides of features that the environment has.
    pub fn segment(
        &mut self,
        key: &str,
        name: &str,
        rules: &[schema::Rule<'_>],
        overrides: Vec<SegmentOverride>,
        metadata: &str,
    ) {
        for change in &overrides {
            let feature = self.ruleset.states.get(change.state).map(|state| state.feature);
            if let Some(feature) = feature.and_then(|feature| self.ruleset.features.get_mut(feature)) {
                feature.targeted = true;
            }
        }
        let rules = self.rules(rules, key);
        let metadata = self.span(metadata);
        let segment = Segment { name: name.into(), rules, overrides: overrides.into(), metadata };
        self.ruleset.segments.push(segment);
    }

    /// True if a condition needs [`Ruleset::context`].
    pub fn needs_context(&self) -> bool {
        let queries = |property: &Property| matches!(property, Property::Path(_, PathTarget::Query(_)));
        self.ruleset.properties.iter().any(queries)
    }

    pub fn finish(mut self, context: Option<serde_json::Map<String, serde_json::Value>>) -> Ruleset {
        self.ruleset.context = context;
        self.ruleset.text.shrink_to_fit();
        self.ruleset
    }

    fn rules(&mut self, rules: &[schema::Rule<'_>], segment_key: &str) -> Box<[Rule]> {
        let compile = |rule: &schema::Rule<'_>| Rule {
            quantifier: rule.quantifier,
            conditions: rule
                .conditions
                .iter()
                .map(|condition| self.condition(condition, segment_key))
                .collect(),
            rules: self.rules(&rule.rules, segment_key),
        };
        rules.iter().map(compile).collect()
    }

    /// Returns the index of the compiled condition. Equal conditions are compiled once.
    fn condition(&mut self, condition: &schema::Condition<'_>, segment_key: &str) -> ConditionIndex {
        let property = condition.property();
        let condition_key = condition_key(condition, segment_key);
        if let Some(&known) = self.conditions.get(condition_key.as_str()) {
            return known;
        }
        let blank_split = property.is_empty() && condition.operator == "PERCENTAGE_SPLIT";
        let property = if blank_split { self.identity_key() } else { self.property(property) };
        let operator = self.span(&condition.operator);
        let value = match &condition.value {
            schema::ConditionValue::Null => ConditionValue::Null,
            schema::ConditionValue::Text(text) => ConditionValue::Text(self.span(text)),
            schema::ConditionValue::List(items) => {
                ConditionValue::List(self.span(&Value::from(items.as_slice()).to_string()))
            }
        };
        let is_split = condition.operator == "PERCENTAGE_SPLIT";
        let segment_key = if is_split { self.span(segment_key) } else { Span::default() };
        let index = self.ruleset.conditions.len();
        self.ruleset.conditions.push(Condition::new(property, operator, value, segment_key));
        self.conditions.insert(condition_key.into(), index);
        index
    }

    fn property(&mut self, source: &str) -> PropertyIndex {
        if let Some(&known) = self.properties.get(source) {
            return known;
        }
        self.add_property(source, Property::new(source))
    }

    fn identity_key(&mut self) -> PropertyIndex {
        // A condition of Flagsmith cannot contain NUL, so no condition names this property.
        const NAME: &str = "\0identity key";
        self.properties.get(NAME).copied().unwrap_or_else(|| self.add_property(NAME, Property::IdentityKey))
    }

    fn add_property(&mut self, name: &str, property: Property) -> PropertyIndex {
        let index = self.ruleset.properties.len();
        self.ruleset.properties.push(property);
        self.properties.insert(name.into(), index);
        index
    }

    fn span(&mut self, text: &str) -> Span {
        let start = self.ruleset.text.len() as u32;
        self.ruleset.text.push_str(text);
        Span { start, end: self.ruleset.text.len() as u32 }
    }
}

/// Returns a key that equal conditions share: operator, property and value, and for a percentage split also the
/// segment.
fn condition_key(condition: &schema::Condition<'_>, segment_key: &str) -> String {
    let property = condition.property();
    let mut condition_key = format!("{}\0{}\0{property}", condition.operator, property.len());
    match &condition.value {
        schema::ConditionValue::Null => {}
        schema::ConditionValue::Text(text) => condition_key.extend(["t", text]),
        schema::ConditionValue::List(items) => {
            for item in items {
                condition_key.extend(["l", &item.len().to_string(), ":", item]);
            }
        }
    }
    if condition.operator == "PERCENTAGE_SPLIT" {
        condition_key.extend(["\0", segment_key]);
    }
    condition_key
}
