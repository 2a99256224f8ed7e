//! The working state of one evaluation. Each property is resolved, and each condition evaluated, at most once and
//! within one budget.

use std::borrow::Cow;

use super::condition::matches;
use super::flag_dependencies::FlagDependencies;
use super::json_path::{self, QueryContext};
use super::value::ContextValue;
use super::{Decision, EvaluatedIdentity};
use crate::document::budget::Budget;
use crate::document::property::{PathTarget, Property, PropertyIndex};
use crate::document::ruleset::{
    ConditionIndex, Engine, FeatureIndex, Quantifier, Rule, Ruleset, Segment, SegmentIndex,
};

pub struct Evaluator<'a> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) identity: Option<EvaluatedIdentity<'a>>,
    /// The results of look-ups, by property.
    values: Vec<LookedUp<'a>>,
    /// The results of conditions, by condition.
    verdicts: Vec<ConditionState>,
    pub(super) budget: Budget,
    /// The segment in which the budget was spent.
    pub(super) exhausted: Option<SegmentIndex>,
    pub(super) dependencies: FlagDependencies<'a>,
}

/// The state of a property's lookup.
#[derive(Clone)]
enum LookedUp<'a> {
    NotYet,
    /// The value, which may be unset.
    Found(Option<ContextValue<'a>>),
    /// The budget was spent on the look-up, or before it.
    Exhausted,
}

/// The state of a condition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ConditionState {
    /// Not evaluated yet.
    Open,
    /// The condition matches.
    Holds,
    /// The condition does not match.
    Fails,
    /// The condition counts as one that does not match, since the budget was spent on it or before it.
    Exhausted,
}

impl<'a> Evaluator<'a> {
    pub fn new(ruleset: &'a Ruleset, identity: Option<EvaluatedIdentity<'a>>) -> Evaluator<'a> {
        Evaluator {
            ruleset,
            identity,
            values: vec![LookedUp::NotYet; ruleset.properties.len()],
            verdicts: vec![ConditionState::Open; ruleset.conditions.len()],
            budget: Budget::default(),
            exhausted: None,
            dependencies: FlagDependencies::default(),
        }
    }

    /// True if the context is in a segment. False if the result depends on cutting a circle of flag dependencies.
    pub fn is_in_segment(&mut self, index: SegmentIndex, segment: &'a Segment) -> bool {
        let cuts = self.dependencies.cycle_cuts;
        let matches = !segment.rules.is_empty() && segment.rules.iter().all(|rule| self.rule_holds(rule));
        if self.budget.is_spent() {
            self.exhausted = self.exhausted.or(Some(index));
        }
        matches && self.dependencies.cycle_cuts == cuts
    }

    /// The decision about a feature, if a condition has read its flag.
    #[inline(always)]
    pub fn resolved(&self, feature: FeatureIndex) -> Option<Decision> {
        let resolved = &self.dependencies.resolved;
        if resolved.is_empty() { None } else { resolved.get(&feature).copied() }
    }

    /// Features found in a circle of dependencies.
    pub fn cyclic(&self) -> Vec<FeatureIndex> {
        self.dependencies.cyclic.iter().copied().collect()
    }

    /// True if a rule's conditions and its sub-rules match. An empty list matches.
    pub fn rule_holds(&mut self, rule: &'a Rule) -> bool {
        let conditions = &rule.conditions;
        // A rule in a circle of flags can be evaluated many times, so each time takes steps.
        if self.dependencies.is_resolving() && self.budget.take(1 + conditions.len()).is_none() {
            return false;
        }
        let conditions_hold = conditions.is_empty()
            || quantify(rule.quantifier, conditions, |&index| self.condition_holds(index));
        // flag-engine 11 always evaluates both lists, and so finds circles that one list alone does not contain.
        if !conditions_hold && self.ruleset.engine == Engine::V10 {
            return false;
        }
        let rules_hold =
            rule.rules.is_empty() || quantify(rule.quantifier, &rule.rules, |rule| self.rule_holds(rule));
        conditions_hold && rules_hold
    }

    #[inline(always)]
    pub fn condition_holds(&mut self, index: ConditionIndex) -> bool {
        match self.verdicts.get(index) {
            None | Some(ConditionState::Open) => self.judge(index),
            Some(verdict) => *verdict == ConditionState::Holds,
        }
    }

    fn judge(&mut self, index: ConditionIndex) -> bool {
        let Some(condition) = self.ruleset.conditions.get(index) else { return false };
        self.lookup(condition.property);
        let passed = match self.values.get(condition.property) {
            Some(LookedUp::Found(value)) => {
                matches(self.ruleset.predicate(condition), value.as_ref(), &mut self.budget)
            }
            _ => None,
        };
        let verdict = match passed {
            Some(true) => ConditionState::Holds,
            Some(false) => ConditionState::Fails,
            None => ConditionState::Exhausted,
        };
        // The flag may still be in resolution, so results that depend on flags are not kept.
        let stays = passed.is_none() || !self.reads_flag(condition.property);
        if let Some(slot) = self.verdicts.get_mut(index).filter(|_| stays) {
            *slot = verdict;
        }
        verdict == ConditionState::Holds
    }

    /// True if a condition counts as one that does not match because the budget was spent.
    pub fn is_exhausted(&self, index: ConditionIndex) -> bool {
        self.verdicts.get(index) == Some(&ConditionState::Exhausted)
    }

    /// The value that an evaluated condition was compared with; `None` for an unset value.
    pub fn value_met(&self, index: ConditionIndex) -> Option<&ContextValue<'a>> {
        let condition = self.ruleset.conditions.get(index)?;
        match self.values.get(condition.property)? {
            LookedUp::Found(value) => value.as_ref(),
            LookedUp::NotYet | LookedUp::Exhausted => None,
        }
    }

    fn reads_flag(&self, index: PropertyIndex) -> bool {
        matches!(self.ruleset.properties.get(index), Some(Property::Path(_, PathTarget::Flag(..))))
    }

    fn lookup(&mut self, index: PropertyIndex) {
        let known = !matches!(self.values.get(index), None | Some(LookedUp::NotYet));
        if known && !self.reads_flag(index) {
            return;
        }
        let Some(property) = self.ruleset.properties.get(index) else { return };
        let value = self.value(property).map_or(LookedUp::Exhausted, LookedUp::Found);
        if let Some(slot) = self.values.get_mut(index) {
            *slot = value;
        }
    }

    /// The value of a property, which may be unset; `None` if the budget is spent.
    fn value(&mut self, property: &'a Property) -> Option<Option<ContextValue<'a>>> {
        Some(match property {
            Property::Trait(name) => self.trait_value(name),
            // Not coerced, since the key is hashed as text.
            Property::IdentityKey => {
                self.identity.map(|identity| ContextValue::Text(Cow::Borrowed(identity.key)))
            }
            Property::Path(name, target) => match self.trait_value(name) {
                Some(value) => Some(value),
                None => return self.target_value(target),
            },
        })
    }

    fn target_value(&mut self, target: &'a PathTarget) -> Option<Option<ContextValue<'a>>> {
        let identity = self.identity;
        let coerced = |text: Option<&'a str>| text.map(|text| ContextValue::from_text(Cow::Borrowed(text)));
        Some(match target {
            PathTarget::Identifier => coerced(identity.map(|identity| identity.identifier)),
            PathTarget::IdentityKey => coerced(identity.map(|identity| identity.key)),
            PathTarget::Trait(name) => self.trait_value(name),
            PathTarget::EnvironmentKey => coerced(Some(&self.ruleset.environment_key)),
            PathTarget::EnvironmentName => coerced(self.ruleset.environment_name.as_deref()),
            PathTarget::Flag(..) if self.ruleset.engine == Engine::V10 => None,
            PathTarget::Flag(feature, field) => self.flag_value(feature, *field),
            PathTarget::Query(query) => {
                let context = QueryContext::new(self.ruleset.context.as_ref(), identity);
                return json_path::first(query, context, &mut self.budget);
            }
        })
    }

    fn trait_value(&self, name: &str) -> Option<ContextValue<'a>> {
        self.identity?.traits.get(name).map(ContextValue::from_trait)
    }
}

/// True if the quantifier is fulfilled. Evaluates parts until the result is certain.
#[inline(always)]
fn quantify<'r, T>(quantifier: Quantifier, parts: &'r [T], mut holds: impl FnMut(&'r T) -> bool) -> bool {
    let decisive = !matches!(quantifier, Quantifier::All);
    for part in parts {
        if holds(part) == decisive {
            return matches!(quantifier, Quantifier::Any);
        }
    }
    !matches!(quantifier, Quantifier::Any)
}
