//! Evaluation results as JSON (contract §C.0), the form in which Flagsmith's engines exchange test cases.

use serde_json::{Map, Value, json};

use super::{EvaluatedIdentity, Evaluation, Outcome, evaluate};
use crate::document::StoredOverrides;
use crate::document::context::EvaluationContext;
use crate::document::ruleset::{Ruleset, Span};
use crate::identity::{TraitValue, Traits};

/// Evaluates a whole context to its `EvaluationResult`.
pub fn evaluate_context(context: &EvaluationContext) -> Value {
    let traits: Traits =
        context.identity.iter().flat_map(|identity| &identity.traits).filter_map(as_trait).collect();
    let identity = context.identity.as_ref().map(|identity| EvaluatedIdentity {
        identifier: &identity.identifier,
        key: &identity.key,
        traits: &traits,
        overrides: &[],
        stored: StoredOverrides::none(),
    });
    to_json(&context.ruleset, &evaluate(&context.ruleset, identity))
}

fn as_trait((key, value): (&String, &Value)) -> Option<(Box<str>, TraitValue)> {
    let value = serde_json::from_value(value.clone()).ok()?;
    Some((key.as_str().into(), value))
}

fn to_json(ruleset: &Ruleset, evaluation: &Evaluation) -> Value {
    let mut flags = Map::new();
    for (index, (feature, decision)) in ruleset.features.iter().zip(&evaluation.decisions).enumerate() {
        let Some(state) = ruleset.states.get(decision.state) else { continue };
        let variant = decision.variant().and_then(|index| state.variants.get(index));
        let name = match decision.outcome {
            Outcome::Plain => None,
            Outcome::Control => Some("control"),
            Outcome::Variant(_) => variant.and_then(|variant| variant.key.as_deref()),
        };
        let mut flag = json!({
            "name": feature.name,
            "enabled": state.enabled,
            "value": from_span(ruleset, variant.map_or(state.value, |variant| variant.value)),
            "reason": evaluation.reason(ruleset, None, index),
            "variant": name,
        });
        add_metadata(&mut flag, ruleset, state.metadata);
        flags.insert(feature.name.to_string(), flag);
    }
    let segments =
        evaluation.segments.iter().filter_map(|&index| ruleset.segments.get(index)).map(|segment| {
            let mut result = json!({"name": segment.name});
            add_metadata(&mut result, ruleset, segment.metadata);
            result
        });
    json!({"flags": flags, "segments": segments.collect::<Vec<_>>()})
}

fn add_metadata(value: &mut Value, ruleset: &Ruleset, metadata: Span) {
    let metadata = from_span(ruleset, metadata);
    if let (Some(members), false) = (value.as_object_mut(), metadata.is_null()) {
        members.insert("metadata".to_owned(), metadata);
    }
}

fn from_span(ruleset: &Ruleset, span: Span) -> Value {
    // An empty span is no JSON, and reads as null.
    serde_json::from_str(ruleset.json(span)).unwrap_or_default()
}
