//! Conditions in their published form, for the operator's page; compiled conditions do not contain it.
//!
//! Parsed from the document each time, since requests for it are rare and it would take memory.

use serde_json::Value;

use super::environment::Environment;
use super::ruleset;
use super::schema;

/// A published condition (contract §B).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenCondition {
    /// `EQUAL` and the like.
    pub operator: String,
    /// A trait's name or a path; empty for an identity's key.
    pub property: String,
    /// A text, a list of texts or null.
    pub value: Value,
}

impl Environment {
    /// The conditions of all segments, by [`ruleset::ConditionIndex`].
    pub fn written_conditions(&self) -> Vec<WrittenCondition> {
        let mut written = vec![WrittenCondition::default(); self.ruleset.conditions.len()];
        let text = std::str::from_utf8(self.document()).unwrap_or_default();
        if let Ok(document) = serde_json::from_str::<schema::Document<'_>>(text) {
            for (segment, compiled) in
                document.project.distinct_segments().into_iter().zip(&self.ruleset.segments)
            {
                collect(&segment.rules, &compiled.rules, &mut written);
            }
        }
        written
    }
}

/// Compiled rules have the order and the shape of the published ones.
fn collect(rules: &[schema::Rule<'_>], compiled: &[ruleset::Rule], written: &mut [WrittenCondition]) {
    for (rule, compiled) in rules.iter().zip(compiled) {
        for (condition, &id) in rule.conditions.iter().zip(&compiled.conditions) {
            let value = match &condition.value {
                schema::ConditionValue::Null => Value::Null,
                schema::ConditionValue::Text(text) => text.as_ref().into(),
                schema::ConditionValue::List(items) => items.as_slice().into(),
            };
            if let Some(slot) = written.get_mut(id) {
                let (operator, property) = (condition.operator.to_string(), condition.property().to_owned());
                *slot = WrittenCondition { operator, property, value };
            }
        }
        collect(&rule.rules, &compiled.rules, written);
    }
}
