//! Decides the state and value of each feature for an identity (contract §C).
//!
//! Evaluation never fails: every compiled environment can be evaluated for every identity, always to the same result.
//! Nothing is rendered here. A [`Decision`] refers to the JSON that was rendered when the environment was compiled.

mod condition;
mod evaluator;
mod explanation;
mod flag_dependencies;
mod hash;
mod json_path;
mod result;
mod value;

use crate::document::python;
use crate::document::ruleset::{
    CompiledState, Engine, Feature, FeatureIndex, Ruleset, SegmentIndex, StateIndex,
};
use crate::document::{Environment, Identifier, StoredOverrides};
use crate::identity::Traits;

use evaluator::Evaluator;
pub use explanation::{Explanation, Judgement};
pub use result::evaluate_context;

/// The identity of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct EvaluatedIdentity<'a> {
    /// `$.identity.identifier`
    pub identifier: &'a str,
    /// The key that buckets are hashed from.
    pub key: &'a str,
    /// The traits that conditions read.
    pub traits: &'a Traits,
    /// States that win over segment overrides.
    pub overrides: &'a [StateIndex],
    /// Overrides that are stored with the identity; they win over `overrides`.
    pub stored: &'a StoredOverrides,
}

impl<'a> EvaluatedIdentity<'a> {
    /// An identity of an environment, with the document's overrides for it. `key` is [`Environment::identity_key`],
    /// owned by the caller.
    pub fn new(
        environment: &'a Environment,
        identifier: &'a Identifier,
        key: &'a str,
        traits: &'a Traits,
        stored: &'a StoredOverrides,
    ) -> EvaluatedIdentity<'a> {
        let overrides = environment.identity_overrides(identifier);
        let overrides = overrides.map_or(&[][..], |overrides| &overrides.states);
        EvaluatedIdentity { identifier, key, traits, overrides, stored }
    }
}

/// The decision about a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// The winning state.
    pub state: StateIndex,
    /// The source of the winning state.
    pub source: StateSource,
    /// The chosen value of the state.
    pub outcome: Outcome,
}

/// The source of a winning state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateSource {
    /// The environment.
    Default,
    /// The override of a segment that the identity is in.
    Segment(SegmentIndex),
    /// An override for this very identity.
    Identity,
}

/// The value that an identity gets among a state's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The state is not multivariate, or there is no identity to hash.
    Plain,
    /// The identity is outside of all shares: the control value.
    Control,
    /// This multivariate value of the state.
    Variant(usize),
}

impl Decision {
    /// The index of the chosen multivariate value.
    pub fn variant(&self) -> Option<usize> {
        match self.outcome {
            Outcome::Variant(index) => Some(index),
            Outcome::Plain | Outcome::Control => None,
        }
    }
}

/// The result of a whole evaluation.
#[derive(Debug)]
pub struct Evaluation {
    /// The decisions, one for each feature, in order of the features.
    pub decisions: Vec<Decision>,
    /// The segments that the context is in, in their order.
    pub segments: Vec<SegmentIndex>,
    /// Features whose segments depend on each other in a circle (flag-engine 11).
    pub cyclic: Vec<FeatureIndex>,
    /// The segment in which the budget was spent, if it was. From there on, conditions that need steps do not match.
    pub exhausted: Option<SegmentIndex>,
    /// The number of steps that conditions took.
    pub steps: usize,
}

impl Evaluation {
    /// The reason of a decision in flag-engine's words (contract §C.1, §C.4).
    pub fn reason(
        &self,
        ruleset: &Ruleset,
        identity: Option<EvaluatedIdentity<'_>>,
        feature: FeatureIndex,
    ) -> String {
        if self.cyclic.contains(&feature) {
            return "ERROR; code=CIRCULAR_DEPENDENCY".to_owned();
        }
        let decision = self.decisions.get(feature);
        decision.map_or_else(String::new, |decision| reason(ruleset, identity, feature, decision))
    }
}

/// Evaluates every feature.
pub fn evaluate(ruleset: &Ruleset, identity: Option<EvaluatedIdentity<'_>>) -> Evaluation {
    evaluate_with(&mut Evaluator::new(ruleset, identity))
}

/// The environment's defaults, without an identity and without segments.
pub fn defaults(ruleset: &Ruleset) -> Evaluation {
    let decision = |feature: &Feature| Decision {
        state: feature.default,
        source: StateSource::Default,
        outcome: Outcome::Plain,
    };
    let decisions = ruleset.features.iter().map(decision).collect();
    Evaluation { decisions, segments: Vec::new(), cyclic: Vec::new(), exhausted: None, steps: 0 }
}

fn evaluate_with(evaluator: &mut Evaluator<'_>) -> Evaluation {
    let (ruleset, identity) = (evaluator.ruleset, evaluator.identity);
    let mut leading = vec![None; ruleset.features.len()];
    let mut segments = Vec::new();
    for (index, segment) in ruleset.segments.iter().enumerate() {
        if !evaluator.is_in_segment(index, segment) {
            continue;
        }
        segments.push(index);
        for candidate in &segment.overrides {
            let Some(state) = ruleset.states.get(candidate.state) else { continue };
            if let Some(slot) = leading.get_mut(state.feature) {
                offer(slot, candidate.priority, candidate.state, index);
            }
        }
    }
    // Most identities have no overrides, so the look-up for each feature is skipped.
    let own = identity.filter(|identity| !identity.overrides.is_empty() || !identity.stored.is_empty());
    let mut decisions = Vec::with_capacity(leading.len());
    for (feature, (definition, leading)) in ruleset.features.iter().zip(&leading).enumerate() {
        if let Some(resolved) = evaluator.resolved(feature) {
            decisions.push(resolved);
            continue;
        }
        let (state, source) = match (override_for(ruleset, own, feature), leading) {
            (Some(state), _) => (state, StateSource::Identity),
            (None, Some(leading)) => (leading.state, StateSource::Segment(leading.segment)),
            (None, None) => (definition.default, StateSource::Default),
        };
        let outcome = outcome(state_of(ruleset, identity, state), identity);
        decisions.push(Decision { state, source, outcome });
    }
    let (exhausted, steps) = (evaluator.exhausted, evaluator.budget.taken());
    Evaluation { decisions, segments, cyclic: evaluator.cyclic(), exhausted, steps }
}

/// The override that leads so far.
#[derive(Clone, Copy)]
struct Leading {
    priority: f64,
    state: StateIndex,
    segment: SegmentIndex,
}

/// Replaces the leading override if the priority is lower; with equal priorities the first stays.
#[inline(always)]
fn offer(slot: &mut Option<Leading>, priority: f64, state: StateIndex, segment: SegmentIndex) {
    if slot.is_none_or(|leading| priority < leading.priority) {
        *slot = Some(Leading { priority, state, segment });
    }
}

/// The identity's own override of a feature. One that is stored with the identity wins over the document's.
#[inline(always)]
fn override_for(
    ruleset: &Ruleset,
    identity: Option<EvaluatedIdentity<'_>>,
    feature: FeatureIndex,
) -> Option<StateIndex> {
    let identity = identity?;
    if let Some(stored) = identity.stored.of_feature(feature) {
        return Some(stored);
    }
    let of_feature =
        |index: &&StateIndex| ruleset.states.get(**index).is_some_and(|state| state.feature == feature);
    identity.overrides.iter().find(of_feature).copied()
}

/// A state of the ruleset, or of the overrides stored with the identity.
#[inline(always)]
fn state_of<'a>(
    ruleset: &'a Ruleset,
    identity: Option<EvaluatedIdentity<'a>>,
    index: StateIndex,
) -> Option<&'a CompiledState> {
    match identity {
        Some(identity) => identity.stored.state(ruleset, index),
        None => ruleset.states.get(index),
    }
}

/// The state's value for the identity's bucket.
#[inline(always)]
fn outcome(state: Option<&CompiledState>, identity: Option<EvaluatedIdentity<'_>>) -> Outcome {
    let (Some(state), Some(identity)) = (state, identity) else { return Outcome::Plain };
    outcome_for(state, identity.key)
}

/// The state's value for the bucket of an identity's key.
#[inline(always)]
pub fn outcome_for(state: &CompiledState, identity_key: &str) -> Outcome {
    if state.variants.is_empty() { Outcome::Plain } else { split(state, identity_key) }
}

/// The chosen value of a multivariate state.
fn split(state: &CompiledState, identity_key: &str) -> Outcome {
    let percentage = hash::percentage(&state.key, identity_key);
    let hit =
        state.variants.iter().position(|variant| variant.start <= percentage && percentage < variant.limit);
    hit.map_or(Outcome::Control, Outcome::Variant)
}

/// The percentage of an identity's key, if the state is multivariate.
pub fn bucket(state: &CompiledState, identity_key: &str) -> Option<f64> {
    (!state.variants.is_empty()).then(|| hash::percentage(&state.key, identity_key))
}

/// The reason of a feature's default in an evaluation without segments.
pub fn default_reason(engine: Engine) -> &'static str {
    match engine {
        Engine::V10 => "DEFAULT",
        Engine::V11 => "STATIC",
    }
}

/// The text of a multivariate value's weight, which is also a JSON number.
pub fn weight_text(weight: f64) -> String {
    let mut text = python::float_text(weight);
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

/// The reason for a decision, as flag-engine words it.
fn reason(
    ruleset: &Ruleset,
    identity: Option<EvaluatedIdentity<'_>>,
    feature: FeatureIndex,
    decision: &Decision,
) -> String {
    if let Some(variant) = decision.variant() {
        let state = state_of(ruleset, identity, decision.state);
        let weight =
            state.and_then(|state| state.variants.get(variant)).map_or(0.0, |variant| variant.weight);
        return format!("SPLIT; weight={}", weight_text(weight));
    }
    match decision.source {
        StateSource::Identity => "TARGETING_MATCH; segment=identity_overrides".to_owned(),
        StateSource::Segment(index) => {
            let name = ruleset.segments.get(index).map_or("", |segment| &segment.name);
            format!("TARGETING_MATCH; segment={name}")
        }
        StateSource::Default => {
            let targeted = ruleset.features.get(feature).is_some_and(|feature| feature.targeted);
            if targeted { "DEFAULT" } else { default_reason(ruleset.engine) }.to_owned()
        }
    }
}
