//! One evaluation's tables: each property is looked up, and each condition judged, at most once.

use std::borrow::Cow;

use super::condition::passes;
use super::flag_dependencies::FlagDependencies;
use super::value::Value;
use super::{Decision, IdentityContext};
use crate::document::property::{Property, Target};
use crate::document::ruleset::{
    ConditionId, Engine, FeatureId, PropertyId, Quantifier, Rule, Ruleset, Segment,
};
use crate::identity::TraitValue;

pub struct Evaluator<'a> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) identity: Option<IdentityContext<'a>>,
    /// By property: not looked up yet, or its value, which may be unset.
    values: Vec<Option<Option<Value<'a>>>>,
    /// By condition: not judged yet, or the verdict.
    verdicts: Vec<Option<bool>>,
    /// The context for JSONPath queries, made when the first one asks.
    context: Option<serde_json::Value>,
    pub(super) dependencies: FlagDependencies,
}

impl<'a> Evaluator<'a> {
    pub fn new(ruleset: &'a Ruleset, identity: Option<IdentityContext<'a>>) -> Evaluator<'a> {
        Evaluator {
            ruleset,
            identity,
            values: vec![None; ruleset.properties.len()],
            verdicts: vec![None; ruleset.conditions.len()],
            context: None,
            dependencies: FlagDependencies::default(),
        }
    }

    /// Whether the context is in a segment. False too where that could only be told by cutting a circle of flag
    /// dependencies.
    pub fn is_in_segment(&mut self, segment: &'a Segment) -> bool {
        let cuts = self.dependencies.cuts;
        let matches = !segment.rules.is_empty() && segment.rules.iter().all(|rule| self.rule_holds(rule));
        matches && self.dependencies.cuts == cuts
    }

    /// What a feature came to when a condition read its flag.
    #[inline(always)]
    pub fn resolved(&self, feature: FeatureId) -> Option<Decision> {
        let resolved = &self.dependencies.resolved;
        if resolved.is_empty() { None } else { resolved.get(&feature).copied() }
    }

    /// Features found in a circle of dependencies.
    pub fn cyclic(&self) -> Vec<FeatureId> {
        self.dependencies.cyclic.iter().copied().collect()
    }

    /// A rule asks its conditions and its sub-rules separately; an empty side is satisfied.
    pub fn rule_holds(&mut self, rule: &'a Rule) -> bool {
        let conditions = &rule.conditions;
        let conditions_hold =
            conditions.is_empty() || quantify(rule.quantifier, conditions, |&id| self.condition_holds(id));
        // flag-engine 11 judges both sides always, and so finds circles that one side alone does not show.
        if !conditions_hold && self.ruleset.engine == Engine::V10 {
            return false;
        }
        let rules_hold =
            rule.rules.is_empty() || quantify(rule.quantifier, &rule.rules, |rule| self.rule_holds(rule));
        conditions_hold && rules_hold
    }

    #[inline(always)]
    pub fn condition_holds(&mut self, id: ConditionId) -> bool {
        match self.verdicts.get(id) {
            Some(Some(verdict)) => *verdict,
            _ => self.judge(id),
        }
    }

    fn judge(&mut self, id: ConditionId) -> bool {
        let Some(condition) = self.ruleset.conditions.get(id) else { return false };
        self.look_up(condition.property);
        let value = self.values.get(condition.property).and_then(Option::as_ref).and_then(Option::as_ref);
        let verdict = passes(&condition.test, value);
        // What a flag is may still be being found out, so nothing that reads flags is kept.
        let reads_flag = self.reads_flag(condition.property);
        if let Some(slot) = self.verdicts.get_mut(id).filter(|_| !reads_flag) {
            *slot = Some(verdict);
        }
        verdict
    }

    /// The value that a condition met when it was judged; `None` for an unset one.
    pub fn value_met(&self, id: ConditionId) -> Option<&Value<'a>> {
        let condition = self.ruleset.conditions.get(id)?;
        self.values.get(condition.property)?.as_ref()?.as_ref()
    }

    fn reads_flag(&self, id: PropertyId) -> bool {
        matches!(self.ruleset.properties.get(id), Some(Property::Path(_, Target::Flag(..))))
    }

    fn look_up(&mut self, id: PropertyId) {
        let known = self.values.get(id).is_some_and(Option::is_some);
        if known && !self.reads_flag(id) {
            return;
        }
        let value = self.ruleset.properties.get(id).and_then(|property| self.value(property));
        if let Some(slot) = self.values.get_mut(id) {
            *slot = Some(value);
        }
    }

    fn value(&mut self, property: &'a Property) -> Option<Value<'a>> {
        match property {
            Property::Trait(name) => self.trait_value(name),
            // Hashed as it is: an identity's key is not coerced.
            Property::IdentityKey => self.identity.map(|identity| Value::Text(Cow::Borrowed(identity.key))),
            Property::Path(name, target) => match self.trait_value(name) {
                Some(value) => Some(value),
                None => self.target_value(target),
            },
        }
    }

    fn target_value(&mut self, target: &'a Target) -> Option<Value<'a>> {
        let coerced = |text: &'a str| Some(Value::from_text(Cow::Borrowed(text)));
        match target {
            Target::Identifier => coerced(self.identity?.identifier),
            Target::IdentityKey => coerced(self.identity?.key),
            Target::Trait(name) => self.trait_value(name),
            Target::EnvironmentKey => coerced(&self.ruleset.environment_key),
            Target::EnvironmentName => coerced(self.ruleset.environment_name.as_deref()?),
            Target::Flag(..) if self.ruleset.engine == Engine::V10 => None,
            Target::Flag(feature, field) => self.flag_value(feature, *field),
            Target::Query(query) => {
                let context = self.context.get_or_insert_with(|| whole_context(self.ruleset, self.identity));
                let node = query.query(context).first()?;
                Value::from_json(node)
            }
        }
    }

    fn trait_value(&self, name: &str) -> Option<Value<'a>> {
        self.identity?.traits.get(name).map(Value::from_trait)
    }
}

/// Asks parts until the answer is certain.
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

/// The context that queries run on (contract §C.0): the environment's part and, where that is not there already,
/// the identity.
fn whole_context(ruleset: &Ruleset, identity: Option<IdentityContext<'_>>) -> serde_json::Value {
    let mut context = ruleset.context.clone().unwrap_or_default();
    if let (Some(identity), false) = (identity, context.contains_key("identity")) {
        let value = |value: &TraitValue| serde_json::to_value(value).unwrap_or_default();
        let traits = identity.traits.iter().map(|(key, trait_value)| (key.to_string(), value(trait_value)));
        let traits: serde_json::Map<_, _> = traits.collect();
        let identity =
            serde_json::json!({"identifier": identity.identifier, "key": identity.key, "traits": traits});
        context.insert("identity".to_owned(), identity);
    }
    serde_json::Value::Object(context)
}
