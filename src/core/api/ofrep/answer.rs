//! The JSON of an evaluated flag.

use super::super::subject::EvaluatedFlags;
use super::super::write_json::write_text;
use crate::document::ruleset::FeatureIndex;
use crate::evaluate::{Decision, StateSource, weight_text};

/// Writes a flag.
///
/// Providers know five reasons, each one word. All other facts are in `metadata`, which is flat. A disabled flag has no
/// value, so that the provider returns the default of the application's code.
pub fn write_flag(
    body: &mut Vec<u8>,
    flags: &EvaluatedFlags<'_>,
    feature: FeatureIndex,
    decision: &Decision,
) {
    let Some(state) = flags.state(decision) else { return };
    let variant = decision.variant().and_then(|variant| state.variants.get(variant));
    let value = variant.map_or(state.value, |variant| variant.value);
    let parts = flags.environment.flags.parts(state, value, flags.flag(decision));
    let is_cyclic = flags.evaluation.cyclic.contains(&feature);
    body.extend_from_slice(br#"{"key":"#);
    body.extend_from_slice(parts.name);
    if state.enabled {
        body.extend_from_slice(br#","value":"#);
        // A feature without a value is on or off.
        body.extend_from_slice(if parts.value == b"null" { b"true" } else { parts.value });
    }
    body.extend_from_slice(br#","reason":""#);
    body.extend_from_slice(match decision.source {
        _ if !state.enabled => b"DISABLED",
        _ if is_cyclic => b"UNKNOWN",
        _ if variant.is_some() => b"SPLIT",
        StateSource::Default => b"STATIC",
        StateSource::Segment(_) | StateSource::Identity => b"TARGETING_MATCH",
    });
    body.extend_from_slice(br#"","variant":"#);
    body.extend_from_slice(if state.enabled { parts.variant } else { b"null" });
    body.extend_from_slice(br#","metadata":{"enabled":"#);
    body.extend_from_slice(if state.enabled { b"true" } else { b"false" });
    body.extend_from_slice(br#","featureId":"#);
    body.extend_from_slice(parts.id);
    body.extend_from_slice(br#","source":""#);
    match decision.source {
        StateSource::Default => body.extend_from_slice(br#"environment""#),
        StateSource::Identity => body.extend_from_slice(br#"identity""#),
        StateSource::Segment(index) => {
            body.extend_from_slice(br#"segment","segment":"#);
            let segment = flags.environment.ruleset.segments.get(index);
            write_text(body, segment.map_or("", |segment| &segment.name));
        }
    }
    if let Some(variant) = variant.filter(|_| state.enabled) {
        body.extend_from_slice(br#","weight":"#);
        body.extend_from_slice(weight_text(variant.weight).as_bytes());
    }
    if is_cyclic {
        body.extend_from_slice(br#","code":"CIRCULAR_DEPENDENCY""#);
    }
    body.extend_from_slice(b"}}");
}
