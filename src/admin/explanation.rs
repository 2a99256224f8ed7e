//! An identity's flags, and everything that decided them: the evaluation explained, for people.
//!
//! Nothing is decided here: flags are those of [`evaluate`](crate::evaluate::evaluate), and each condition is judged by
//! the same code.

use serde_json::{Map, Value, json};

use crate::document::ruleset::{FeatureId, Override, Rule, Segment, SegmentId, StateId};
use crate::document::{Environment, KeyKind, StoredOverrides, WrittenCondition, json};
use crate::evaluate::{Evaluation, Explanation, IdentityContext, bucket};
use crate::identity::Identity;

/// An identity, its flags and what decided each of them: as an SDK would get them now that asks with `GET`.
pub fn explain(environment: &Environment, identifier: &str, state: &Identity) -> Value {
    let stored = StoredOverrides::new(environment, &state.overrides);
    let overrides = environment.identity_overrides(identifier);
    let key = environment.identity_key(identifier);
    let identity = IdentityContext {
        identifier,
        key: &key,
        traits: &state.traits,
        overrides: overrides.map_or(&[], |overrides| &overrides.states),
        stored: &stored,
    };
    let mut explanation = Explanation::new(&environment.ruleset, Some(identity));
    let features = 0..environment.ruleset.features.len();
    let flags: Vec<_> =
        features.map(|feature| flag(environment, identity, &explanation.evaluation, feature)).collect();
    let pair = |(key, value)| json!({"trait_key": key, "trait_value": value});
    let traits: Vec<_> = state.traits.iter().map(pair).collect();
    let details = state.details.as_ref();
    json!({
        "identifier": identifier,
        "identity_uuid": state.uuid(),
        "dashboard_alias": details.and_then(|details| details.dashboard_alias.as_deref()),
        "created_date": details.map(|details| &details.created_date),
        "key": key,
        "traits": traits,
        "flags": flags,
        "segments": segments(environment, &mut explanation),
    })
}

/// A flag, and everything that could have decided it: what comes first and is asked for wins.
fn flag(
    environment: &Environment,
    identity: IdentityContext<'_>,
    evaluation: &Evaluation,
    feature: FeatureId,
) -> Value {
    let Environment { ruleset, flags, .. } = environment;
    let Some(decision) = evaluation.decisions.get(feature) else { return Value::Null };
    // Of the flag's own text, so that both say the same.
    let text = identity.stored.outcome(decision.state, decision.variant());
    let text = text.unwrap_or_else(|| flags.outcome(decision.state, decision.variant()));
    let mut members: Map<String, Value> = json::read(text).unwrap_or_default();

    let is_of = |id: &StateId| ruleset.states.get(*id).is_some_and(|state| state.feature == feature);
    let candidate = |id: StateId, mut members: Value| {
        let state = identity.stored.state(ruleset, id);
        if let (Some(members), Some(state)) = (members.as_object_mut(), state) {
            let value = identity.stored.json(ruleset, id, state.value);
            members.insert("enabled".to_owned(), state.enabled.into());
            members.insert("feature_state_value".to_owned(), value_of(value));
            members.insert("multivariate".to_owned(), (!state.variants.is_empty()).into());
            members.insert("wins".to_owned(), (id == decision.state).into());
        }
        members
    };
    let mut candidates: Vec<Value> = Vec::new();
    let made_here = identity.stored.of_feature(feature);
    candidates.extend(made_here.map(|id| candidate(id, json!({"source": "identity", "applies": true}))));
    // Of several the last counts.
    let published = identity.overrides.iter().rev().find(|id| is_of(id));
    candidates.extend(published.map(|&id| candidate(id, json!({"source": "document", "applies": true}))));
    let mut overrides: Vec<(SegmentId, &Override)> = Vec::new();
    for (id, segment) in ruleset.segments.iter().enumerate() {
        for change in segment.overrides.iter().filter(|change| is_of(&change.state)) {
            // The lowest priority wins, of equals the first.
            let later = overrides.iter().position(|(_, other)| other.priority > change.priority);
            overrides.insert(later.unwrap_or(overrides.len()), (id, change));
        }
    }
    for (id, change) in overrides {
        let members = json!({
            "source": "segment",
            "segment": ruleset.segments.get(id).map(|segment| &segment.name),
            "priority": change.priority,
            "applies": evaluation.segments.contains(&id),
        });
        candidates.push(candidate(change.state, members));
    }
    let default = ruleset.features.get(feature).map_or(0, |feature| feature.default);
    candidates.push(candidate(default, json!({"source": "environment", "applies": true})));

    let state = identity.stored.state(ruleset, decision.state);
    let split = state.and_then(|state| {
        let variants = state.variants.iter().enumerate().map(|(index, variant)| {
            json!({
                "key": variant.key,
                "value": value_of(identity.stored.json(ruleset, decision.state, variant.value)),
                "from": variant.start,
                "below": variant.limit,
                "hit": decision.variant() == Some(index),
            })
        });
        let percentage = bucket(state, identity.key)?;
        let variants: Vec<_> = variants.collect();
        Some(json!({"percentage": percentage, "hashed": [state.key, identity.key], "variants": variants}))
    });
    for (name, value) in [
        ("reason", evaluation.reason(ruleset, Some(identity), feature).into()),
        ("shown_to_client_keys", shows(environment, feature, &members, KeyKind::Client)),
        ("shown_to_server_keys", shows(environment, feature, &members, KeyKind::Server)),
        ("candidates", candidates.into()),
        ("split", split.into()),
    ] {
        members.insert(name.to_owned(), value);
    }
    members.into()
}

fn shows(environment: &Environment, feature: FeatureId, flag: &Map<String, Value>, key: KeyKind) -> Value {
    let enabled = flag.get("enabled").is_some_and(|enabled| *enabled == true);
    environment.flags.shows(feature, enabled, key).into()
}

/// All segments, with what their rules and conditions come to.
fn segments<'a>(environment: &'a Environment, explanation: &mut Explanation<'a>) -> Vec<Value> {
    let ruleset = &environment.ruleset;
    let written = environment.written_conditions();
    let segment = |(id, segment): (SegmentId, &'a Segment)| {
        let metadata = value_of(ruleset.json(segment.metadata));
        json!({
            "id": metadata.get("id"),
            "name": segment.name,
            "matches": explanation.evaluation.segments.contains(&id),
            "rules": rules(&segment.rules, explanation, &written),
        })
    };
    ruleset.segments.iter().enumerate().map(segment).collect()
}

fn rules<'a>(
    rules: &'a [Rule],
    explanation: &mut Explanation<'a>,
    written: &[WrittenCondition],
) -> Vec<Value> {
    let mut explained = Vec::with_capacity(rules.len());
    for rule in rules {
        let mut conditions = Vec::with_capacity(rule.conditions.len());
        for &id in &rule.conditions {
            let Some(WrittenCondition { operator, property, value }) = written.get(id) else { continue };
            let judgement = explanation.judge(id);
            conditions.push(json!({
                "property": property,
                "operator": operator,
                "value": value,
                "met": judgement.value,
                "percentage": judgement.percentage,
                "holds": judgement.holds,
            }));
        }
        explained.push(json!({
            "type": rule.quantifier,
            "holds": explanation.holds(rule),
            "conditions": conditions,
            "rules": self::rules(&rule.rules, explanation, written),
        }));
    }
    explained
}

fn value_of(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}
