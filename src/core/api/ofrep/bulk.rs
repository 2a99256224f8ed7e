//! `POST /ofrep/v1/evaluate/flags`: all flags.

use super::super::response::Response;
use super::super::subject::EvaluatedFlags;
use super::super::write_json::{without_comma, write_text};
use super::answer::write_flag;
use crate::document::ruleset::{Ruleset, StateIndex};
use crate::document::{Environment, KeyKind, Outcomes};
use crate::evaluate::{Decision, Outcome, StateSource};

/// The seconds after which a provider in a hidden page closes its stream.
const INACTIVITY_SECONDS: &[u8] = b"120";

/// All flags that this kind of key may see. `names_stream`: true if the answer names the event stream.
pub fn answer<'e>(flags: &EvaluatedFlags<'_>, key: KeyKind, names_stream: bool) -> Response<'e> {
    let environment = flags.environment;
    let rendered = environment.open_feature.get_or_init(|| render(environment));
    let mut body = Vec::with_capacity(environment.flags.list(key).len() * 2 + 256);
    body.extend_from_slice(br#"{"flags":["#);
    for (feature, decision) in flags.evaluation.decisions.iter().enumerate() {
        if flags.shows(feature, decision, key) {
            match rendered.get(decision.state, decision.variant()) {
                flag if !flag.is_empty() && !flags.evaluation.cyclic.contains(&feature) => {
                    body.extend_from_slice(flag);
                }
                // An override that is stored with the identity, or a rare reason.
                _ => write_flag(&mut body, flags, feature, decision),
            }
            body.push(b',');
        }
    }
    without_comma(&mut body);
    body.extend_from_slice(br#"],"metadata":{"environment":"#);
    write_text(&mut body, environment.key());
    body.extend_from_slice(br#","version":"#);
    match &environment.updated_at {
        Some(updated_at) => write_text(&mut body, &updated_at.timestamp.iso()),
        None => write_text(&mut body, &environment.version),
    }
    body.push(b'}');
    if names_stream {
        // The path has the client key, which is public, also in an answer for a server key.
        body.extend_from_slice(
            br#","eventStreams":[{"type":"sse","endpoint":{"requestUri":"/ofrep/v1/environments/"#,
        );
        body.extend_from_slice(environment.key().as_bytes());
        body.extend_from_slice(br#"/stream"},"inactivityDelaySec":"#);
        body.extend_from_slice(INACTIVITY_SECONDS);
        body.extend_from_slice(b"}]");
    }
    body.push(b'}');
    Response::json(body)
}

/// Renders the flag of every outcome, so that an answer only copies bytes.
fn render(environment: &Environment) -> Outcomes {
    let ruleset = &environment.ruleset;
    let sources = sources(ruleset);
    EvaluatedFlags::of_environment(environment, |flags| {
        Outcomes::render(ruleset, |text, index, variant| {
            let (Some(state), Some(source)) = (ruleset.states.get(index), sources.get(index)) else { return };
            let outcome = variant.map_or(Outcome::Plain, Outcome::Variant);
            write_flag(text, flags, state.feature, &Decision { state: index, source: *source, outcome });
        })
    })
}

/// The source of each state. A state that belongs neither to the environment nor to a segment belongs to an identity.
fn sources(ruleset: &Ruleset) -> Vec<StateSource> {
    let mut sources = vec![StateSource::Identity; ruleset.states.len()];
    let mut set = |state: StateIndex, source| {
        if let Some(slot) = sources.get_mut(state) {
            *slot = source;
        }
    };
    for feature in &ruleset.features {
        set(feature.default, StateSource::Default);
    }
    for (index, segment) in ruleset.segments.iter().enumerate() {
        segment.overrides.iter().for_each(|change| set(change.state, StateSource::Segment(index)));
    }
    sources
}
