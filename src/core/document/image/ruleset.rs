//! The features, segments and conditions of an image.

use super::super::condition::{Condition, ConditionValue};
use super::super::environment_key::ClientKey;
use super::super::property::{Property, PropertyIndex};
use super::super::ruleset::{
    CompiledState, Engine, Feature, FeatureIndex, Quantifier, Rule, Ruleset, Segment, SegmentOverride, Span,
    Variant,
};
use super::fault::{ImageFault, Result};
use super::reader::{Reader, SpannedText};
use super::writer::Writer;

/// The maximum nesting of rules, above that of any document.
const MAX_RULE_DEPTH: usize = 128;

pub fn write(writer: &mut Writer, ruleset: &Ruleset) {
    writer.text(&ruleset.text);
    writer.option(ruleset.environment_name.as_deref(), Writer::text);
    writer.count(ruleset.states.len());
    writer.list(&ruleset.features, |writer, feature| {
        writer.text(&feature.name);
        writer.count(feature.default);
        writer.bool(feature.targeted);
    });
    for state in &ruleset.states {
        writer.count(state.feature);
        writer.text(&state.key);
        writer.bool(state.enabled);
        writer.span(state.value);
        writer.span(state.metadata);
        writer.list(&state.variants, |writer, variant| {
            writer.f64(variant.start);
            writer.f64(variant.limit);
            writer.f64(variant.weight);
            writer.option(variant.key.as_deref(), Writer::text);
            writer.span(variant.value);
        });
    }
    writer.list(&ruleset.properties, |writer, property| {
        writer.bool(property.source().is_none());
        writer.text(property.source().unwrap_or_default());
    });
    writer.list(&ruleset.conditions, |writer, condition| {
        writer.count(condition.property);
        writer.span(condition.operator);
        let (kind, value) = match condition.value {
            ConditionValue::Null => (0, Span::default()),
            ConditionValue::Text(text) => (1, text),
            ConditionValue::List(list) => (2, list),
        };
        writer.u8(kind);
        writer.span(value);
        writer.span(condition.segment_key);
    });
    writer.list(&ruleset.segments, |writer, segment| {
        writer.text(&segment.name);
        writer.span(segment.metadata);
        writer.list(&segment.overrides, |writer, change| {
            writer.count(change.state);
            writer.f64(change.priority);
        });
        writer.list(&segment.rules, write_rule);
    });
    writer.option(ruleset.context.as_ref(), |writer, context| {
        writer.text(&serde_json::to_string(context).unwrap_or_default());
    });
}

fn write_rule(writer: &mut Writer, rule: &Rule) {
    writer.u8(match rule.quantifier {
        Quantifier::All => 0,
        Quantifier::Any => 1,
        Quantifier::None => 2,
    });
    writer.list(&rule.conditions, |writer, condition| writer.count(*condition));
    writer.list(&rule.rules, write_rule);
}

pub fn read(reader: &mut Reader<'_>, engine: Engine, client_key: &ClientKey) -> Result<Ruleset> {
    let text = reader.text()?;
    let environment_name = reader.option(Reader::text)?.map(Into::into);
    let states = reader.count(MIN_STATE)?;
    let features = reader.list(9, |reader| {
        Ok(Feature { name: reader.text()?.into(), default: reader.index(states)?, targeted: reader.bool()? })
    })?;
    let mut ruleset = Ruleset {
        engine,
        environment_key: client_key.as_str().into(),
        environment_name,
        features,
        states: Vec::with_capacity(states),
        text: text.to_owned(),
        ..Ruleset::default()
    };
    let text = &mut SpannedText::new(text.len());
    for _ in 0..states {
        ruleset.states.push(read_state(reader, ruleset.features.len(), text)?);
    }
    // A default belongs to its feature, so each state is in an answer once.
    let is_own = |(index, feature): (FeatureIndex, &Feature)| {
        ruleset.states.get(feature.default).is_some_and(|state| state.feature == index)
    };
    if !ruleset.features.iter().enumerate().all(is_own) {
        return Err(ImageFault::Invalid);
    }
    ruleset.properties = reader.list(5, |reader| {
        let (is_identity_key, source) = (reader.bool()?, reader.text()?);
        Ok(if is_identity_key { Property::IdentityKey } else { Property::new(source) })
    })?;
    ruleset.conditions = reader.list(29, |reader| read_condition(reader, ruleset.properties.len(), text))?;
    ruleset.segments = reader.list(20, |reader| {
        Ok(Segment {
            name: reader.text()?.into(),
            metadata: reader.owned_span(text)?,
            overrides: reader
                .list(12, |reader| {
                    Ok(SegmentOverride { state: reader.index(states)?, priority: reader.f64()? })
                })?
                .into(),
            rules: read_rules(reader, ruleset.conditions.len(), 0)?,
        })
    })?;
    let context = reader.option(Reader::text)?;
    ruleset.context = context.map(serde_json::from_str).transpose().map_err(|_| ImageFault::Invalid)?;
    Ok(ruleset)
}

/// The minimum size of a state.
const MIN_STATE: usize = 29;

fn read_state(reader: &mut Reader<'_>, features: usize, text: &mut SpannedText) -> Result<CompiledState> {
    Ok(CompiledState {
        feature: reader.index(features)?,
        key: reader.text()?.into(),
        enabled: reader.bool()?,
        value: reader.owned_span(text)?,
        metadata: reader.owned_span(text)?,
        variants: reader
            .list(33, |reader| {
                Ok(Variant {
                    start: reader.f64()?,
                    limit: reader.f64()?,
                    weight: read_finite(reader)?,
                    key: reader.option(Reader::text)?.map(Into::into),
                    value: reader.owned_span(text)?,
                })
            })?
            .into(),
    })
}

fn read_condition(
    reader: &mut Reader<'_>,
    properties: PropertyIndex,
    text: &mut SpannedText,
) -> Result<Condition> {
    let property = reader.index(properties)?;
    let operator = reader.owned_span(text)?;
    let (kind, value) = (reader.u8()?, reader.owned_span(text)?);
    let value = match kind {
        0 => ConditionValue::Null,
        1 => ConditionValue::Text(value),
        2 => ConditionValue::List(value),
        _ => return Err(ImageFault::Invalid),
    };
    Ok(Condition::new(property, operator, value, reader.owned_span(text)?))
}

fn read_rules(reader: &mut Reader<'_>, conditions: usize, depth: usize) -> Result<Box<[Rule]>> {
    if depth > MAX_RULE_DEPTH {
        return Err(ImageFault::Invalid);
    }
    let rules = reader.list(9, |reader| {
        Ok(Rule {
            quantifier: match reader.u8()? {
                0 => Quantifier::All,
                1 => Quantifier::Any,
                2 => Quantifier::None,
                _ => return Err(ImageFault::Invalid),
            },
            conditions: reader.list(4, |reader| reader.index(conditions))?.into(),
            rules: read_rules(reader, conditions, depth + 1)?,
        })
    })?;
    Ok(rules.into())
}

/// A float that can be written as JSON.
fn read_finite(reader: &mut Reader<'_>) -> Result<f64> {
    reader.f64().and_then(|number| if number.is_finite() { Ok(number) } else { Err(ImageFault::Invalid) })
}
