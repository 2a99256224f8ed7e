//! The explanation of an identity's flags for the operator's page: each flag with all that decided its value.
//!
//! No decision is made here. Flags come from [`evaluate`](crate::evaluate::evaluate), and conditions are evaluated by
//! the same code.

use serde_json::{Map, Value};

use crate::document::ruleset::{
    FeatureIndex, Rule, Segment, SegmentIndex, SegmentOverride, StateIndex, Variant,
};
use crate::document::{Environment, Identifier, KeyKind, StoredOverrides, WrittenCondition, json};
use crate::evaluate::{Decision, EvaluatedIdentity, Evaluation, Explanation, bucket};
use crate::identity::Identity;

/// The maximum number of characters that are shown of the value that a condition tests. Many conditions may test the
/// same long value.
const MAX_MET_LENGTH: usize = 200;

/// Explains an identity's flags and the cause of each, as a `GET` would return them now.
pub fn explain(environment: &Environment, identifier: &Identifier, state: &Identity) -> Value {
    let stored = StoredOverrides::new(environment, &state.overrides);
    let key = environment.identity_key(identifier, state.django_id);
    let identity = EvaluatedIdentity::new(environment, identifier, &key, &state.traits, &stored);
    let mut explanation = Explanation::new(&environment.ruleset, Some(identity));
    let features = 0..environment.ruleset.features.len();
    let flags: Vec<_> =
        features.map(|feature| flag(environment, identity, &explanation.evaluation, feature)).collect();
    let mut traits = Vec::with_capacity(state.traits.len());
    for (key, value) in &state.traits {
        let value = serde_json::to_value(value).unwrap_or_default();
        traits.push(object(vec![("trait_key", (&**key).into()), ("trait_value", value)]));
    }
    let details = state.details.as_ref();
    object(vec![
        ("identifier", identifier.as_str().into()),
        ("identity_uuid", state.uuid().into()),
        ("dashboard_alias", details.and_then(|details| details.dashboard_alias.as_deref()).into()),
        ("created_date", details.map(|details| &*details.created_date).into()),
        ("key", key.as_str().into()),
        ("traits", traits.into()),
        ("flags", flags.into()),
        ("segments", segments(environment, &mut explanation).into()),
    ])
}

/// A flag, and all candidates for its state.
fn flag(
    environment: &Environment,
    identity: EvaluatedIdentity<'_>,
    evaluation: &Evaluation,
    feature: FeatureIndex,
) -> Value {
    let Some(decision) = evaluation.decisions.get(feature) else { return Value::Null };
    // The value is read from the rendered flag, so that the explanation and the flag have the same text.
    let text = identity.stored.outcome(decision.state, decision.variant());
    let text = text.unwrap_or_else(|| environment.flags.outcome(decision.state, decision.variant()));
    let mut members: Map<String, Value> = json::read(text).unwrap_or_default();
    for (name, value) in [
        ("reason", evaluation.reason(&environment.ruleset, Some(identity), feature).into()),
        ("shown_to_client_keys", shows(environment, feature, &members, KeyKind::Client)),
        ("shown_to_server_keys", shows(environment, feature, &members, KeyKind::Server)),
        ("candidates", candidates(environment, identity, evaluation, feature).into()),
        ("split", split(environment, identity, decision).into()),
    ] {
        members.insert(name.to_owned(), value);
    }
    members.into()
}

/// Returns the candidates for the feature's state: the first that applies wins.
fn candidates(
    environment: &Environment,
    identity: EvaluatedIdentity<'_>,
    evaluation: &Evaluation,
    feature: FeatureIndex,
) -> Vec<Value> {
    let ruleset = &environment.ruleset;
    let is_of = |index: &StateIndex| ruleset.states.get(*index).is_some_and(|state| state.feature == feature);
    let mut overrides: Vec<(SegmentIndex, &SegmentOverride)> = Vec::new();
    for (index, segment) in ruleset.segments.iter().enumerate() {
        for change in segment.overrides.iter().filter(|change| is_of(&change.state)) {
            // The lowest priority is first; with equal priorities the first of the document.
            let later = overrides.iter().position(|(_, other)| other.priority > change.priority);
            overrides.insert(later.unwrap_or(overrides.len()), (index, change));
        }
    }
    let mut found = Vec::with_capacity(overrides.len() + 3);
    found.extend(identity.stored.of_feature(feature).map(|index| (index, "identity", None)));
    let published = identity.overrides.iter().find(|index| is_of(index));
    found.extend(published.map(|&index| (index, "document", None)));
    found.extend(
        overrides.into_iter().map(|(index, change)| (change.state, "segment", Some((index, change)))),
    );
    let default = ruleset.features.get(feature).map_or(0, |feature| feature.default);
    found.push((default, "environment", None));

    let won = evaluation.decisions.get(feature).map(|decision| decision.state);
    let mut candidates = Vec::with_capacity(found.len());
    for (index, source, change) in found {
        let Some(state) = identity.stored.state(ruleset, index) else { continue };
        let applies = change.is_none_or(|(segment, _)| evaluation.segments.contains(&segment));
        let mut members = vec![
            ("source", source.into()),
            ("applies", applies.into()),
            ("enabled", state.enabled.into()),
            ("feature_state_value", value_of(identity.stored.json(ruleset, index, state.value))),
            ("multivariate", (!state.variants.is_empty()).into()),
            ("wins", (won == Some(index)).into()),
        ];
        if let Some((segment, change)) = change {
            let segment = ruleset.segments.get(segment).map(|segment| &*segment.name);
            members.extend([("segment", segment.into()), ("priority", change.priority.into())]);
        }
        candidates.push(object(members));
    }
    candidates
}

/// The position of the identity's bucket among the shares of the winning state; `None` for a state without multivariate
/// values.
fn split(environment: &Environment, identity: EvaluatedIdentity<'_>, decision: &Decision) -> Option<Value> {
    let ruleset = &environment.ruleset;
    let state = identity.stored.state(ruleset, decision.state)?;
    let percentage = bucket(state, identity.key)?;
    let variant = |(index, variant): (usize, &Variant)| {
        object(vec![
            ("key", variant.key.as_deref().into()),
            ("value", value_of(identity.stored.json(ruleset, decision.state, variant.value))),
            ("from", variant.start.into()),
            ("below", variant.limit.into()),
            ("hit", (decision.variant() == Some(index)).into()),
        ])
    };
    let variants: Vec<_> = state.variants.iter().enumerate().map(variant).collect();
    let hashed = vec![Value::from(&*state.key), Value::from(identity.key)];
    Some(object(vec![
        ("percentage", percentage.into()),
        ("hashed", hashed.into()),
        ("variants", variants.into()),
    ]))
}

fn shows(environment: &Environment, feature: FeatureIndex, flag: &Map<String, Value>, key: KeyKind) -> Value {
    let enabled = flag.get("enabled").is_some_and(|enabled| *enabled == true);
    environment.flags.shows(feature, enabled, key).into()
}

/// All segments, with the results of their rules and conditions.
fn segments<'a>(environment: &'a Environment, explanation: &mut Explanation<'a>) -> Vec<Value> {
    let ruleset = &environment.ruleset;
    let written = environment.written_conditions();
    let segment = |(index, segment): (SegmentIndex, &'a Segment)| {
        let metadata = value_of(ruleset.json(segment.metadata));
        object(vec![
            ("id", metadata.get("id").cloned().into()),
            ("name", (&*segment.name).into()),
            ("matches", explanation.evaluation.segments.contains(&index).into()),
            ("exhausted", (explanation.evaluation.exhausted == Some(index)).into()),
            ("rules", rules(&segment.rules, explanation, &written).into()),
        ])
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
        for &index in &rule.conditions {
            let Some(WrittenCondition { operator, property, value }) = written.get(index) else { continue };
            let judgement = explanation.judge(index);
            conditions.push(object(vec![
                ("property", property.as_str().into()),
                ("operator", operator.as_str().into()),
                ("value", value.clone()),
                ("met", judgement.value.map(shortened).into()),
                ("percentage", judgement.percentage.into()),
                ("holds", judgement.holds.into()),
                ("exhausted", judgement.exhausted.into()),
            ]));
        }
        explained.push(object(vec![
            ("type", rule.quantifier.name().into()),
            ("holds", explanation.holds(rule).into()),
            ("conditions", conditions.into()),
            ("rules", self::rules(&rule.rules, explanation, written).into()),
        ]));
    }
    explained
}

/// A text, cut off with an ellipsis if it is long.
fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_MET_LENGTH) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Builds an object of these members. It takes less WebAssembly than `json!`.
fn object(members: Vec<(&str, Value)>) -> Value {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn value_of(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}
