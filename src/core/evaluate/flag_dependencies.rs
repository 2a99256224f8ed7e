//! Conditions that read other flags: `$.flags.<feature>.<field>` (flag-engine 11).
//!
//! A flag is resolved when a condition first reads it. Only the segments that override the flag's feature are evaluated
//! for this. A flag that is read while it is being resolved has no value; this is called a cut. Features that depend on
//! each other in a circle cannot be resolved. They get their value from the ordinary pass over all segments, and the
//! reason `CIRCULAR_DEPENDENCY`. A segment whose result depends on a cut does not match.

use std::collections::{HashMap, HashSet};

use super::evaluator::Evaluator;
use super::value::ContextValue;
use super::{Decision, Leading, Outcome, StateSource, offer, outcome, override_for, reason, state_of};
use crate::document::property::FlagField;
use crate::document::ruleset::{FeatureIndex, Ruleset, Segment, SegmentIndex, SegmentOverride};

/// The maximum length of a chain of dependencies; a longer chain counts as a circle.
const MAX_CHAIN: usize = 100;

/// The maximum number of cuts. After that many, features of a known circle are cut at once. flag-engine has no limit:
/// for ten features that all read each other it walks millions of paths.
const MAX_CYCLE_CUTS: usize = 1_000;

/// The flags that conditions have read in one evaluation.
#[derive(Default)]
pub struct FlagDependencies<'a> {
    /// Built when the first flag is read.
    index: Option<Index<'a>>,
    /// The decisions about the flags that were read.
    pub resolved: HashMap<FeatureIndex, Decision>,
    /// Features in a circle.
    pub cyclic: HashSet<FeatureIndex>,
    /// The number of cuts. If it changed during an evaluation, the result depends on a cut and is not kept.
    pub cycle_cuts: usize,
    /// The results of segments that were evaluated for an override, if they depend on no cut.
    segments: HashMap<SegmentIndex, bool>,
    /// The features being resolved, outermost first.
    resolving: Vec<FeatureIndex>,
}

/// The names and overrides of a ruleset by feature.
struct Index<'a> {
    names: HashMap<&'a str, FeatureIndex>,
    /// The overrides of each feature, in the order of their segments.
    overrides: Vec<Vec<(SegmentIndex, &'a SegmentOverride)>>,
}

impl<'a> Index<'a> {
    fn new(ruleset: &'a Ruleset) -> Index<'a> {
        let names = ruleset.features.iter().enumerate().map(|(index, feature)| (&*feature.name, index));
        let mut overrides = vec![Vec::new(); ruleset.features.len()];
        for (index, segment) in ruleset.segments.iter().enumerate() {
            for change in &segment.overrides {
                let feature = ruleset.states.get(change.state).map(|state| state.feature);
                if let Some(list) = feature.and_then(|feature| overrides.get_mut(feature)) {
                    list.push((index, change));
                }
            }
        }
        Index { names: names.collect(), overrides }
    }
}

impl FlagDependencies<'_> {
    /// True if a flag is being resolved.
    #[inline]
    pub fn is_resolving(&self) -> bool {
        !self.resolving.is_empty()
    }
}

impl<'a> Evaluator<'a> {
    /// The value of a flag's field; unset for a feature that is missing or in a circle.
    pub fn flag_value(&mut self, name: &str, field: FlagField) -> Option<ContextValue<'a>> {
        let feature = self.index().names.get(name).copied()?;
        let decision = self.resolve(feature)?;
        let state = state_of(self.ruleset, self.identity, decision.state)?;
        let variant = decision.variant().and_then(|index| state.variants.get(index));
        let text = |text: String| Some(ContextValue::from_text(text.into()));
        match field {
            FlagField::Name => text(name.to_owned()),
            FlagField::Enabled => Some(ContextValue::Bool(state.enabled)),
            FlagField::Reason => text(reason(self.ruleset, self.identity, feature, &decision)),
            FlagField::Value => {
                let span = variant.map_or(state.value, |variant| variant.value);
                let json = match self.identity {
                    Some(identity) => identity.stored.json(self.ruleset, decision.state, span),
                    None => self.ruleset.json(span),
                };
                ContextValue::from_json(&serde_json::from_str(json).ok()?)
            }
            FlagField::Variant => match decision.outcome {
                Outcome::Plain => None,
                Outcome::Control => text("control".to_owned()),
                Outcome::Variant(_) => text(variant?.key.as_deref()?.to_owned()),
            },
        }
    }

    fn index(&mut self) -> &mut Index<'a> {
        let ruleset = self.ruleset;
        self.dependencies.index.get_or_insert_with(|| Index::new(ruleset))
    }

    fn resolve(&mut self, feature: FeatureIndex) -> Option<Decision> {
        if let Some(known) = self.dependencies.resolved.get(&feature) {
            return Some(*known);
        }
        let dependencies = &mut self.dependencies;
        let circle = dependencies.resolving.iter().position(|&resolving| resolving == feature);
        if circle.is_some() || dependencies.resolving.len() >= MAX_CHAIN {
            let members = dependencies.resolving.get(circle.unwrap_or(0)..).unwrap_or_default();
            dependencies.cyclic.extend(members);
            dependencies.cycle_cuts += 1;
            return None;
        }
        if dependencies.cycle_cuts >= MAX_CYCLE_CUTS && dependencies.cyclic.contains(&feature) {
            dependencies.cycle_cuts += 1;
            return None;
        }
        dependencies.resolving.push(feature);
        let (state, source) = self.winner(feature);
        self.dependencies.resolving.pop();
        if self.dependencies.cyclic.contains(&feature) {
            return None;
        }
        let outcome = outcome(state_of(self.ruleset, self.identity, state), self.identity);
        let decision = Decision { state, source, outcome };
        self.dependencies.resolved.insert(feature, decision);
        Some(decision)
    }

    /// True if a segment matches. The result is kept unless it depends on a cut. With a cut, the result depends on the
    /// feature from which the circle was entered.
    fn overrides(&mut self, index: SegmentIndex, segment: &'a Segment) -> bool {
        if let Some(&known) = self.dependencies.segments.get(&index) {
            return known;
        }
        let cuts = self.dependencies.cycle_cuts;
        let matches = self.is_in_segment(index, segment);
        if self.dependencies.cycle_cuts == cuts {
            self.dependencies.segments.insert(index, matches);
        }
        matches
    }

    /// Returns the winning state of a feature, considering only segments that override the feature.
    fn winner(&mut self, feature: FeatureIndex) -> (usize, StateSource) {
        let ruleset = self.ruleset;
        if let Some(state) = override_for(ruleset, self.identity, feature) {
            return (state, StateSource::Identity);
        }
        let mut leading: Option<Leading> = None;
        // The list is moved out of the index during the loop. Only this feature's resolution reads it, and a circle is
        // cut before a second resolution of the same feature.
        let candidates = self.index().overrides.get_mut(feature).map(std::mem::take).unwrap_or_default();
        // A segment may override a feature more than once, and is evaluated once.
        for candidates in candidates.chunk_by(|(one, _), (other, _)| one == other) {
            let Some(&(index, _)) = candidates.first() else { continue };
            if ruleset.segments.get(index).is_some_and(|segment| self.overrides(index, segment)) {
                for (_, candidate) in candidates {
                    offer(&mut leading, candidate.priority, candidate.state, index);
                }
            }
        }
        if let Some(list) = self.index().overrides.get_mut(feature) {
            *list = candidates;
        }
        match leading {
            Some(leading) => (leading.state, StateSource::Segment(leading.segment)),
            None => {
                (ruleset.features.get(feature).map_or(0, |feature| feature.default), StateSource::Default)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::document::context::EvaluationContext;
    use crate::document::ruleset::Engine;
    use crate::evaluate::evaluate_context;

    #[test]
    fn circular_dependencies_of_many_features_terminate() {
        let names: Vec<_> = (0..40).map(|number| format!("f{number}")).collect();
        let feature = |name: &String| json!({"key": name, "name": name, "enabled": true, "value": 1});
        let reads = |name: &String| json!({"property": format!("$.flags.{name}.value"), "operator": "EQUAL", "value": "2"});
        let conditions: Vec<_> = names.iter().map(reads).collect();
        let segment = |name: &String| {
            let rules = json!([{"type": "ANY", "conditions": conditions}]);
            json!({"key": name, "name": name, "rules": rules, "overrides": [feature(name)]})
        };
        let context = json!({
            "environment": {"key": "env", "name": "env"},
            "features": names.iter().map(|name| (name.clone(), feature(name))).collect::<serde_json::Map<_, _>>(),
            "segments": names.iter().map(|name| (name.clone(), segment(name))).collect::<serde_json::Map<_, _>>(),
        });
        let context = EvaluationContext::parse(context.to_string().as_bytes(), Engine::V11).unwrap();
        let result = evaluate_context(&context);
        for name in names {
            assert_eq!(result["flags"][&name]["reason"], "ERROR; code=CIRCULAR_DEPENDENCY", "{name}");
        }
    }
}
